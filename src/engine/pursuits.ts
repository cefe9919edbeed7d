import type { Clock, Random } from '../access/clock.ts';
import type { GrantId, JobId } from '../access/ids.ts';
import type { Logger } from '../observability/logger.ts';
import { type Urgency, workSlots } from './keyed-lock.ts';

/** What one attempt came to: over, or to be tried again (no sooner than `afterMs`, else with the backoff). */
export type Attempted = { readonly done: true } | { readonly done: false; readonly afterMs?: number };

export const DONE: Attempted = { done: true };

/** What is missing now and then, and comes back. */
export type Need = 'directory' | 'link';

/** One thing that is tried until it is done. */
export interface Pursuit {
  readonly key: string;
  readonly urgency: Urgency;
  /** What its waits may be cut short by; the directory where it is not said. */
  readonly waitsFor?: Need;
  /** The grant or the job that it is about, for its log lines. */
  readonly about?: { readonly grantId: GrantId } | { readonly jobId: JobId; readonly traceparent?: string };
  /** `nextDelayMs` is how long the wait would be if this attempt failed, for what is told of it. Must not throw. */
  attempt(nextDelayMs: number): Promise<Attempted>;
}

export interface Pursuits {
  /** Starts, or speeds up, the pursuit of this key. */
  pursue(pursuit: Pursuit): void;
  /** That is back: what waits for it is tried again at once, endings first, and else in the order in which it was begun. */
  kick(need: Need): void;
  /** Starts no further attempt; resolves when those begun are over. */
  stop(): Promise<void>;
  /** How many are pursued. */
  size(): number;
  /** How many failed at their last attempt in a way that nobody expected: the ledger, or a fault of ours. */
  failing(): number;
}

interface Running {
  pursuit: Pursuit;
  failures: number;
  state: 'attempting' | 'waiting';
  again: boolean;
  /** What it waits for came back during this attempt, which may still fail of what is over now. */
  kicked: boolean;
  cancelTimer: () => void;
}

/** 0.25 s doubling to 60 s (reliability facts, Kubernetes controllers), each with equal jitter. */
const BASE_MS = 250;
const CAP_MS = 60_000;

/**
 * Of these, the attempts that only endings may use. Twice as many as go into one modify: while one is under way, the next
 * can form. What reaches the server at a time is bounded where it is gathered.
 */
const SLOTS_FOR_ENDINGS = 1000;

/** Attempts at work at the same time: each holds a few promises. The rest waits in line. */
const SLOTS = SLOTS_FOR_ENDINGS + 256;

/**
 * Pursues work for ever: an ending is never given up, and a grant ends its own pursuit at its deadline. Each key has
 * its own backoff, so that what is refused does not delay the others.
 */
export function pursuits({ clock, random, log }: { clock: Clock; random: Random; log: Logger }): Pursuits {
  const running = new Map<string, Running>();
  const inFlight = new Set<Promise<void>>();
  const failing = new Set<string>();
  const slot = workSlots({ slots: SLOTS, reserved: SLOTS_FOR_ENDINGS });
  let stopped = false;

  function backoffMs(failures: number): number {
    const ceiling = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(failures, 20));
    return Math.round(ceiling / 2 + (random() * ceiling) / 2);
  }

  function begin(one: Running): void {
    if (stopped) return;
    one.cancelTimer();
    one.state = 'attempting';
    one.again = false;
    one.kicked = false;
    const attempt = slot(one.pursuit.urgency, () => tryOnce(one)).finally(() => inFlight.delete(attempt));
    inFlight.add(attempt);
  }

  async function tryOnce(one: Running): Promise<void> {
    if (stopped) return;
    const delayMs = backoffMs(one.failures);
    const attempted = await attemptSafely(one.pursuit, delayMs);
    if (attempted.done && !one.again) {
      running.delete(one.pursuit.key);
      return;
    }
    if (stopped) return;
    if (one.again) {
      begin(one);
      return;
    }
    const waitMs = attempted.done ? 0 : (attempted.afterMs ?? delayMs);
    one.failures = one.kicked ? 1 : one.failures + 1;
    one.state = 'waiting';
    one.cancelTimer = clock.timer(one.kicked ? Math.min(waitMs, backoffMs(0)) : waitMs, () => begin(one));
  }

  async function attemptSafely(pursuit: Pursuit, delayMs: number): Promise<Attempted> {
    try {
      const attempted = await pursuit.attempt(delayMs);
      failing.delete(pursuit.key);
      return attempted;
    } catch (error) {
      if (stopped) return { done: false };
      failing.add(pursuit.key);
      // An attempt reports its own failures; what arrives here is a fault of ours, or a ledger that cannot write.
      log.error(
        { event: 'engine.attempt-failed', pursuit: pursuit.key, ...pursuit.about, error },
        'an attempt failed unexpectedly; it will be tried again',
      );
      return { done: false };
    }
  }

  return {
    pursue(pursuit) {
      const known = running.get(pursuit.key);
      if (known === undefined) {
        const one: Running = {
          pursuit,
          failures: 0,
          state: 'attempting',
          again: false,
          kicked: false,
          cancelTimer: () => undefined,
        };
        running.set(pursuit.key, one);
        begin(one);
        return;
      }
      known.pursuit = pursuit;
      if (known.state === 'waiting') begin(known);
      else known.again = true;
    },
    kick(need) {
      const meant = [...running.values()].filter(({ pursuit: { waitsFor = 'directory' } }) => waitsFor === need);
      for (const urgency of ['ending', 'grant']) {
        for (const one of meant) {
          if (one.pursuit.urgency !== urgency) continue;
          one.failures = 0;
          if (one.state === 'waiting') begin(one);
          else one.kicked = true;
        }
      }
    },
    async stop() {
      stopped = true;
      for (const one of running.values()) one.cancelTimer();
      while (inFlight.size > 0) await Promise.allSettled(inFlight);
    },
    size: () => running.size,
    failing: () => failing.size,
  };
}
