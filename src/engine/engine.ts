import type { Clock, Random } from '../access/clock.ts';
import type { CheckStep, DirectoryView, Event } from '../access/event.ts';
import type { FailPoints } from '../access/fail-point.ts';
import type { PolicyRules } from '../access/group-rules.ts';
import type { GrantId } from '../access/ids.ts';
import { formatInstant, type Instant } from '../access/instant.ts';
import type { Directory, DirectoryStatus } from '../directory/directory.ts';
import type { Ledger, StoredJob } from '../ledger/ledger.ts';
import type { LinkListener } from '../link/link.ts';
import type { Logger } from '../observability/logger.ts';
import { afterFailover, LOOK_BACK_MS } from './after-failover.ts';
import { auditCheckpoints, CHECKPOINT_EVERY_MS } from './audit-checkpoints.ts';
import { before } from './before.ts';
import { aboutJob } from './claim-membership.ts';
import { clockWatch } from './clock-watch.ts';
import { directoryJobError } from './directory-errors.ts';
import { doubtedAdditions } from './doubted-additions.ts';
import { doubtedRemovals } from './doubted-removals.ts';
import { drift } from './drift.ts';
import { type EngineParts, type EnginePolicy, type EngineTimings, lateWrites } from './engine-parts.ts';
import { type ExclusiveGroups, exclusiveGroups } from './exclusive-groups.ts';
import { expiry } from './expiry.ts';
import { goneProofs } from './gone-proofs.ts';
import { groupRules } from './group-rules.ts';
import { intake } from './intake.ts';
import { keptMeanings } from './kept-meanings.ts';
import { keyedLock } from './keyed-lock.ts';
import { type Operate, operatorCommands } from './operator-commands.ts';
import { outbox } from './outbox.ts';
import { overs } from './overs.ts';
import { pauseSince } from './pause.ts';
import { periodic } from './periodic.ts';
import { policyTrips } from './policy-trips.ts';
import { type ProtectedGroups, protectedGroups } from './protected-groups.ts';
import { protectionWatch } from './protection-watch.ts';
import { pursuedWork } from './pursued-work.ts';
import { pursuits } from './pursuits.ts';
import { rates } from './rates.ts';
import { endingsOf, recovery } from './recovery.ts';
import { syncJobs } from './sync-job.ts';
import type { EngineSync } from './sync-request.ts';
import { trustedClock } from './trusted-clock.ts';
import { unverifiedJobs } from './unverified-jobs.ts';

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
    readonly rules: PolicyRules;
  };
  readonly timings: EngineTimings;
  readonly placeholder: string;
  /** What `check` jobs report beside the directory; nothing where it is left out. */
  readonly localChecks?: () => Promise<readonly CheckStep[]>;
  /** What `sync` jobs ask; none can be done where it is left out. */
  readonly sync?: EngineSync;
  /** Begins no grant and waits for no control plane: what a person asks for where no connector runs. */
  readonly endsOnly?: boolean;
  /** The configuration, as the audit trail tells it at each start: never a secret. Nothing is told where it is left out. */
  readonly configuration?: Readonly<Record<string, unknown>>;
  /** What `hello` says of this process. */
  readonly identity: {
    readonly name: string;
    readonly instanceId: string;
    readonly version: string;
    readonly startedAt: Instant;
    /** What it can do beside its syncs. */
    readonly capabilities?: readonly string[];
  };
}

/** What health asks of the engine. */
export interface EngineStatus {
  readonly clock: { readonly now: Instant; readonly trusted: boolean; readonly aheadMs: number };
  /** Since when a person lets no new grants be made; null where they are made. */
  readonly pausedSince: Instant | null;
  /** Configured protected groups that mean no group; null before the first look. */
  readonly protectedGroupsMissing: readonly string[] | null;
  /** Groups of rules of the policy file that mean no group; null before the first look. */
  readonly ruleGroupsMissing: readonly string[] | null;
  /** What is being pursued: grants to be written, memberships to be ended, questions to be answered. */
  readonly pursued: number;
  /** Of those, how many failed at their last attempt in a way that nobody expected. */
  readonly failing: number;
}

