import { existsSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ChainVerdict, KeptCheckpoint, KeptRow } from '../access/audit-chain.ts';
import { parseGrantId } from '../access/ids.ts';
import { auditRows, ledgerIn, verifyAudit } from '../connector/audit.ts';
import { LedgerError } from '../ledger/ledger.ts';
import { AUDIT_FORMATS, AUDIT_LINES, type AuditFormat } from './audit-lines.ts';
import { shownVerdict } from './audit-verdict.ts';
import { parseCheckpoint, readCheckpoints } from './checkpoints.ts';
import { configured } from './configured.ts';
import { EXIT } from './exit-code.ts';
import { progress } from './progress.ts';
import type { CommandWords } from './read-command.ts';
import { parseSince } from './since.ts';

/** `latchkey audit verify`: exit code 1 where anything is wrong with the trail. */
export async function verify(given: CommandWords): Promise<number> {
  const checkpoints = await givenCheckpoints(given);
  if (typeof checkpoints === 'string') return said(checkpoints, EXIT.usage);
  const path = ledgerPath(given);
  if (typeof path === 'number') return path;
  const shown = progress(process.stderr);
  return whileReading(path, async () => {
    let verdict: ChainVerdict;
    try {
      verdict = verifyAudit({ path, checkpoints }, shown.records);
    } finally {
      shown.end();
    }
    const text = shownVerdict(verdict, { path, checkpoints: checkpoints.length });
    if (given.has('json')) process.stdout.write(`${JSON.stringify(verdict)}\n`);
    else (verdict.whole ? process.stdout : process.stderr).write(text);
    return verdict.whole ? EXIT.ok : EXIT.failed;
  });
}

/** `latchkey audit export`: as many records as there are, in the memory of a few hundred. */
export async function exportAudit(given: CommandWords): Promise<number> {
  const since = parseSince(given.value('since'), Date.now());
  if (!since.ok) return said(`--since: ${since.problem}, found "${given.value('since') ?? ''}"`, EXIT.usage);
  const grant = given.value('grant');
  const grantId = grant === null ? ({ ok: true, value: null } as const) : parseGrantId(grant);
  if (!grantId.ok) return said(`--grant: ${grantId.problem}, found "${grant ?? ''}"`, EXIT.usage);
  const name = given.value('format') ?? 'ndjson';
  const format = AUDIT_FORMATS.find((one) => one === name);
  if (format === undefined) return said(`--format: expected one of ${AUDIT_FORMATS.join(', ')}, found "${name}"`, EXIT.usage);
  const path = ledgerPath(given);
  if (typeof path === 'number') return path;
  const rows = auditRows(path, { grantId: grantId.value, since: since.value });
  return whileReading(path, async () => {
    await pipeline(Readable.from(written(rows, format)), process.stdout, { end: false });
    return EXIT.ok;
  });
}

function* written(rows: Iterable<KeptRow>, format: AuditFormat): Generator<string> {
  const { head, line } = AUDIT_LINES[format];
  if (head !== '') yield head;
  for (const row of rows) yield line(row);
}

/** The checkpoints of both options, or what is wrong with them. */
async function givenCheckpoints(given: CommandWords): Promise<readonly KeptCheckpoint[] | string> {
  const [one, file] = [given.value('checkpoint'), given.value('checkpoints')];
  const checkpoint = one === null ? null : parseCheckpoint(one);
  if (one !== null && checkpoint === null)
    return `--checkpoint: expected the count and the hash of a checkpoint as COUNT:HASH, found "${one}"`;
  const own = checkpoint === null ? [] : [checkpoint];
  if (file === null) return own;
  try {
    const read = await readCheckpoints(file);
    return read.length === 0 ? `--checkpoints: no checkpoint is in ${file}` : [...own, ...read];
  } catch (error) {
    return `--checkpoints: ${file} cannot be read (${codeOf(error)})`;
  }
}

/** The file that is named, else the configured ledger; an exit code where there is none. */
function ledgerPath({ words: [file] }: CommandWords): string | number {
  if (file === undefined) {
    const known = configured({ logs: 'stderr' });
    if (known === null) return EXIT.configuration;
    return existing(ledgerIn(known.config.process.stateDir));
  }
  return existing(file);
}

function existing(path: string): string | number {
  return existsSync(path) ? path : said(`there is no ledger at ${path}`, EXIT.unavailable);
}

async function whileReading(path: string, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    // Whoever read it has read enough.
    if (codeOf(error) === 'EPIPE') return EXIT.ok;
    if (!(error instanceof LedgerError)) throw error;
    if (error.fault === 'damaged') return said(`the audit trail in ${path} cannot be read: ${error.message}`, EXIT.failed);
    return said(error.message, EXIT.unavailable);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}

function said(message: string, code: number): number {
  process.stderr.write(`latchkey: ${message}\n`);
  return code;
}
