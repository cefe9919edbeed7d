import type { Instant } from './instant.ts';

/** Time as a parameter: tests pass their own. */
export interface Clock {
  /** The wall clock; it may be stepped. */
  wall(): Instant;
  /** Milliseconds of a clock that never runs backwards and stands still for nobody but a suspended machine. */
  monotonicMs(): number;
  /** Calls `fire` once after `delayMs` (at most 2^31-1); the returned function cancels it. */
  timer(delayMs: number, fire: () => void): () => void;
}

/** Randomness as a parameter: a number in [0, 1). */
export type Random = () => number;
