import { createHash, randomUUID } from 'node:crypto';
import type { Clock, Random } from '../access/clock.ts';
import type { CheckStep, Event } from '../access/event.ts';
import type { GrantId } from '../access/ids.ts';
import type { Instant } from '../access/instant.ts';
import type { SyncMode, SyncWish } from '../access/sync.ts';
import type { Config } from '../config/config.ts';
import type { DeltaMeans, DirectoryReader, ProtectionRules } from '../directory/directory-reader.ts';
import type { EngineSync, SyncOutcome } from '../engine/sync-request.ts';
import { syncTurns } from '../engine/sync-turns.ts';
import { type Ledger, LedgerError } from '../ledger/ledger.ts';
import { sqliteSnapshots } from '../ledger/sqlite/sqlite-snapshots.ts';
import type { SyncLink } from '../link/link.ts';
import type { HealthPart } from '../observability/health.ts';
import type { Logger } from '../observability/logger.ts';
import type { SyncStates } from '../observability/metrics.ts';
import { countingChannel } from '../sync/counting-channel.ts';
import { heldGrants } from '../sync/held-grants.ts';
import { linkChannel } from '../sync/link-channel.ts';
import type { OthersWatch } from '../sync/others.ts';
import { syncRun } from '../sync/run.ts';
import type { SyncResult } from '../sync/run-result.ts';
import { type SyncSchedule, startSchedule } from '../sync/schedule.ts';
import { meansStep, type SyncsTold, syncHealth, syncSteps, toldBefore } from './sync-told.ts';