export interface Engine {
  /** Finishes what a crash left open, ends what is due, and takes jobs from now on. */
  start(): Promise<void>;
  readonly listener: Omit<LinkListener, 'syncAnswered'>;
  /** Stores what the control plane shall be told, and sends it. */
  tell(event: Event): Promise<void>;
  /** By what a group is protected, as a sync has to tell it. */
  readonly protection: Pick<ProtectedGroups, 'protects' | 'protectsBuiltIn' | 'releases' | 'onlyByNature'>;
  /** A sync read something else of these grants than the ledger believes: each is looked at, when there is time. */
  suspect(grantIds: readonly GrantId[]): void;
  /** A sync is over: groups may have become protected while grants of them are active, and those end. */
  recheckProtected(): void;
  /** Groups that nobody but who has a grant may be in, and who a sync has found there all the same. */
  readonly exclusive: ExclusiveGroups;
  /** Does what a person on the machine asks. */
  readonly operate: Operate;
  status(): EngineStatus;
  /** Begins nothing new and finishes what was begun; true where nothing that could be told was left untold. */
  stop(deadline: AbortSignal): Promise<boolean>;
}

/** How often the high-water mark is written where nothing else writes it (reliability facts, Clocks). */
const MARK_EVERY_MS = 10_000;

/** How often it is looked for groups that have become protected, where no sync asks for it. */
const RECHECK_EVERY_MS = 3_600_000;

/** How often what is older than the retention is looked for. */
const FORGET_EVERY_MS = 3_600_000;

