import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { KeptCheckpoint } from '../access/audit-chain.ts';

const HASH = /^[0-9a-f]{64}$/;
const COUNT_AND_HASH = /^(\d{1,15}):([0-9a-f]{64})$/;

/** Reads `COUNT:HASH`; null where it is none. */
export function parseCheckpoint(text: string): KeptCheckpoint | null {
  const [, count, hash] = COUNT_AND_HASH.exec(text.trim().toLowerCase()) ?? [];
  return count === undefined || hash === undefined ? null : { count: Number(count), hash, ledgerId: null };
}

/** A checkpoint in a line of the log, in an event as the control plane keeps it, or in `COUNT:HASH`; null where there is none. */
export function checkpointInLine(line: string): KeptCheckpoint | null {
  const given = parseCheckpoint(line);
  if (given !== null) return given;
  // Whatever a collector of logs puts before the line.
  const begin = line.indexOf('{');
  if (begin === -1 || !line.includes('audit.checkpoint')) return null;
  try {
    return checkpointIn(JSON.parse(line.slice(begin)), null);
  } catch {
    return null;
  }
}

function checkpointIn(value: unknown, ledgerId: string | null): KeptCheckpoint | null {
  if (typeof value !== 'object' || value === null) return null;
  const read = value as Readonly<Record<string, unknown>>;
  // The log with the names of the Elastic Common Schema keeps our own fields beneath one.
  if (read['event.action'] === 'audit.checkpoint')
    return checkpointIn({ ...Object(read['latchkey']), kind: 'audit.checkpoint' }, null);
  const known = typeof read['ledgerId'] === 'string' ? read['ledgerId'] : ledgerId;
  if (read['event'] !== 'audit.checkpoint' && read['kind'] !== 'audit.checkpoint') return checkpointIn(read['event'], known);
  const { count, hash } = read;
  if (!Number.isSafeInteger(count) || typeof hash !== 'string' || !HASH.test(hash)) return null;
  return { count: Number(count), hash, ledgerId: known };
}

/** Every checkpoint in a file of log lines or events; `-` is standard input. Rejects where it cannot be read. */
export async function readCheckpoints(path: string): Promise<readonly KeptCheckpoint[]> {
  const lines = createInterface({
    input: path === '-' ? process.stdin : createReadStream(path),
    crlfDelay: Number.POSITIVE_INFINITY,
  });
  const found = new Map<string, KeptCheckpoint>();
  for await (const line of lines) {
    const checkpoint = checkpointInLine(line);
    // The same one may stand in the log and in events.
    if (checkpoint !== null) found.set(`${checkpoint.count} ${checkpoint.hash} ${checkpoint.ledgerId}`, checkpoint);
  }
  return [...found.values()];
}
