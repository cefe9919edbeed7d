import { createTask, type ScheduledTask, validateDetailed } from 'node-cron';
import type { Parsed } from '../access/brand.ts';
import type { Clock, Random } from '../access/clock.ts';
import { type Instant, instant } from '../access/instant.ts';
import type { SyncMode } from '../access/sync.ts';
import type { Logger } from '../observability/logger.ts';

/** Words for the schedules that most people want. */
const WORDS: Readonly<Record<string, string>> = { hourly: '0 * * * *', daily: '0 0 * * *' };
/** Longer than any that means something. */
const MAX_EXPRESSION = 256;
const FIELDS = /^\S+(?:\s+\S+){4,5}$/;

/** Reads a schedule: `off` (null), `hourly`, `daily`, or a cron expression of five fields, or six of which the first is seconds. */
export function parseSchedule(text: string): Parsed<string | null> {
  const trimmed = text.trim();
  if (trimmed === 'off') return { ok: true, value: null };
  const expression = WORDS[trimmed] ?? trimmed;
  if (expression.length > MAX_EXPRESSION || !FIELDS.test(expression)) return { ok: false, problem: 'no schedule' };
  // The library would count to the end of a range before it looks at the bounds of the field: for minutes, or out of memory.
  if (/\d{3}/.test(expression)) return { ok: false, problem: 'a number of more than two digits' };
  const { valid, errors, fields } = validateDetailed(expression);
  if (!valid || fields === undefined) return { ok: false, problem: errors[0]?.message ?? 'no cron expression' };
  // Vixie's cron takes either of the two, this one asks for both: who writes both is surprised by one of them.
  if (fields.dayOfMonth.length < 31 && fields.dayOfWeek.length < 7)
    return { ok: false, problem: 'a day of the month and a day of the week: give one of them' };
  return { ok: true, value: expression };
}

/** Reads the name of a time zone, as the IANA data base has it. */
export function parseTimezone(text: string): Parsed<string> {
  try {
    return { ok: true, value: new Intl.DateTimeFormat('en', { timeZone: text.trim() }).resolvedOptions().timeZone };
  } catch {
    return { ok: false, problem: 'no time zone' };
  }
}

export interface ScheduleOptions {
  /** Cron expressions; null where there is no such schedule. */
  readonly expressions: Readonly<Record<SyncMode, string | null>>;
  readonly timezone: string;
  /** Called when a run is due; the next of its kind is left out while this one lasts. */
  readonly run: (mode: SyncMode, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface SyncSchedule {
  /** When the next run of any kind is due, but for the delay by chance; null where none is. */
  nextRunAt(): Instant | null;
  /** Ends what waits and what runs. */
  stop(): Promise<void>;
}

/** A run begins so much of its interval after its time, at most: connectors are many, and their control plane is one. */
const JITTER = 1 / 20;
const MAX_JITTER_MS = 600_000;
/** A timer that fires so late, since the event loop was busy, still counts. */
const TOLERANCE_MS = 60_000;

/** Runs as the two schedules say. What was missed while the machine slept is not caught up with: the next run tells it all. */
export function startSchedule({ expressions, timezone, run, clock, random, log }: ScheduleOptions): SyncSchedule {
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  const tasks: ScheduledTask[] = [];

  async function due(mode: SyncMode, jitterMs: number): Promise<void> {
    await pause(clock, Math.round(random() * jitterMs), stopping.signal);
    if (stopping.signal.aborted) return;
    try {
      await run(mode, stopping.signal);
    } catch (error) {
      if (!stopping.signal.aborted)
        log.error({ event: 'sync.schedule-failed', mode, error }, 'a scheduled sync failed unexpectedly');
    }
  }

  for (const mode of ['delta', 'full'] as const) {
    const expression = expressions[mode];
    if (expression === null) continue;
    const task = createTask(
      expression,
      () => {
        const one = due(mode, jitterOf(task));
        running.add(one);
        return one.finally(() => running.delete(one));
      },
      { timezone, noOverlap: true, missedExecutionTolerance: TOLERANCE_MS, logger: cronLog(log, mode) },
    );
    tasks.push(task);
    void task.start();
  }

  return {
    nextRunAt() {
      const next = tasks.flatMap((task) => task.getNextRun()?.getTime() ?? []);
      return next.length === 0 ? null : instant(Math.min(...next));
    },
    async stop() {
      stopping.abort(new Error('the connector is stopping'));
      for (const task of tasks) await task.destroy();
      await Promise.all(running);
    },
  };
}

/** From one time to the next, as it is now. */
function jitterOf(task: ScheduledTask): number {
  const [one, other] = task.getNextRuns(2);
  return one === undefined || other === undefined ? 0 : Math.min(MAX_JITTER_MS, (other.getTime() - one.getTime()) * JITTER);
}

/** What the library would print in colours. */
function cronLog(log: Logger, mode: SyncMode) {
  const say = (level: 'debug' | 'warn') => (message: string | Error) =>
    log[level]({ event: 'sync.schedule', mode }, message instanceof Error ? message.message : message);
  return { info: say('debug'), debug: say('debug'), warn: say('warn'), error: say('warn') };
}

function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const over = (): void => {
      cancel();
      signal.removeEventListener('abort', over);
      resolve();
    };
    const cancel = clock.timer(delayMs, over);
    signal.addEventListener('abort', over, { once: true });
  });
}
