import { createHash, randomUUID } from 'node:crypto';
import type { Clock, Random } from '../access/clock.ts';
import type { CheckStep, Event } from '../access/event.ts';
import { formatInstant, type Instant, later } from '../access/instant.ts';
import type { SyncMode } from '../access/sync.ts';
import type { Config } from '../config/config.ts';
import type { DeltaMeans, DirectoryReader, ReadGroup } from '../directory/directory-reader.ts';
import type { EngineSync, SyncOutcome, SyncWish } from '../engine/sync-request.ts';
import { syncTurns } from '../engine/sync-turns.ts';
import { type Ledger, LedgerError } from '../ledger/ledger.ts';
import { sqliteSnapshots } from '../ledger/sqlite/sqlite-snapshots.ts';
import type { SyncLink } from '../link/link.ts';
import type { HealthPart } from '../observability/health.ts';
import type { Logger } from '../observability/logger.ts';
import type { SyncStates } from '../observability/metrics.ts';
import { countingChannel } from '../sync/counting-channel.ts';
import type { FindingCounts } from '../sync/findings.ts';
import { heldGrants } from '../sync/held-grants.ts';
import { linkChannel } from '../sync/link-channel.ts';
import { type SyncResult, syncRun } from '../sync/run.ts';
import { type SyncSchedule, startSchedule } from '../sync/schedule.ts';

export interface ConnectorSyncOptions {
  readonly config: Config;
  readonly connectorId: string;
  readonly ledger: Ledger;
  readonly reader: DirectoryReader;
  /** Asked when a run begins, since the link is made after this. */
  readonly streams: () => SyncLink;
  readonly tell: (event: Event) => Promise<void>;
  readonly isProtected: (group: Pick<ReadGroup, 'id' | 'dn' | 'name'>) => boolean;
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

/** What is known of the last runs, for health. */
interface Told {
  published: { readonly at: Instant; readonly result: Extract<SyncResult, { kind: 'published' }> } | null;
  failed: { readonly at: Instant; readonly result: Extract<SyncResult, { kind: 'failed' }> } | null;
  held: { readonly syncId: string; readonly at: Instant; readonly message: string } | null;
  /** When the schedule last asked for a run. */
  dueAt: Instant | null;
  /** Of the last run that read everything. */
  findings: FindingCounts | null;
}

/** How long a held run can be accepted; after that a new one has to be looked at. */
const ACCEPTED_WITHIN_MS = 86_400_000;

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
  const told: Told = { published: null, failed: null, held: heldBefore(), dueAt: null, findings: null };
  let schedule: SyncSchedule | null = null;
  let means: DeltaMeans | null = null;
  /** What is run as soon as there is a connection. */
  let waiting: SyncMode | null = isScheduled(config) && isFirst() ? 'delta' : null;
  const listeners = new Set<(records: number) => void>();

  function isFirst(): boolean {
    return unlessUnreadable(() => snapshots.published().kind === 'none', true);
  }

  function heldBefore(): Told['held'] {
    const [newest] = unlessUnreadable(() => snapshots.held(), []);
    return newest === undefined ? null : { ...newest, message: 'its removals are more than SYNC_MAX_REMOVED allows' };
  }

  async function run(wish: SyncWish, signal: AbortSignal): Promise<SyncOutcome> {
    const result = await syncRun({
      reader,
      snapshots,
      channel: countingChannel(linkChannel({ link: options.streams(), clock }), (records) => {
        for (const tell of listeners) tell(records);
      }),
      heldGrants: () => heldGrants(ledger),
      isProtected: options.isProtected,
      maxRemovedPercent: config.sync.maxRemovedPercent,
      scratchFolder: config.process.stateDir,
      clock,
      newSyncId: () => randomUUID(),
      log,
    })(wish, AbortSignal.any([signal, stopping.signal]));
    return await outcomeOf(result);
  }

