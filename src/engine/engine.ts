import type { Clock, Random } from '../access/clock.ts';
import type { CheckStep } from '../access/event.ts';
import type { FailPoints } from '../access/fail-point.ts';
import type { LiveGrant } from '../access/grant.ts';
import type { GrantId, JobId } from '../access/ids.ts';
import { formatInstant, type Instant } from '../access/instant.ts';
import type { ListJob } from '../access/job.ts';
import type { Directory, DirectoryStatus } from '../directory/directory.ts';
import type { Ledger, StoredJob } from '../ledger/ledger.ts';
import type { LinkListener } from '../link/link.ts';
import type { Logger } from '../observability/logger.ts';
import { afterFailover, LOOK_BACK_MS } from './after-failover.ts';
import { directoryJobError } from './directory-errors.ts';
import { doubtedAdditions } from './doubted-additions.ts';
import { doubtedRemovals } from './doubted-removals.ts';
import { attemptEnding } from './end-membership.ts';
import { type EngineParts, type EnginePolicy, type EngineTimings, lateWrites } from './engine-parts.ts';
import { expiry } from './expiry.ts';
import { goneProofs } from './gone-proofs.ts';
import { attemptGrant } from './grant-membership.ts';
import { intake } from './intake.ts';
import { keyedLock } from './keyed-lock.ts';
import { outbox } from './outbox.ts';
import { protectedGroups } from './protected-groups.ts';
import { type Attempted, pursuits } from './pursuits.ts';
import { answerCheck, answerList } from './questions.ts';
import { recovery } from './recovery.ts';
import { trustedClock } from './trusted-clock.ts';
import { attemptUpdate } from './update-grant.ts';

export interface EngineOptions {
  readonly ledger: Ledger;
  readonly directory: Directory;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly failPoints: FailPoints;
  readonly policy: EnginePolicy & {
    readonly protectedGroups: readonly string[];
    readonly unprotectedGroups: readonly string[];
  };
  readonly timings: EngineTimings;
  readonly placeholder: string;
  /** What `check` jobs report beside the directory; nothing where it is left out. */
  readonly localChecks?: () => Promise<readonly CheckStep[]>;
  /** What `hello` says of this process. */
  readonly identity: {
    readonly name: string;
    readonly instanceId: string;
    readonly version: string;
    readonly startedAt: Instant;
  };
}

/** What health asks of the engine. */
export interface EngineStatus {
  readonly clock: { readonly trusted: boolean; readonly aheadMs: number };
  /** Configured protected groups that mean no group; null before the first look. */
  readonly protectedGroupsMissing: readonly string[] | null;
  /** What is being pursued: grants to be written, memberships to be ended, questions to be answered. */
  readonly pursued: number;
  /** Of those, how many failed at their last attempt in a way that nobody expected. */
  readonly failing: number;
}

export interface Engine {
  /** Finishes what a crash left open, ends what is due, and takes jobs from now on. */
  start(): Promise<void>;
  readonly listener: LinkListener;
  status(): EngineStatus;
  /** Begins nothing new and finishes what was begun; true where nothing that could be told was left untold. */
  stop(deadline: AbortSignal): Promise<boolean>;
}

/** How often the high-water mark is written where nothing else writes it (reliability facts, Clocks). */
const MARK_EVERY_MS = 10_000;

/** How often what is older than the retention is looked for. */
const FORGET_EVERY_MS = 3_600_000;

