import { createHash, hash } from 'node:crypto';

/** A place in the chain: how many records there were, and the hash of the last of them. */
export interface ChainPoint {
  readonly count: number;
  readonly hash: string;
}

/** Before the first record. */
export const CHAIN_START: ChainPoint = { count: 0, hash: '0'.repeat(64) };

/**
 * The hash of a record: SHA-256 over `{"previous":…,"record":…,"seq":…}` in the canonical form of RFC 8785. It is never written
 * otherwise, so that every trail there is can be verified.
 */
export function chainHash({ previous, seq, record }: { previous: string; seq: number; record: string }): string {
  return hash('sha256', `{"previous":"${previous}","record":${record},"seq":${seq}}`, 'hex');
}

/** The place after one more record, of which the canonical form is given. */
export function chained(head: ChainPoint, record: string): ChainPoint {
  const seq = head.count + 1;
  return { count: seq, hash: chainHash({ previous: head.hash, seq, record }) };
}

/** A record as it is kept. The columns beside it are for finding it, and must say what it says. */
export interface KeptRow {
  readonly seq: number;
  readonly hash: string;
  /** The canonical form, as bytes: text that is no UTF-8 must not look like text that is. */
  readonly record: Uint8Array;
  readonly at: string;
  readonly kind: string;
  readonly jobId: string | null;
  readonly grantId: string | null;
}

/** What the trail says of itself beside its records. */
export interface TrailEnds {
  /** What the retention has deleted ends here. */
  readonly pruned: ChainPoint;
  readonly head: ChainPoint;
  readonly ledgerId: string;
  /** Records with numbers that no trail can have. */
  readonly strays: number;
}

/** A checkpoint that was kept elsewhere; the ledger that told it, where that is known. */
export interface KeptCheckpoint extends ChainPoint {
  readonly ledgerId: string | null;
}

/** The first thing that is wrong, and at which record. */
export interface ChainBreak {
  readonly seq: number;
  readonly fault:
    | 'missing'
    | 'put_in'
    | 'changed'
    | 'column_changed'
    | 'head_changed'
    | 'head_cut'
    | 'tail_cut'
    | 'not_as_checkpointed'
    | 'unreadable';
  readonly message: string;
  readonly expected: string;
  readonly found: string;
}

export interface ChainReport {
  /** Records that are whole. */
  readonly records: number;
  readonly first: number | null;
  readonly head: ChainPoint;
  /** The trail was taken up by a ledger that was put back, at these records. */
  readonly replacedAt: readonly number[];
  /** Checkpoints that were met, and those of which the record is no longer kept, or was of a ledger that this one has replaced. */
  readonly met: number;
  readonly notKept: number;
  readonly ofReplaced: number;
}

export type ChainVerdict = { readonly whole: true; readonly report: ChainReport } | ({ readonly whole: false } & Broken);
interface Broken {
  readonly found: ChainBreak;
  readonly report: ChainReport;
}

/** Looks at a trail, record by record, in order; the memory it needs is that of the checkpoints. */
export interface ChainCheck {
  /** False where something is wrong with it: nothing after it can be judged, and `verdict` says what. */
  take(row: KeptRow): boolean;
  /** After the last record. */
  verdict(): ChainVerdict;
}

/** Begins to look at a trail from its first record on. */
export function chainCheck(ends: TrailEnds, checkpoints: readonly KeptCheckpoint[] = []): ChainCheck {
  const { pruned } = ends;
  const awaited = Map.groupBy(checkpoints, ({ count }) => count);
  let head: ChainPoint = pruned;
  let first: number | null = null;
  let met = 0;
  /** What the newest record says that the retention has deleted. */
  let toldPruned: ChainPoint = CHAIN_START;
  const replacedAt: number[] = [];

  /** Every checkpoint of a record must have its hash. */
  function meet({ count, hash: kept }: ChainPoint): ChainBreak | null {
    for (const checkpoint of awaited.get(count) ?? []) {
      if (isOfReplaced(checkpoint)) continue;
      if (checkpoint.hash !== kept) return notAsCheckpointed(checkpoint, kept);
      met += 1;
    }
    return null;
  }

  /** Whoever puts a ledger back loses what came after, and the new one says so in a record. */
  function isOfReplaced({ ledgerId, count }: KeptCheckpoint): boolean {
    return ledgerId !== null && ledgerId !== ends.ledgerId && replacedAt.some((seq) => seq <= count);
  }

  function judge(row: KeptRow): ChainBreak | null {
    const misplaced = misplacement(row, head.count + 1);
    if (misplaced !== null) return misplaced;
    const next = hashOfRow(row, head);
    if (next !== row.hash) return changed(row, next);
    const read = readRecord(row.record);
    if (read === null)
      return broken('unreadable', row.seq, { message: 'it is no JSON object', expected: 'a record', found: 'other text' });
    const wrong = wrongColumn(row, read);
    if (wrong !== null) return wrong;
    if (read['kind'] === 'audit.pruned' || read['kind'] === 'audit.chained') toldPruned = pointIn(read['facts']);
    if (read['kind'] === 'ledger.replaced') replacedAt.push(row.seq);
    const unlike = meet({ count: row.seq, hash: row.hash });
    if (unlike !== null) return unlike;
    first ??= row.seq;
    head = { count: row.seq, hash: row.hash };
    return null;
  }

  function judgeEnd(): ChainBreak | null {
    if (ends.strays > 0) return stray(head, ends.strays);
    if (head.count !== ends.head.count || head.hash !== ends.head.hash) return tailCut(head, ends.head);
    for (const checkpoint of checkpoints)
      if (checkpoint.count > head.count && !isOfReplaced(checkpoint)) return tailCut(head, checkpoint);
    // Last: the record that tells of the retention may have been cut off with the tail.
    if (toldPruned.count !== pruned.count || toldPruned.hash !== pruned.hash) return headCut(pruned, toldPruned);
    return null;
  }

  // A checkpoint of the last record that was deleted says what the rest begins with.
  let found = pruned.count === 0 ? null : meet(pruned);
  return {
    take(row) {
      found ??= judge(row);
      return found === null;
    },
    verdict() {
      found ??= judgeEnd();
      const report: ChainReport = {
        records: head.count - pruned.count,
        first,
        head,
        replacedAt,
        met,
        notKept: checkpoints.filter(({ count }) => count < pruned.count).length,
        ofReplaced: checkpoints.filter(isOfReplaced).length,
      };
      return found === null ? { whole: true, report } : { whole: false, found, report };
    },
  };
}