/** job → outcome. Opens nothing: every port is given, and closed by whoever opened it. */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { ledger, directory, clock, random, log, failPoints, policy, timings } = options;
  const stopping = new AbortController();
  let { replacedAt, nextSeq: firstSeq } = await ledger.identity();
  const time = trustedClock({ clock, mark: await ledger.clockMark() });
  const watched = clockWatch({ time, log });
  const pause = pauseSince(await ledger.pausedSince());
  const notes = await ledger.policyNotes();
  const recovering = recovery(() => pursued.kick('directory'));
  const late = lateWrites({ clock, lateWriteMs: timings.lateWriteMs });
  const doubted = doubtedAdditions({ clock, doubtMs: LOOK_BACK_MS });
  const kept = keptMeanings({ notes, ledger, clock, time });
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
      kept,
      log,
    }),
    groupRules: groupRules({ rules: policy.rules, directory, kept, clock, log }),
    rates: rates(notes),
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
    overs: overs(),
    pause,
    policyTrips: policyTrips({ ledger, clock, time, log, onTold: () => out.wake() }),
    onProbed: recovering.probed,
    mayWrite: recovering.mayWrite,
    onFoundWritten: (groupId) => {
      if (options.endsOnly !== true) watching.lookAt(groupId);
    },
    onEndSet: (expiresAt) => {
      if (!stopping.signal.aborted) expiring.rearm(expiresAt);
    },
  };
  const pursued = pursuits({ clock, random, log });
  const out = outbox({ ledger, clock, log, failPoints });
  const steps = pursuedWork(parts, { pursued, out });
  const { told, pursueEnding } = steps;
  const expiring = expiry(parts, pursueEnding);
  const syncing = syncJobs(parts, { sync: options.sync ?? null, pursue: pursued.pursue, connection: out.connection, told });
  const way = intake(parts, { ...steps, answerSync: syncing.answer });
  const rounds = periodic(clock);
  const unverified = unverifiedJobs({ ledger, clock, time, log });
  const checkpoints = auditCheckpoints({ ledger, time, log, from: (await ledger.auditHead()).count, told: out.wake });
  const lost = afterFailover(parts, { pursued, told, pursueEnding });
  const watching = protectionWatch(parts, { onEnding: pursueEnding, onTold: out.wake });
  /** What the configuration protects since the last start is met once there is a directory. */
  let isWatched = options.endsOnly === true;
  function watchFirst(): void {
    if (!isWatched) watching.look();
    isWatched = true;
  }
  const drifting = drift(parts, { onEnding: pursueEnding, settle: lost.restore, told });

  async function directoryChanged(status: DirectoryStatus): Promise<void> {
    const at = time.now();
    if (status.state === 'up') {
      pursued.kick('directory');
      await ledger.tell({ at, events: [{ kind: 'directory.changed', state: 'up', directory: viewed(status.view) }], audit: [] });
      // Before what may be refused: it says itself what it could not look at.
      watchFirst();
      await parts.protectedGroups.resolve(parts.signal);
      await parts.groupRules.resolve(parts.signal);
    } else
      await ledger.tell({
        at,
        events: [{ kind: 'directory.changed', state: 'down', error: directoryJobError(status.error) }],
        audit: [],
      });
    out.wake();
  }

  function viewed(view: DirectoryView): DirectoryView {
    const counts = options.sync?.counts() ?? null;
    return counts === null ? view : { ...view, counts };
  }

  async function safely(what: string, work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!stopping.signal.aborted) log.error({ event: 'engine.failed', what, error }, 'part of the engine failed; it goes on');
    }
  }

  /** Both in one commit. */
  async function mark(): Promise<void> {
    watched.look();
    const now = time.now();
    const marked = [keepMark(now)];
    if (directory.status().state === 'up') marked.push(ledger.useServer(now));
    await Promise.all(marked);
  }

  /** What was under way when a person accepted the clock may have raised the mark again. */
  async function keepMark(now: Instant): Promise<void> {
    if (time.acceptedAt() === null || (await ledger.clockMark()) <= now) return ledger.advanceClock(now);
    return ledger.acceptClock(now, { at: now, audit: [] });
  }

  async function recordStart(): Promise<void> {
    const { configuration, identity } = options;
    if (configuration === undefined) return;
    const at = time.now();
    const facts = { version: identity.version, instanceId: identity.instanceId, configuration };
    await ledger.tell({ at, audit: [{ kind: 'connector.started', at, facts }] });
  }

  async function forget(): Promise<void> {
    // What a clock that is known to be wrong calls old may be of today.
    if (!time.trusted()) return;
    const rows = await ledger.forget((time.now() - policy.retentionMs) as Instant);
    if (rows > 0) log.info({ event: 'ledger.forgot', rows }, 'what is older than the retention was deleted');
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
        { event: 'job.undecided', ...aboutJob(stored), error },
        'a stored job could not be decided; it will be tried again',
      );
      pursued.pursue({
        key: `decide:${stored.jobId}`,
        about: aboutJob(stored),
        urgency: 'ending',
        attempt: () => told(decision().then(() => ({ done: true }))),
      });
    }
    out.wake();
  }

  let taking = true;
  const listener: Engine['listener'] = {
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
        capabilities: [...(options.sync?.capabilities() ?? []), ...(options.identity.capabilities ?? [])],
        directory: status.state === 'up' ? viewed(status.view) : null,
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
    unverified: unverified.count,
    acknowledged: (seq) => out.acknowledged(seq),
    lost: () => out.detach(),
  };

  return {
    listener,
    protection: parts.protectedGroups,
    suspect: drifting.suspect,
    recheckProtected: watching.look,
    exclusive: exclusiveGroups(parts, { notes, onTold: out.wake }),
    operate: operatorCommands(parts, steps),
    async tell(event) {
      await ledger.tell({ at: time.now(), events: [event], audit: [] });
      out.wake();
    },
    async start() {
      directory.onChange((status) => void safely('directory-changed', directoryChanged(status)));
      directory.onFailover(lost.tookOver);
      await safely('start-record', recordStart());
      const found = await recovering.find(parts);
      const unfinished = options.endsOnly === true ? endingsOf(found) : found;
      const since = pause.since();
      if (since !== null)
        log.warn(
          { event: 'operator.paused', since: formatInstant(since) },
          'new grants are refused as "paused" until "latchkey resume"; endings go on',
        );
      // Before anything that may wait for the directory.
      expiring.start();
      failPoints('recovery.expiry-started');
      await recovering.takeUp(parts, unfinished, {
        pursueGrant: (grantId) => steps.pursueGrant({ grantId }),
        pursueEnding,
        decide,
        decideIfActive,
      });
      for (const intent of unfinished.intents) if (intent.kind === 'add') lost.restore(intent);
      if (directory.status().state === 'up') watchFirst();
      rounds.every(MARK_EVERY_MS, () => safely('clock-mark', mark()));
      rounds.every(FORGET_EVERY_MS, () => safely('forget', forget()));
      if (options.endsOnly !== true) rounds.every(RECHECK_EVERY_MS, async () => watching.look());
      rounds.every(CHECKPOINT_EVERY_MS, () => safely('audit-checkpoint', checkpoints.tell()));
    },
    status: () => ({
      clock: { now: time.now(), trusted: time.trusted(), aheadMs: time.aheadMs() },
      pausedSince: pause.since(),
      protectedGroupsMissing: parts.protectedGroups.unresolved(),
      ruleGroupsMissing: parts.groupRules.unresolved(),
      pursued: pursued.size(),
      failing: pursued.failing() + (expiring.failing() ? 1 : 0),
    }),
    async stop(deadline) {
      taking = false;
      syncing.stop();
      failPoints('stop.begun');
      rounds.stop();
      expiring.stop();
      const finished = await before(deadline, Promise.all([pursued.stop(), drifting.stop(), watching.stop()]));
      await unverified.stop();
      await safely('audit-checkpoint', checkpoints.tell());
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
      await safely('clock-mark', keepMark(time.now()));
      return finished;
    },
  };
}