  async function outcomeOf(result: SyncResult): Promise<SyncOutcome> {
    switch (result.kind) {
      case 'published': {
        const { syncId, mode, counts, changed, removed, durationMs } = result;
        const { users, groups, memberships } = counts;
        told.published = { at: clock.wall(), result };
        told.held = null;
        told.findings = result.findings ?? told.findings;
        await options.tell({ kind: 'sync.completed', syncId, mode, users, groups, memberships, changed, removed, durationMs });
        return { kind: 'done' };
      }
      case 'failed': {
        const { syncId, mode, error, heldSyncId } = result;
        told.failed = { at: clock.wall(), result };
        if (heldSyncId !== null) told.held = { syncId: heldSyncId, at: clock.wall(), message: error.message };
        const held = heldSyncId === null ? {} : { heldSyncId };
        await options.tell({ kind: 'sync.failed', syncId, mode, error, ...held });
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
    told.dueAt = clock.wall();
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
        return last?.kind === 'picture' ? { users: last.facts.counts.users, groups: last.facts.counts.groups } : null;
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
    health: () => healthOf(told, { now: clock.wall(), nextRunAt: schedule?.nextRunAt() ?? null }),
    states() {
      const last = unlessUnreadable(() => snapshots.published(), null);
      const facts = last?.kind === 'picture' ? last.facts : null;
      const [held = null] = told.held === null ? [] : unlessUnreadable(() => snapshots.held(), []);
      return {
        lastSuccessAt: told.published?.at ?? facts?.at ?? null,
        lastDueAt: told.dueAt,
        nextRunAt: schedule?.nextRunAt() ?? null,
        counts: told.published?.result.counts ?? facts?.counts ?? null,
        held,
      };
    },
    steps: () => [...(means === null ? [] : [meansStep(means)]), runStep(told), ...findingsStep(told)],
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

/** How changes are found, as `check` tells it. */
export function meansStep({ name, reason }: DeltaMeans): CheckStep {
  const detail =
    name === null ? `every sync reads the whole directory, and tells what changed: ${reason}` : `by ${name}: ${reason}`;
  return { step: 'changes', status: 'ok', detail };
}

function runStep({ published, failed, held }: Told): CheckStep {
  if (held !== null) return { step: 'sync', status: 'fail', detail: `held since ${formatInstant(held.at)}: ${held.message}` };
  if (failed !== null && (published === null || failed.at > published.at))
    return { step: 'sync', status: 'warn', detail: `failed at ${formatInstant(failed.at)}: ${failed.result.error.message}` };
  if (published === null) return { step: 'sync', status: 'ok', detail: 'none since the connector was started' };
  const { users, groups, memberships, membersOutOfScope } = published.result.counts;
  const found = `${users} users, ${groups} groups, ${memberships} memberships, ${membersOutOfScope} members out of scope`;
  return { step: 'sync', status: 'ok', detail: `${found}, told at ${formatInstant(published.at)}` };
}

/** What the last whole read found to be wrong in the directory; nothing where nothing was. */
function findingsStep({ findings }: Told): readonly CheckStep[] {
  const found = Object.entries(findings ?? {}).filter(([, count]) => count > 0);
  if (found.length === 0) return [];
  const detail = `the last whole read found ${found.map(([kind, count]) => `${count} × ${kind}`).join(', ')}; the log names them (sync.found)`;
  return [{ step: 'directory content', status: 'warn', detail }];
}

function isScheduled({ sync }: Config): boolean {
  return sync.schedule !== null || sync.fullSchedule !== null;
}

/** Another control plane, or another connector of it, knows nothing of what this one was told. */
function receiverOf({ config, connectorId }: ConnectorSyncOptions): string {
  return createHash('sha256').update(`${config.controlPlane.url}\n${connectorId}`).digest('hex');
}

function healthOf(
  { published, failed, held }: Told,
  { now, nextRunAt }: { now: Instant; nextRunAt: Instant | null },
): HealthPart {
  const last =
    published === null ? null : { at: formatInstant(published.at), syncId: published.result.syncId, ...published.result.counts };
  const failure =
    failed === null || (published !== null && published.at > failed.at)
      ? {}
      : { lastFailure: { at: formatInstant(failed.at), code: failed.result.error.code, message: failed.result.error.message } };
  const next = nextRunAt === null ? null : formatInstant(nextRunAt);
  if (held === null) return { ready: true, lastSuccess: last, nextRunAt: next, ...failure };
  const until = later(held.at, ACCEPTED_WITHIN_MS);
  const toDo =
    until > now
      ? `accept it with "latchkey sync --accept-removals ${held.syncId}" until ${formatInstant(until)}`
      : 'it is too old to be accepted; run a sync, and look at what it would remove';
  return {
    ready: false,
    lastSuccess: last,
    nextRunAt: next,
    heldSyncId: held.syncId,
    message: `a sync is held: ${held.message}; ${toDo}`,
  };
}
