import { earliest, type Instant, later } from './instant.ts';
import type { GrantJob } from './job.ts';

/** By when a grant job must have been written (PROTOCOL, Jobs): the earliest of `notAfter`, receipt + the longest wait, and its own end. */
export function grantDeadline(job: GrantJob, receivedAt: Instant, maxPendingMs: number): Instant {
  const pendingUntil = later(receivedAt, maxPendingMs);
  return earliest(job.notAfter, pendingUntil, job.end.kind === 'at' ? job.end.expiresAt : undefined) ?? pendingUntil;
}

/** True where a job is too old to be believed new: its id may have been forgotten with the retention (milliseconds). */
export function isOutdated(issuedAt: Instant, now: Instant, retentionMs: number): boolean {
  return later(issuedAt, retentionMs) < now;
}

/** How far `now` may be ahead of the wall clock before new grants are refused (ARCHITECTURE, Time). */
export const CLOCK_TOLERANCE_MS = 300_000;

/** Trusted time: never runs backwards. `mark` is the high-water mark, read together with the monotonic `markedAtMs`. */
export function trustedNow({ wall, mark, elapsedMs }: { wall: Instant; mark: Instant; elapsedMs: number }): Instant {
  const advanced = later(mark, elapsedMs);
  return wall > advanced ? wall : advanced;
}

/** True where the trusted time is so far ahead of the wall clock that one of them is wrong. */
export function isClockTrusted({ now, wall }: { now: Instant; wall: Instant }): boolean {
  return now - wall <= CLOCK_TOLERANCE_MS;
}

/**
 * True where a job may have been carried out by a life of the ledger that was lost: it was issued before the ledger was
 * found to be an older copy. Clocks that differ by the tolerance count as the same, which errs on the side of asking.
 */
export function mayPredateReplacement(issuedAt: Instant, replacedAt: Instant | null): boolean {
  return replacedAt !== null && issuedAt <= later(replacedAt, CLOCK_TOLERANCE_MS);
}
