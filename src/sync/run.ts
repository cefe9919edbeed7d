import type { Clock } from '../access/clock.ts';
import { jobError } from '../access/outcome.ts';
import type { AttributeCounts, SyncCounts, SyncFindings, SyncMode, SyncWish } from '../access/sync.ts';
import type { DirectoryReader, ProtectionRules } from '../directory/directory-reader.ts';
import type { Draft, HeldRun, PictureFacts, Snapshots } from '../ledger/snapshots.ts';
import type { Logger } from '../observability/logger.ts';
import { lostAttributes, lostMessage } from './attributes.ts';
import { readChanges } from './changes.ts';
import type { SyncChannel, SyncStream } from './channel.ts';
import { failureOf, RefusedRemovals } from './failures.ts';
import { type Findings, findings } from './findings.ts';
import { type HeldGrants, heldMeanwhile } from './held-grants.ts';
import { type OthersWatch, tellOthers } from './others.ts';
import { type Pager, pager } from './pager.ts';
import { type Protection, protectionNow } from './protection.ts';
import { acceptable, fewerThan, heldMessage, judgeRemovals } from './removals.ts';
import type { Base, Built, RunParts } from './run-parts.ts';
import { failed, notHeld, published, type SyncResult } from './run-result.ts';
import { compareGrants, type DriftWatch, type GroupNames, groupNames } from './suspicions.ts';
import { turns } from './turns.ts';
import { readWhole } from './whole.ts';

export interface SyncRunOptions {
  readonly reader: DirectoryReader;
  readonly snapshots: Snapshots;
  readonly channel: SyncChannel;
  /** What grants hold now; null where nobody knows. */
  readonly heldGrants: (() => Promise<HeldGrants>) | null;
  /** Told of grants that are not as they were read; null where nobody asks. A run that fails suspects nothing. */
  readonly drift: DriftWatch | null;
  /** Told who is where nobody but who has a grant may be; null where nobody asks. */
  readonly others: OthersWatch | null;
  readonly rules: ProtectionRules;
  /** Of what was published, as much may be removed, in percent (SYNC_MAX_REMOVED). */
  readonly maxRemovedPercent: number;
  /** A folder of ours, for what has to wait. */
  readonly scratchFolder: string;
  readonly clock: Clock;
  readonly newSyncId: () => string;
  /** Whether a control plane is told; a run that tells nobody can neither be held nor accepted. */
  readonly isTold: boolean;
  readonly log: Logger;
}

/** A run: rejects only where the signal says so. One at a time. */
export type SyncRun = (wish: SyncWish, signal: AbortSignal) => Promise<SyncResult>;

const NO_CURSOR = 'when it was read last, the directory offered no way to find changes';

const ATTRIBUTES_LOST = 'when it was read whole last, nobody had some attribute any more';

/** What one attempt of a run is about. */
interface Attempt {
  readonly syncId: string;
  readonly mode: SyncMode;
  readonly base: Base | null;
  /** How much there was when a run was last published; null where nobody knows. */
  readonly last: SyncCounts | null;
  /** Who had which attribute when everything was read last; null where nobody knows. */
  readonly had: AttributeCounts | null;
  /** Where the changes begin; null where everything is to be read. */
  readonly cursor: string | null;
  readonly accepted: HeldRun | null;
  readonly signal: AbortSignal;
}

/**
 * Reads the directory, compares it with what was published last, and tells the difference or everything: complete or not at all.
 * What was published last is replaced once the control plane has acknowledged the end.
 */
