import { formatInstant } from '../access/instant.ts';
import type { Ledger, Space } from '../ledger/ledger.ts';
import type { HealthPart } from '../observability/health.ts';

const SPACE_MESSAGE: Record<Exclude<Space, 'ok'>, string> = {
  low: 'the disk of the state directory is full: grants go on ending, new ones are refused as no_space. Free space on it',
  endings_only:
    'the disk of the state directory is full, and its reserve is running out: no new job is taken but a revoke. Free space on it',
};

/** A ledger is ready if it can write: raising the mark by nothing is a transaction like any other. */
export async function ledgerHealth(ledger: Ledger, failing: number): Promise<HealthPart> {
  try {
    await ledger.advanceClock(await ledger.clockMark());
    if (failing > 0)
      return {
        ready: false,
        message: `${failing} pieces of work fail; the log says why (engine.attempt-failed), and each is tried again`,
      };
    const { replacedAt } = await ledger.identity();
    const replaced = replacedAt === null ? {} : { replacedAt: formatInstant(replacedAt) };
    const space = await ledger.space();
    if (space !== 'ok') return { ready: false, ...replaced, space, message: SPACE_MESSAGE[space] };
    const unknown = await ledger.countOwnershipUnknown();
    if (unknown === 0) return { ready: true, ...replaced };
    return {
      ready: false,
      ...replaced,
      message: `of ${unknown} memberships it is unknown whether they are ours, since the ledger was restored`,
    };
  } catch (error) {
    return { ready: false, message: error instanceof Error ? error.message : 'unknown' };
  }
}
