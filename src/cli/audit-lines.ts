import type { KeptRow } from '../access/audit-chain.ts';
import { canonicalJson } from '../access/canonical-json.ts';
import { formatInstant, instant } from '../access/instant.ts';

export const AUDIT_FORMATS = ['ndjson', 'csv'] as const;
export type AuditFormat = (typeof AUDIT_FORMATS)[number];

/** What a spreadsheet takes for a formula, or for a cell of its own: names and reasons are written by others. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/u;

/** How a trail is written out: what comes first, and each record, with its line end. */
export const AUDIT_LINES: Record<AuditFormat, { readonly head: string; readonly line: (row: KeptRow) => string }> = {
  ndjson: { head: '', line: jsonLine },
  csv: {
    head: csvLine(['seq', 'time', 'kind', 'jobId', 'grantId', 'userId', 'userDn', 'groupId', 'groupDn', 'facts', 'hash']),
    line: csvOf,
  },
};

/** The record as it is kept, so that its hash can be worked out from this line and the one before it. */
function jsonLine({ seq, hash, record }: KeptRow): string {
  return `{"hash":"${hash}","record":${Buffer.from(record).toString('utf8')},"seq":${seq}}\n`;
}

interface ReadRecord {
  readonly at?: number;
  readonly kind?: string;
  readonly jobId?: string;
  readonly grantId?: string;
  readonly pair?: Partial<Record<'user' | 'group', { readonly id?: string; readonly dn?: string }>> | null;
  readonly facts?: unknown;
}

function csvOf({ seq, hash, record }: KeptRow): string {
  const { at, kind, jobId, grantId, pair, facts } = JSON.parse(Buffer.from(record).toString('utf8')) as ReadRecord;
  return csvLine([
    String(seq),
    at === undefined ? '' : formatInstant(instant(at)),
    kind,
    jobId,
    grantId,
    pair?.user?.id,
    pair?.user?.dn,
    pair?.group?.id,
    pair?.group?.dn,
    facts === undefined ? '' : canonicalJson(facts),
    hash,
  ]);
}

/** One line of RFC 4180. A cell that begins like a formula gets an apostrophe before it. */
function csvLine(cells: readonly (string | undefined)[]): string {
  const quoted = cells.map((cell = '') => `"${(FORMULA.test(cell) ? `'${cell}` : cell).replaceAll('"', '""')}"`);
  return `${quoted.join(',')}\r\n`;
}