export function syncRun(options: SyncRunOptions): SyncRun {
  const { snapshots, clock, newSyncId, log } = options;

  return async (wish, signal) => {
    const beganMs = clock.monotonicMs();
    const accepted =
      wish.acceptRemovals === null ? null : acceptable(snapshots.held(), { syncId: wish.acceptRemovals, now: clock.wall() });
    if (accepted === undefined) return notHeld(newSyncId(), wish);
    // Twice at most: what cannot be told as a difference is told whole.
    for (const mode of [wish.mode, 'full'] as const) {
      const attempt = prepare(options, { mode, accepted, signal });
      const { syncId } = attempt;
      try {
        const { built, found, names } = await stream(options, attempt);
        await compareGrants(options, names);
        await tellOthers(options);
        const durationMs = Math.round(clock.monotonicMs() - beganMs);
        return published(options, { attempt, built, found, durationMs });
      } catch (error) {
        if (signal.aborted) throw error;
        const failure = failureOf(error, attempt.mode);
        const level = failure.kind === 'error' ? 'error' : 'warn';
        log[level]({ event: 'sync.failed', syncId, mode: attempt.mode, error }, failure.message);
        if (failure.kind === 'unlinked') return { kind: 'unlinked', syncId, reason: failure.message };
        if (failure.kind === 'error') return failed(options, attempt, failure);
        snapshots.forget(failure.message);
      }
    }
    const error = jobError('internal', 'the file of the last sync was damaged twice; look at the volume of the state directory');
    return { kind: 'failed', syncId: newSyncId(), mode: 'full', error, held: null };
  };
}

function prepare(
  { snapshots, newSyncId, log }: SyncRunOptions,
  { mode, accepted, signal }: { mode: SyncMode; accepted: HeldRun | null; signal: AbortSignal },
): Attempt {
  const syncId = newSyncId();
  const last = snapshots.published();
  if (last.kind === 'none') {
    log.info(
      { event: 'sync.started', syncId, mode: 'full', asked: mode, reason: last.reason },
      'a sync has begun, which tells everything',
    );
    return { syncId, mode: 'full', base: null, last: last.counts, cursor: null, had: snapshots.had(), accepted, signal };
  }
  const { picture, facts } = last;
  log.info({ event: 'sync.started', syncId, mode, baseSyncId: facts.syncId }, 'a sync has begun');
  return {
    syncId,
    mode,
    base: { picture, facts },
    last: facts.counts,
    had: snapshots.had(),
    cursor: mode === 'delta' ? facts.cursor : null,
    accepted,
    signal,
  };
}

/** One stream, from its beginning to what the control plane has acknowledged. */
async function stream(
  options: SyncRunOptions,
  attempt: Attempt,
): Promise<{ built: Built; found: SyncFindings | null; names: GroupNames }> {
  const { channel, clock, log } = options;
  const { syncId, mode, base, signal } = attempt;
  const found = findings(log);
  const heldBefore = (await options.heldGrants?.()) ?? null;
  const names = await groupNames(options.drift);
  signal.throwIfAborted();
  const out = await channel.begin({ syncId, mode, baseCursor: mode === 'delta' ? (base?.facts.syncId ?? null) : null });
  // A stop does not wait for a control plane that does not answer.
  const onAbort = (): void => out.abort(jobError('internal', 'the connector stopped the sync'));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const pages = pager(out);
    const protection = await protectionNow(options, attempt);
    const run = partsOf(options, { attempt, pages, found, heldBefore, names, protection });
    const difference = await readDifference(options, attempt, run);
    const { draft, built } = difference ?? (await readEverything(options, run));
    const whole = difference === null ? found.summary() : null;
    try {
      refuse(built, attempt, options);
      await pages.flush();
      draft.doubt();
      await out.end({ counts: built.counts, cursor: syncId });
      const { cursor, counts } = built;
      await keep(
        options,
        { draft, had: built.had },
        { syncId, at: clock.wall(), cursor, counts, findings: whole ?? base?.facts.findings ?? null },
      );
    } finally {
      draft.discard();
    }
    return { built, found: whole, names };
  } catch (error) {
    abort(out, error, attempt);
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    found.close();
  }
}

interface Drafted {
  readonly draft: Draft;
  readonly built: Built;
}