function broken(
  fault: ChainBreak['fault'],
  seq: number,
  { message, expected, found }: Pick<ChainBreak, 'message' | 'expected' | 'found'>,
): ChainBreak {
  return { seq, fault, message, expected, found };
}

/** Null where it is the next one. */
function misplacement({ seq }: KeptRow, next: number): ChainBreak | null {
  if (seq === next) return null;
  if (seq < next)
    return broken('put_in', seq, {
      message: 'it stands before the first record that is kept, or twice: it was put in',
      expected: `record ${next}`,
      found: `record ${seq}`,
    });
  return broken('missing', next, {
    message: seq === next + 1 ? 'it is missing' : `records ${next} to ${seq - 1} are missing`,
    expected: `record ${next}`,
    found: `record ${seq}`,
  });
}

function stray({ count }: ChainPoint, strays: number): ChainBreak {
  return broken('put_in', count + 1, {
    message: `${strays} records have numbers that no trail can have: they were put in`,
    expected: 'none',
    found: String(strays),
  });
}

function hashOfRow({ seq, record }: KeptRow, { hash: previous }: ChainPoint): string {
  return createHash('sha256').update(`{"previous":"${previous}","record":`).update(record).update(`,"seq":${seq}}`).digest('hex');
}

function changed({ seq, hash: kept }: KeptRow, expected: string): ChainBreak {
  return broken('changed', seq, {
    message: 'its hash is not that of its content after the record before it: it was changed, moved or put in',
    expected: `hash ${expected}`,
    found: `hash ${kept}`,
  });
}

/** Null where it is no JSON object. */
function readRecord(record: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const read: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(record));
    return typeof read === 'object' && read !== null ? (read as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** The first column that does not say what the record says; null where all do. */
function wrongColumn(row: KeptRow, read: Readonly<Record<string, unknown>>): ChainBreak | null {
  const columns: readonly (readonly [name: string, kept: string | null, recorded: unknown])[] = [
    ['at', row.at, String(read['at'])],
    ['kind', row.kind, read['kind']],
    ['job_id', row.jobId, read['jobId'] ?? null],
    ['grant_id', row.grantId, read['grantId'] ?? null],
  ];
  const [wrong] = columns.filter(([, kept, recorded]) => kept !== recorded);
  if (wrong === undefined) return null;
  const [name, kept, recorded] = wrong;
  return broken('column_changed', row.seq, {
    message: `its column ${name} does not say what its record says: it was changed`,
    expected: JSON.stringify(recorded),
    found: JSON.stringify(kept),
  });
}

function notAsCheckpointed({ count, hash: expected }: ChainPoint, found: string): ChainBreak {
  return broken('not_as_checkpointed', count, {
    message:
      'the chain is whole, but not the one that the checkpoint was taken of: this record or one before it was written anew',
    expected: `hash ${expected}`,
    found: `hash ${found}`,
  });
}

function tailCut(head: ChainPoint, expected: ChainPoint): ChainBreak {
  const found = `${head.count} records, the last with hash ${head.hash}`;
  if (expected.count > head.count)
    return broken('tail_cut', head.count + 1, {
      message: `records ${head.count + 1} to ${expected.count} are missing at the end`,
      expected: `${expected.count} records, the last with hash ${expected.hash}`,
      found,
    });
  return broken('head_changed', expected.count, {
    message: 'the ledger says that the trail ends elsewhere than it does: that, or the last records, were changed',
    expected: `${expected.count} records, the last with hash ${expected.hash}`,
    found,
  });
}

function headCut(pruned: ChainPoint, told: ChainPoint): ChainBreak {
  return broken('head_cut', pruned.count, {
    message: 'no record says that the retention deleted the records up to here: they were deleted otherwise',
    expected: `a record of the retention that names record ${pruned.count} and hash ${pruned.hash}`,
    found: told.count === 0 ? 'none' : `one that names record ${told.count} and hash ${told.hash}`,
  });
}

function pointIn(facts: unknown): ChainPoint {
  const { count, hash: kept } = typeof facts === 'object' && facts !== null ? (facts as Record<string, unknown>) : {};
  return typeof count === 'number' && typeof kept === 'string' ? { count, hash: kept } : CHAIN_START;
}
