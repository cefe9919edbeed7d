import { DatabaseSync } from 'node:sqlite';

/** The ledger as SQL of our own reads it, on a connection that cannot write. */
export interface LedgerView {
  readonly grants: readonly LedgerGrant[];
  readonly jobs: readonly LedgerJob[];
  readonly audit: readonly LedgerAudit[];
  /** Of live memberships: user and group by DN. */
  readonly periods: readonly { readonly userDn: string; readonly groupDn: string; readonly standing: string }[];
}

export interface LedgerGrant {
  readonly grantId: string;
  readonly state: string;
  readonly userDn: string | null;
  readonly groupDn: string | null;
  readonly expiresAt: number | null;
  readonly membership: string | null;
}

export interface LedgerJob {
  readonly jobId: string;
  readonly grantId: string | null;
  readonly receivedAt: number;
  /** The outcome or the error code; null while there is none. */
  readonly result: string | null;
}

export interface LedgerAudit {
  readonly id: number;
  readonly at: number;
  readonly kind: string;
  readonly jobId: string | null;
  readonly grantId: string | null;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** What moves as the ledger is written, and what is still under way in it; null where nothing is. */
export function ledgerPulse(file: string, now: number): { readonly pulse: string; readonly restless: string | null } {
  return withLedger(file, (rows) => {
    const [pulse] = rows(`SELECT (SELECT max(audit_id) FROM audit) || '/' || next_seq AS pulse FROM identity`);
    const counts: readonly (readonly [what: string, sql: string])[] = [
      ['jobs without a result', 'SELECT job_id AS id FROM jobs WHERE result IS NULL'],
      ['grants that are pending or ending', "SELECT grant_id AS id FROM grants WHERE state IN ('pending', 'ending')"],
      ['open intents', 'SELECT grant_id AS id FROM intents WHERE closed_at IS NULL'],
      ['untold events', 'SELECT seq AS id FROM events'],
      ['grants that end now', `SELECT grant_id AS id FROM grants WHERE state = 'active' AND expires_at <= ${now}`],
    ];
    for (const [what, sql] of counts) {
      const found = rows(`${sql} LIMIT 5`);
      if (found.length > 0) return { pulse: '', restless: `${what}: ${found.map(({ id }) => String(id)).join(', ')}` };
    }
    return { pulse: String(pulse?.['pulse']), restless: null };
  });
}

export function readLedger(file: string): LedgerView {
  return withLedger(file, (rows) => ({
    grants: rows('SELECT * FROM grants').map((row) => ({
      grantId: String(row['grant_id']),
      state: String(row['state']),
      userDn: text(row['user_dn']),
      groupDn: text(row['group_dn']),
      expiresAt: row['expires_at'] === null ? null : Number(row['expires_at']),
      membership: text(row['membership']),
    })),
    jobs: rows('SELECT job_id, grant_id, received_at, result FROM jobs').map((row) => ({
      jobId: String(row['job_id']),
      grantId: text(row['grant_id']),
      receivedAt: Number(row['received_at']),
      result: resultOf(text(row['result'])),
    })),
    audit: rows('SELECT * FROM audit ORDER BY audit_id').map((row) => ({
      id: Number(row['audit_id']),
      at: Number(row['at']),
      kind: String(row['kind']),
      jobId: text(row['job_id']),
      grantId: text(row['grant_id']),
      facts: (JSON.parse(String(row['record'])) as { facts?: Record<string, unknown> }).facts ?? {},
    })),
    periods: rows('SELECT user_dn, group_dn, standing FROM periods').map((row) => ({
      userDn: String(row['user_dn']),
      groupDn: String(row['group_dn']),
      standing: String(row['standing']),
    })),
  }));
}

type Rows = (sql: string) => readonly Readonly<Record<string, unknown>>[];

function withLedger<T>(file: string, use: (rows: Rows) => T): T {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    database.exec('PRAGMA busy_timeout = 5000');
    return use((sql) => database.prepare(sql).all());
  } finally {
    database.close();
  }
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function resultOf(json: string | null): string | null {
  if (json === null) return null;
  const { outcome, error } = JSON.parse(json) as { outcome?: string; error?: { code: string } };
  return outcome ?? error?.code ?? json;
}
