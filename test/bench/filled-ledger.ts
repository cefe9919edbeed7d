import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { CHAIN_START, chained } from '../../src/access/audit-chain.ts';
import type { GrantId, JobId } from '../../src/access/ids.ts';
import { type Instant, instant, later } from '../../src/access/instant.ts';
import type { Pair } from '../../src/access/reference.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import type { Database } from '../../src/ledger/sqlite/database.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';
import { changeLedger } from '../support/ledgers-under-test.ts';

export const CONNECTOR_ID = 'connector-under-bench';

/** A grant that is active already. */
export interface FilledGrant {
  readonly pair: Pair;
  readonly expiresAt: Instant;
}

/** Where the rows of one grant are found. */
const ROWS_OF_GRANT = {
  jobs: 'job_id = :jobId',
  grants: 'grant_id = :grantId',
  periods: 'user_id = :userId AND group_id = :groupId',
  intents: 'grant_id = :grantId',
  audit: '(grant_id = :grantId OR job_id = :jobId)',
} as const;

const columnRows = z.array(z.object({ name: z.string(), type: z.string(), pk: z.int() }));
const anyRows = z.array(z.record(z.string(), z.union([z.string(), z.number(), z.null()])));

/**
 * Makes a ledger as the connector leaves it after granting, or adds to it: of each grant a settled job, a closed intent, a
 * period and the audit trail; every event acknowledged. The first is written by the ledger itself, the others are copies of its rows
 * under other names, since a hundred thousand would take minutes. Returns the ids of the grants, in order.
 */
export async function fillLedger(stateDir: string, grants: readonly FilledGrant[]): Promise<readonly GrantId[]> {
  const [first, ...others] = grants.map((grant) => ({
    ...grant,
    grantId: randomUUID() as GrantId,
    jobId: randomUUID() as JobId,
  }));
  if (first === undefined) return [];
  const ledger = await openSqliteLedger({
    stateDir,
    connectorId: CONNECTOR_ID,
    defaultConnectorId: CONNECTOR_ID,
    now: () => instant(Date.now()),
  });
  try {
    // Written an hour ago, and the server was in use until now: nothing of it is looked for again on the one that is found.
    await ledger.keepServer({ server: 'the one before', at: instant(Date.now()), lookBackMs: 0 });
    await ledger.useServer(instant(Date.now()));
    await write(ledger, first);
    await ledger.acknowledge((await ledger.identity()).nextSeq - 1);
  } finally {
    await ledger.close();
  }
  if (others.length > 0) changeLedger(stateDir, (database) => copyRows(database, { first, others }));
  return [first, ...others].map(({ grantId }) => grantId);
}

interface NamedGrant extends FilledGrant {
  readonly grantId: GrantId;
  readonly jobId: JobId;
}

function copyRows(database: Database, { first, others }: { first: NamedGrant; others: readonly NamedGrant[] }): void {
  const originals = namesOf(first);
  const names = Object.keys(originals);
  // The indexes are written all over: with SQLite's own 2 MB most pages would be read and written many times.
  database.script('PRAGMA cache_size = -262144; BEGIN IMMEDIATE');
  const selected = names.map((name) => `json_extract(value, '$.${name}') AS "${name}"`);
  database.script(`CREATE TEMP TABLE others (${names.join(', ')})`);
  database.run(`INSERT INTO others SELECT ${selected.join(', ')} FROM json_each(:all)`, {
    all: JSON.stringify(others.map(namesOf)),
  });
  for (const [table, isOfGrant] of Object.entries(ROWS_OF_GRANT)) {
    const columns = columnRows
      .parse(database.rows(`PRAGMA table_info(${table})`))
      .filter(({ type, pk }) => type !== 'INTEGER' || pk !== 1);
    const used = Object.fromEntries(Object.entries(originals).filter(([name]) => isOfGrant.includes(`:${name}`)));
    const listed = columns.map(({ name }) => `"${name}"`).join(', ');
    for (const row of anyRows.parse(database.rows(`SELECT * FROM ${table} WHERE ${isOfGrant}`, used))) {
      const copies = columns.map(({ name }) => copyOf(row[name] ?? null, originals));
      database.script(`INSERT INTO ${table} (${listed}) SELECT ${copies.join(', ')} FROM others`);
    }
  }
  database.script('DROP TABLE others');
  rechain(database);
  database.script('COMMIT');
}