/** job → outcome. Opens nothing: every port is given, and closed by whoever opened it. */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { ledger, directory, clock, random, log, failPoints, policy, timings } = options;
  const stopping = new AbortController();
  let { replacedAt, nextSeq: firstSeq } = await ledger.identity();
  const time = trustedClock({ clock, mark: await ledger.clockMark() });
  const recovering = recovery(() => pursued.kick('directory'));
  const late = lateWrites({ clock, lateWriteMs: timings.lateWriteMs });
  const doubted = doubtedAdditions({ clock, doubtMs: LOOK_BACK_MS });
  const parts: EngineParts = {
    ledger,
    directory,
    clock,
    random,
    time,
    log,
    failPoints,
    policy,
    timings,
    placeholder: options.placeholder,
    localChecks: options.localChecks ?? (async () => []),
    protectedGroups: protectedGroups({
      configured: policy.protectedGroups,
      unprotected: policy.unprotectedGroups,
      directory,
      log,
    }),
    goneProofs: goneProofs({ directory, clock, confirmMs: timings.goneConfirmMs, failPoints }),
    lateWrites: {
      lost: (pair, agoMs) => late.lost(pair, agoMs),
      remainingMs: (pair) => Math.max(late.remainingMs(pair), doubted.remainingMs(pair)),
    },
    doubtedAdditions: doubted,
    doubtedRemovals: doubtedRemovals(),
    lateRemovals: lateWrites({ clock, lateWriteMs: timings.lateWriteMs }),
    replacedAt: () => replacedAt,
    locks: keyedLock(),
    signal: stopping.signal,
    onProbed: recovering.probed,
    mayWrite: recovering.mayWrite,
    onEndSet: (expiresAt) => {
      if (!stopping.signal.aborted) expiring.rearm(expiresAt);
    },
  };
  const pursued = pursuits({ clock, random, log });
  const out = outbox({ ledger, clock, log, failPoints });
  const expiring = expiry(parts, pursueEnding);
  const way = intake(parts, {
    pursueGrant: ({ grantId }) => pursueGrant(grantId),
    pursueEnding,
    pursueUpdate,
    answerCheck: (stored) =>
      pursued.pursue({
        key: `check:${stored.jobId}`,
        about: { jobId: stored.jobId },
        urgency: 'grant',
        attempt: () => told(answerCheck(parts, stored)),
      }),
    // One after the other: each reads every grant, and many at a time would hold up the ledger, and an ending with it.
    answerList: (stored, query) => void parts.locks.run('lists', 'grant', () => pursueList(stored, query)),
  });

  function pursueList(stored: StoredJob, query: ListJob): Promise<void> {
    return new Promise((answered) => {
      pursued.pursue({
        key: `list:${stored.jobId}`,
        about: { jobId: stored.jobId },
        urgency: 'grant',
        waitsFor: 'link',
        attempt: async () => {
          const attempted = await told(answerList(parts, { stored, query, connection: out.connection() }));
          if (attempted.done) answered();
          return attempted;
        },
      });
    });
  }

  function pursueGrant(grantId: GrantId): void {
    pursued.pursue({
      key: `grant:${grantId}`,
      about: { grantId },
      urgency: 'grant',
      attempt: (nextDelayMs) =>
        told(attemptGrant(parts, { grantId, nextDelayMs, steps: { onEnding: pursueEnding, onUpdate: pursueUpdate } })),
    });
  }

  function pursueUpdate(grantId: GrantId, jobId: JobId): void {
    pursued.pursue({
      key: `update:${jobId}`,
      about: { jobId },
      urgency: 'grant',
      attempt: (nextDelayMs) => told(attemptUpdate(parts, { grantId, jobId, nextDelayMs })),
    });
  }

  function pursueEnding({ grantId, pair }: Pick<LiveGrant, 'grantId' | 'pair'>): void {
    pursued.pursue({
      key: `end:${grantId}`,
      about: { grantId },
      urgency: 'ending',
      attempt: (nextDelayMs) => told(attemptEnding(parts, { grantId, pair, nextDelayMs })),
    });
  }

  /** Whatever an attempt wrote may wait to be told. */
  async function told(attempt: Promise<Attempted>): Promise<Attempted> {
    try {
      return await attempt;
    } finally {
      out.wake();
    }
  }

  const lost = afterFailover(parts, { pursued, told, pursueEnding });

  async function directoryChanged(status: DirectoryStatus): Promise<void> {
    const at = time.now();
    if (status.state === 'up') {
      pursued.kick('directory');
      await ledger.tell({ at, events: [{ kind: 'directory.changed', state: 'up', directory: status.view }], audit: [] });
      await parts.protectedGroups.resolve(parts.signal);
    } else
      await ledger.tell({
        at,
        events: [{ kind: 'directory.changed', state: 'down', error: directoryJobError(status.error) }],
        audit: [],
      });
    out.wake();
  }

  const timers = new Set<() => void>();
  function every(periodMs: number, work: () => Promise<unknown>): void {
    let cancel = (): void => undefined;
    const arm = (): void => {
      timers.delete(cancel);
      cancel = clock.timer(periodMs, () => {
        void rounds(work, arm);
      });
      timers.add(cancel);
    };
    arm();
  }

  async function rounds(work: () => Promise<unknown>, arm: () => void): Promise<void> {
    await safely('periodic', work());
    if (taking) arm();
  }

  async function safely(what: string, work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!stopping.signal.aborted) log.error({ event: 'engine.failed', what, error }, 'part of the engine failed; it goes on');
    }
  }

  const decide = (stored: StoredJob): Promise<void> => decided(stored, () => way.decide(stored));

  const decideIfActive = (stored: StoredJob): Promise<void> =>
    decided(stored, async () => {
      const { grant } = stored.grantId === null ? { grant: null } : await ledger.known(stored.grantId);
      if (grant?.state === 'active') await way.decide(stored);
    });

  /** Decided at once, in order of receipt; where the ledger cannot be used, again until it can. */
  async function decided(stored: StoredJob, decision: () => Promise<void>): Promise<void> {
    try {
      await decision();
    } catch (error) {
      log.error(
        { event: 'job.undecided', jobId: stored.jobId, error },
        'a stored job could not be decided; it will be tried again',
      );
      pursued.pursue({
        key: `decide:${stored.jobId}`,
        about: { jobId: stored.jobId },
        urgency: 'ending',
        attempt: () => told(decision().then(() => ({ done: true }))),
      });
    }
    out.wake();
  }

  let taking = true;
  const listener: LinkListener = {
    async hello() {
      const { ledgerId, connectorId, nextSeq } = await ledger.identity();
      const { name, instanceId, version, startedAt } = options.identity;
      const status = directory.status();
      return {
        type: 'hello',
        connectorId,
        name,
        instanceId,
        ledgerId,
        nextSeq,
        version,
        startedAt: formatInstant(startedAt),
        capabilities: [],
        directory: status.state === 'up' ? status.view : null,
      };
    },
    async welcomed({ ackedSeq }, connection) {
      // Whatever was told before this process had a number below its first; whatever since, it has sent itself.
      if (ackedSeq !== undefined && ackedSeq > Math.max(firstSeq - 1, out.sentSeq())) {
        const at = time.now();
        const { ledgerId, ...renewed } = await ledger.renew({
          at,
          audit: [{ kind: 'ledger.replaced', at, facts: { ackedSeq, firstSeq } }],
        });
        replacedAt = renewed.replacedAt;
        firstSeq = 1;
        out.forgetSent();
        log.error(
          { event: 'ledger.replaced', ledgerId, ackedSeq, firstSeq },
          'the control plane knows later events than this ledger: it is an older copy, and takes a new id. Look at every grant that was issued since',
        );
        return 'replaced';
      }
      if (ackedSeq !== undefined) await ledger.acknowledge(ackedSeq);
      out.attach(connection, ackedSeq ?? 0);
      failPoints('link.welcomed');
      pursued.kick('link');
      return 'accepted';
    },
    async job(received) {
      if (!taking) throw new Error('the connector is stopping and takes no more jobs');
      const stored = await way.receive(received);
      if (stored === null) out.wake();
      else void decide(stored);
    },
    acknowledged: (seq) => out.acknowledged(seq),
    lost: () => out.detach(),
  };

  return {
    listener,
    async start() {
      directory.onChange((status) => void safely('directory-changed', directoryChanged(status)));
      directory.onFailover(lost.tookOver);
      const unfinished = await recovering.find(parts);
      // Before anything that may wait for the directory.
      expiring.start();
      failPoints('recovery.expiry-started');
      await recovering.takeUp(parts, unfinished, { pursueGrant, pursueEnding, decide, decideIfActive });
      for (const intent of unfinished.intents) if (intent.kind === 'add') lost.restore(intent);
      every(MARK_EVERY_MS, () => ledger.advanceClock(time.now()));
      every(FORGET_EVERY_MS, async () => {
        // What a clock that is known to be wrong calls old may be of today.
        if (!time.trusted()) return;
        const rows = await ledger.forget((time.now() - policy.retentionMs) as Instant);
        if (rows > 0) log.info({ event: 'ledger.forgot', rows }, 'what is older than the retention was deleted');
      });
    },
    status: () => ({
      clock: { trusted: time.trusted(), aheadMs: time.aheadMs() },
      protectedGroupsMissing: parts.protectedGroups.unresolved(),
      pursued: pursued.size(),
      failing: pursued.failing() + (expiring.failing() ? 1 : 0),
    }),
    async stop(deadline) {
      taking = false;
      failPoints('stop.begun');
      for (const cancel of timers) cancel();
      expiring.stop();
      const finished = await before(deadline, pursued.stop());
      out.wake();
      while (finished && !(await out.drained())) {
        // The acknowledgement that empties the outbox arrives by itself, or the deadline does.
        if (!(await before(deadline, new Promise((resolve) => clock.timer(10, () => resolve(undefined)))))) {
          stopping.abort();
          return false;
        }
      }
      failPoints('stop.drained');
      stopping.abort();
      await safely('clock-mark', ledger.advanceClock(time.now()));
      return finished;
    },
  };
}

/** False where the deadline came first. */
async function before(deadline: AbortSignal, work: Promise<unknown>): Promise<boolean> {
  if (deadline.aborted) return false;
  const passed = Promise.withResolvers<boolean>();
  const onAbort = (): void => passed.resolve(false);
  deadline.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work.then(() => true), passed.promise]);
  } finally {
    deadline.removeEventListener('abort', onAbort);
  }
}