/** Null where everything has to be read. */
async function readDifference({ snapshots, log }: SyncRunOptions, attempt: Attempt, run: RunParts): Promise<Drafted | null> {
  const { syncId, mode, base, cursor } = attempt;
  if (base === null || mode === 'full') return null;
  const everything = (reason: string): null => {
    log.info({ event: 'sync.reads-everything', syncId, reason }, `the directory is read whole: ${reason}`);
    return null;
  };
  if (cursor === null) return everything(NO_CURSOR);
  // Who has not changed is not told by a difference, and would keep what the last whole read could not see.
  if (snapshots.held().some(({ lost }) => lost.length > 0)) return everything(ATTRIBUTES_LOST);
  const draft = snapshots.change();
  try {
    const built = await readChanges(run, { base, cursor, draft });
    if (!('told' in built)) return { draft, built };
    draft.discard();
    return everything(built.reason);
  } catch (error) {
    draft.discard();
    throw error;
  }
}

async function readEverything({ snapshots }: SyncRunOptions, run: RunParts): Promise<Drafted> {
  const draft = snapshots.replace();
  try {
    return { draft, built: await readWhole(run, draft) };
  } catch (error) {
    draft.discard();
    throw error;
  }
}

function partsOf(
  options: SyncRunOptions,
  {
    attempt,
    pages,
    found,
    heldBefore,
    names,
    protection,
  }: {
    attempt: Attempt;
    pages: Pager;
    found: Findings;
    heldBefore: HeldGrants | null;
    names: GroupNames;
    protection: Protection;
  },
): RunParts {
  const { reader, heldGrants, scratchFolder, clock } = options;
  const { base, mode, signal } = attempt;
  return {
    reader,
    base,
    mode,
    out: pages,
    turns: turns(clock),
    signal,
    protection,
    held: async () => (heldGrants === null || heldBefore === null ? null : heldMeanwhile(heldBefore, await heldGrants())),
    findings: found,
    noteName: names.note,
    scratchFolder,
  };
}

/** Throws where so much would be removed that a person has to look. */
function refuse(
  built: Built,
  { syncId, base, last, had, accepted }: Attempt,
  { maxRemovedPercent, isTold }: SyncRunOptions,
): void {
  if (last === null) return;
  const { counts } = built;
  const removed = base === null ? fewerThan(last, counts) : built.removed;
  const judged = judgeRemovals({ published: last, counts, removed, maxPercent: maxRemovedPercent, accepted });
  if (judged.verdict === 'empty') throw new RefusedRemovals(judged.message, null);
  const lost = lostAttributes({ before: had, now: built.had, published: last });
  const unaccepted = lost.filter((attribute) => accepted?.lost.includes(attribute) !== true);
  const messages = [
    ...(judged.verdict === 'held' ? [judged.message] : []),
    ...(had === null || unaccepted.length === 0 ? [] : [lostMessage(unaccepted, had)]),
  ];
  if (messages.length === 0) return;
  throw new RefusedRemovals(heldMessage(messages.join('. And '), isTold ? syncId : null), { ...removed, lost });
}

/** The control plane has the picture: that it cannot be kept here makes the next sync a full one, and no failure of this one. */
async function keep(
  { snapshots, log }: SyncRunOptions,
  { draft, had }: { draft: Draft; had: AttributeCounts | null },
  facts: PictureFacts,
): Promise<void> {
  const { syncId } = facts;
  try {
    await draft.publish(facts);
    snapshots.release(facts.counts, had);
  } catch (error) {
    log.error(
      { event: 'sync.snapshot-not-kept', syncId, error },
      'what was told could not be kept: the next sync tells everything',
    );
    snapshots.forget('what the last sync told could not be kept');
  }
}

/** The receiver throws the pages away; of a stream that it refused itself, or cannot be told of, it has. */
function abort(out: SyncStream, error: unknown, { mode }: Attempt): void {
  const failure = failureOf(error, mode);
  out.abort(failure.kind === 'error' ? failure.error : jobError('internal', failure.message));
}