const auditRows = z.array(z.object({ audit_id: z.int(), record: z.string() }));

/** The copies have the hashes of their originals: each gets its own, so that the trail is whole. */
function rechain(database: Database): void {
  database.script('DROP TRIGGER audit_is_never_changed');
  let head = CHAIN_START;
  for (;;) {
    const page = auditRows.parse(
      database.rows('SELECT audit_id, record FROM audit WHERE audit_id > :after ORDER BY audit_id LIMIT 1000', {
        after: head.count,
      }),
    );
    if (page.length === 0) break;
    for (const { record } of page) {
      head = chained(head, record);
      database.run('UPDATE audit SET hash = :hash WHERE audit_id = :count', { ...head });
    }
  }
  database.run('UPDATE identity SET audit_count = :count, audit_hash = :hash', { ...head });
  database.script(`CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'an audit record is never changed'); END`);
}

/** The value of a column as SQL, with the names of another grant for those of the first. */
function copyOf(value: string | number | null, originals: Readonly<Record<string, string | number>>): string {
  if (value === null) return 'NULL';
  const whole = Object.entries(originals).find(([, original]) => original === value);
  if (whole !== undefined) return `"${whole[0]}"`;
  if (typeof value === 'number') return String(value);
  return Object.entries(originals)
    .filter(([, original]) => value.includes(String(original)))
    .reduce((text, [name, original]) => `replace(${text}, ${quoted(String(original))}, "${name}")`, quoted(value));
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Everything that is different in the rows of another grant. */
function namesOf({ grantId, jobId, pair: { user, group }, expiresAt }: NamedGrant) {
  return { grantId, jobId, userId: user.id, userDn: user.dn, groupId: group.id, groupDn: group.dn, expiresAt };
}

async function write(ledger: Ledger, { grantId, jobId, pair, expiresAt }: NamedGrant): Promise<void> {
  const at = later(instant(Date.now()), -3_600_000);
  const end = { kind: 'at', expiresAt } as const;
  const job = {
    kind: 'grant',
    jobId,
    grantId,
    issuedAt: at,
    user: { by: 'id', id: pair.user.id },
    group: { by: 'id', id: pair.group.id },
    end,
  } as const;
  const values = [pair.user.dn];
  const memberAttribute = 'member';
  const active = { state: 'active', grantId, pair, standing: false, activatedAt: at, expiresAt } as const;
  await ledger.storeJob(
    { jobId, hash: 'ab'.repeat(32), job, receivedAt: at, traceparent: null, grantId: null },
    { at, audit: [{ kind: 'job.accepted', at, jobId, facts: { job } }] },
  );
  await ledger.savePending({ state: 'pending', grantId, pair, end, deadline: later(at, 900_000) }, [jobId], {
    at,
    audit: [{ kind: 'grant.pending', at, jobId, grantId, facts: { end } }],
  });
  const intent = await ledger.openIntent(
    { kind: 'add', grantId, pair, memberAttribute, values, preImage: 'absent', placeholder: null, at },
    { period: null, replaces: null },
    { at, audit: [{ kind: 'intent.opened', at, grantId, pair, facts: { kind: 'add', values } }] },
  );
  await ledger.activate(
    {
      grant: active,
      period: {
        pair,
        standing: false,
        heldSince: at,
        memberAttribute,
        values,
        metValues: [],
        seenAbsent: false,
        deleteSent: false,
      },
      intentId: intent.intentId,
      placeholder: null,
    },
    {
      at,
      results: [{ kind: 'job.succeeded', jobId, outcome: 'granted' }],
      audit: [{ kind: 'grant.activated', at, jobId, grantId, pair, facts: { expiresAt } }],
    },
  );
}
