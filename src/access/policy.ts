import { type Instant, later } from './instant.ts';

/** What is done about a membership that vanished under an active grant (LATCHKEY_DRIFT). */
export const DRIFT_ACTIONS = ['report', 'restore'] as const;
export type DriftAction = (typeof DRIFT_ACTIONS)[number];

/** The verdict of the local policy on an end that a job asks for. */
export type EndVerdict = { readonly allowed: true } | { readonly allowed: false; readonly latestEnd: Instant };

/**
 * Whether a membership held since `heldSince` without a break may be kept until `expiresAt` (LATCHKEY_MAX_GRANT,
 * milliseconds). A denial names the latest end possible; nothing is shortened silently.
 */
export function judgeEnd({
  heldSince,
  expiresAt,
  maxGrantMs,
}: {
  heldSince: Instant;
  expiresAt: Instant;
  maxGrantMs: number;
}): EndVerdict {
  const latestEnd = later(heldSince, maxGrantMs);
  return expiresAt <= latestEnd ? { allowed: true } : { allowed: false, latestEnd };
}