export interface ConnectorSyncOptions {
  readonly config: Config;
  readonly connectorId: string;
  readonly ledger: Ledger;
  readonly reader: DirectoryReader;
  /** Asked when a run begins, since the link is made after this. */
  readonly streams: () => SyncLink;
  readonly tell: (event: Event) => Promise<void>;
  /** Told which grants are not as they were read. */
  readonly suspect: (grantIds: readonly GrantId[]) => void;
  /** Told that a sync is over, whatever came of it. */
  readonly recheckProtected: () => void;
  /** Told who is where nobody but who has a grant may be. */
  readonly others: OthersWatch;
  readonly rules: () => ProtectionRules;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Syncs of the running connector, whoever asks for them. */
export interface ConnectorSync {
  readonly engine: EngineSync;
  /** Runs by schedule from now on. */
  start(): void;
  /** A control plane has welcomed us: what could not be told without it is run now. */
  linked(): void;
  health(): HealthPart;
  /** What is known of the last runs, of earlier processes too. */
  states(): SyncStates;
  /** What a check says of it. */
  steps(): readonly CheckStep[];
  /** Tells how many records the run of now has told; the returned function ends that. */
  onProgress(tell: (records: number) => void): () => void;
  /** Begins none by schedule any more, and ends what it began. */
  stopSchedule(): Promise<void>;
  /** Once nobody asks any more. */
  stop(): Promise<void>;
}

/** Puts schedule, runs and what is kept of them together. */
export function openSync(options: ConnectorSyncOptions): ConnectorSync {
  const { config, ledger, reader, clock, log } = options;
  const snapshots = sqliteSnapshots({
    folder: config.process.stateDir,
    receiver: receiverOf(options),
    logger: log,
  });
  const stopping = new AbortController();
  const quiet = new AbortController();
  const told = unlessUnreadable((): SyncsTold => toldBefore(snapshots), {
    published: null,
    failed: null,
    held: null,
    findings: null,
  });
  /** When the schedule last asked for a run. */
  let dueAt: Instant | null = null;
  let schedule: SyncSchedule | null = null;
  let means: DeltaMeans | null = null;
  /** What is run as soon as there is a connection. */
  let waiting: SyncMode | null = isScheduled(config) && isFirst() ? 'delta' : null;
  const listeners = new Set<(records: number) => void>();

  function isFirst(): boolean {
    return unlessUnreadable(() => snapshots.published().kind === 'none', true);
  }

  async function run(wish: SyncWish, signal: AbortSignal): Promise<SyncOutcome> {
    const result = await syncRun({
      reader,
      snapshots,
      channel: countingChannel(linkChannel({ link: options.streams(), clock }), (records) => {
        for (const tell of listeners) tell(records);
      }),
      heldGrants: () => heldGrants(ledger),
      drift: {
        activeMemberships: (query) => ledger.activeMemberships(query),
        restores: config.policy.drift === 'restore',
        suspect: options.suspect,
      },
      others: options.others,
      rules: options.rules(),
      maxRemovedPercent: config.sync.maxRemovedPercent,
      scratchFolder: config.process.stateDir,
      clock,
      newSyncId: () => randomUUID(),
      isTold: true,
      log,
    })(wish, AbortSignal.any([signal, stopping.signal]));
    options.recheckProtected();
    return await outcomeOf(result);
  }

  async function outcomeOf(result: SyncResult): Promise<SyncOutcome> {
    switch (result.kind) {
      case 'published': {
        const { syncId, mode, counts, changed, removed, durationMs } = result;
        const { users, groups, memberships } = counts;
        told.published = { at: clock.wall(), syncId, counts };
        told.held = null;
        told.findings = result.findings ?? told.findings;
        await options.tell({ kind: 'sync.completed', syncId, mode, users, groups, memberships, changed, removed, durationMs });
        return { kind: 'done', sync: { syncId, mode, counts, changed, removed } };
      }
      case 'failed': {
        const { syncId, mode, error, held } = result;
        told.failed = { at: clock.wall(), code: error.code, message: error.message };
        told.held = held ?? told.held;
        const heldSyncId = held === null ? {} : { heldSyncId: held.syncId };
        await options.tell({ kind: 'sync.failed', syncId, mode, error, ...heldSyncId });
        return { kind: 'failed', error };
      }
      case 'unlinked':
        return { kind: 'unlinked' };
      default:
        return result satisfies never;
    }
  }

  const { request, idle } = syncTurns({ run, now: () => clock.wall() });

  async function runScheduled(mode: SyncMode, signal: AbortSignal): Promise<void> {
    dueAt = clock.wall();
    await runDue(mode, signal);
  }

  async function runDue(mode: SyncMode, signal: AbortSignal): Promise<void> {
    const outcome = await request({ mode, acceptRemovals: null, notAfter: null }, signal);
    if (outcome.kind === 'unlinked') waiting = waiting === 'full' ? 'full' : mode;
    await learnMeans();
  }

  /** Which means there are is only known once the directory was asked; nothing depends on it but what `hello` says. */
  async function learnMeans(): Promise<void> {
    if (means !== null) return;
    try {
      means = await reader.means(quiet.signal);
      log.info({ event: 'sync.means', means: means.name, reason: means.reason }, 'how changes in the directory are found');
    } catch (error) {
      log.debug({ event: 'sync.means-unknown', error }, 'the directory could not be asked how its changes can be found');
    }
  }

  async function stopSchedule(): Promise<void> {
    quiet.abort(new Error('the connector is stopping'));
    await schedule?.stop();
  }

  return {
    engine: {
      request,
      capabilities: () => ['sync', ...(means === null || means.name !== null ? ['sync-delta'] : [])],
      counts: () => {
        const last = unlessUnreadable(() => snapshots.published(), null);
        const counts = last?.kind === 'picture' ? last.facts.counts : (last?.counts ?? null);
        return counts === null ? null : { users: counts.users, groups: counts.groups };
      },
    },
    start() {
      const { schedule: delta, fullSchedule: full, timezone } = config.sync;
      const { random } = options;
      schedule = startSchedule({ expressions: { delta, full }, timezone, run: runScheduled, clock, random, log });
    },
    linked() {
      const mode = waiting;
      waiting = null;
      if (quiet.signal.aborted) return;
      if (mode === null) {
        void learnMeans();
        return;
      }
      void runDue(mode, quiet.signal).catch((error: unknown) => {
        if (!quiet.signal.aborted) log.error({ event: 'sync.failed', error }, 'a sync failed unexpectedly');
      });
    },
    health: () => syncHealth(told, { now: clock.wall(), nextRunAt: schedule?.nextRunAt() ?? null }),
    states() {
      const last = unlessUnreadable(() => snapshots.published(), null);
      const facts = last?.kind === 'picture' ? last.facts : null;
      const [held = null] = told.held === null ? [] : unlessUnreadable(() => snapshots.held(), []);
      return {
        lastSuccessAt: told.published?.at ?? facts?.at ?? null,
        lastDueAt: dueAt,
        nextRunAt: schedule?.nextRunAt() ?? null,
        counts: told.published?.counts ?? facts?.counts ?? null,
        held,
      };
    },
    steps: () => [...(means === null ? [] : [meansStep(means)]), ...syncSteps(told, clock.wall())],
    onProgress(tell) {
      listeners.add(tell);
      return () => void listeners.delete(tell);
    },
    stopSchedule,
    async stop() {
      await stopSchedule();
      stopping.abort(new Error('the connector is stopping'));
      await idle();
      snapshots.close();
    },
  };

  function unlessUnreadable<T>(look: () => T, otherwise: T): T {
    try {
      return look();
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      log.warn({ event: 'sync.snapshot-unreadable', error }, error.message);
      return otherwise;
    }
  }
}

function isScheduled({ sync }: Config): boolean {
  return sync.schedule !== null || sync.fullSchedule !== null;
}

/** Another control plane, or another connector of it, knows nothing of what this one was told. */
function receiverOf({ config, connectorId }: ConnectorSyncOptions): string {
  return createHash('sha256').update(`${config.controlPlane.url}\n${connectorId}`).digest('hex');
}
