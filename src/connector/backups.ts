import type { Clock } from '../access/clock.ts';
import { LedgerError } from '../ledger/ledger.ts';
import type { SqliteLedger } from '../ledger/sqlite/open-sqlite-ledger.ts';
import type { HealthPart } from '../observability/health.ts';
import type { Logger } from '../observability/logger.ts';
import type { BackupStates } from '../observability/metrics.ts';

/** When the ledger is backed up; parameters, since tests cannot wait five minutes. */
export interface BackupTimings {
  /** From the start to the first one: one that crashes again and again has written nothing worth it. */
  readonly firstMs: number;
  readonly everyMs: number;
}

const DEFAULT_TIMINGS: BackupTimings = { firstMs: 30_000, everyMs: 300_000 };

export interface ConnectorBackups {
  start(): void;
  /** Ends one that is being made; none begins any more. */
  stop(): Promise<void>;
  health(): HealthPart;
  states(): BackupStates;
}

interface Place {
  readonly folder: string;
  /** When, by the monotonic clock, it last held what the ledger held; null where no backup of it was ever there. */
  goodAtMs: number | null;
  problem: string | null;
}

/** So many turns may come to nothing before the connector is not ready any more. */
const TURNS_TO_MISS = 6;
/** A backup of a large ledger takes its time: the next one is not before so many times as long. */
const PAUSE_FACTOR = 20;

/**
 * Backs the ledger up every few minutes where anything was decided since. What goes wrong with it is told and tried again, and is no
 * reason to stop anything else.
 */
export function connectorBackups({
  ledger,
  clock,
  log,
  timings,
}: {
  ledger: SqliteLedger;
  clock: Clock;
  log: Logger;
  timings?: Partial<BackupTimings> | undefined;
}): ConnectorBackups {
  const { firstMs, everyMs } = { ...DEFAULT_TIMINGS, ...timings };
  const stopping = new AbortController();
  const places = ledger.backupFolders.map((folder): Place => ({ folder, goodAtMs: null, problem: null }));
  /** The ledger is as old as the oldest backup of it that is known: for that long a folder without any has missed it. */
  let oldestAtMs = clock.monotonicMs();
  let known: string | null = null;
  let cancelTimer = (): void => undefined;
  let underWay: Promise<void> = Promise.resolve();

  /** What an earlier life left there. Nothing waits for it: a mount that does not answer is no reason to. */
  async function lookAt(place: Place): Promise<void> {
    // A folder that cannot be read counts as one without any, and the first backup will tell.
    const times = await ledger.backupTimes(place.folder).catch(() => []);
    for (const at of times) {
      const atMs = clock.monotonicMs() - Math.max(0, clock.wall() - at);
      place.goodAtMs ??= atMs;
      oldestAtMs = Math.min(oldestAtMs, atMs);
    }
  }

  /** Whatever is decided is audited, and whatever is told has a number. */
  async function stateNow(): Promise<string> {
    const { count, hash } = await ledger.auditHead();
    const { ledgerId, nextSeq } = await ledger.identity();
    return `${ledgerId} ${count} ${hash} ${nextSeq}`;
  }

  /** Whether each folder still has one: it may have been emptied or unmounted since. */
  async function isKept(): Promise<boolean> {
    for (const { folder, problem } of places) {
      if (problem !== null || (await ledger.backupTimes(folder).catch(() => [])).length === 0) return false;
    }
    return true;
  }

  async function turn(): Promise<void> {
    const beganMs = clock.monotonicMs();
    try {
      const state = await stateNow();
      if (state === known && (await isKept())) {
        for (const place of places) place.goodAtMs = beganMs;
        return;
      }
      for (const { folder, problem } of await ledger.backUp(clock.wall(), stopping.signal)) tell(folder, problem, beganMs);
      known = state;
    } catch (error) {
      if (stopping.signal.aborted) return;
      const message = error instanceof LedgerError ? error.message : 'the ledger could not be backed up';
      for (const { folder } of places) tell(folder, message, beganMs);
      log.error({ event: 'backup.failed', error }, `${message}; trying again`);
    } finally {
      next(Math.max(everyMs, PAUSE_FACTOR * (clock.monotonicMs() - beganMs)));
    }
  }

  /** Each change once: a disk that is full stays so for many turns. */
  function tell(folder: string, problem: string | null, beganMs: number): void {
    const place = places.find((one) => one.folder === folder);
    if (place === undefined) return;
    const before = place.problem;
    place.problem = problem;
    if (problem === null) place.goodAtMs = beganMs;
    if (problem !== null && before === null) log.error({ event: 'backup.failed', folder, problem }, problem);
    else if (problem === null && before !== null)
      log.info({ event: 'backup.made-again', folder }, 'a verified backup of the ledger is kept there again');
    else if (problem === null) log.debug({ event: 'backup.made', folder }, 'a verified backup of the ledger is kept');
  }

  function next(delayMs: number): void {
    if (stopping.signal.aborted) return;
    cancelTimer = clock.timer(delayMs, () => {
      underWay = turn();
    });
  }

  function ageMs({ goodAtMs }: Place): number {
    return clock.monotonicMs() - (goodAtMs ?? oldestAtMs);
  }

  for (const place of places) void lookAt(place);

  return {
    start: () => next(firstMs),
    async stop() {
      stopping.abort();
      cancelTimer();
      await underWay;
    },
    health() {
      const youngestMs = Math.min(...places.map(ageMs));
      const problems = places.flatMap(({ problem }) => (problem === null ? [] : [problem]));
      return {
        ready: youngestMs <= TURNS_TO_MISS * everyMs || problems.length === 0,
        ageSeconds: Math.round(youngestMs / 1000),
        folders: places.map((place) => ({
          folder: place.folder,
          ageSeconds: place.goodAtMs === null ? null : Math.round(ageMs(place) / 1000),
          ...(place.problem === null ? {} : { problem: place.problem }),
        })),
        ...(problems.length === 0 ? {} : { message: problems.join('; ') }),
      };
    },
    states: () => {
      const [own, elsewhere] = places;
      return { stateMs: own === undefined ? null : ageMs(own), elsewhereMs: elsewhere === undefined ? null : ageMs(elsewhere) };
    },
  };
}
