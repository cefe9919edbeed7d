import { type Instant, instant } from './instant.ts';

/** A token bucket: it holds `grants`, and one that is empty is full again after `perMs` milliseconds. */
export interface Rate {
  readonly grants: number;
  readonly perMs: number;
}

/** What may be lost where fractions of milliseconds are added up; an instant is a whole one, so nothing is let through early. */
const ROUNDING_MS = 0.1;

/** Whether one more is taken; `fullAtMs` is what is left of the bucket, `freeAt` when the next one may be. */
export type RateVerdict =
  | { readonly allowed: true; readonly fullAtMs: number }
  | { readonly allowed: false; readonly fullAtMs: number; readonly freeAt: Instant };

/**
 * Takes one from a bucket. All that there is to know of it is when it would be full again (the generic cell rate algorithm of
 * ITU-T I.371), in milliseconds since 1970: with one number to keep, a restart fills nothing. Time that was set back leaves the
 * bucket empty, not overdrawn.
 */
export function judgeRate({ grants, perMs }: Rate, { fullAtMs, at }: { fullAtMs: number; at: Instant }): RateVerdict {
  const eachMs = perMs / grants;
  const left = Math.min(Math.max(fullAtMs, at), at + perMs);
  const next = left + eachMs;
  const freeAtMs = next - perMs - ROUNDING_MS;
  if (at >= freeAtMs) return { allowed: true, fullAtMs: next };
  return { allowed: false, fullAtMs: left, freeAt: instant(Math.ceil(freeAtMs)) };
}
