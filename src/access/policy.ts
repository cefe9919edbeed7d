import { type Instant, later } from './instant.ts';

/** What is done about a membership that vanished under an active grant (LATCHKEY_DRIFT). */
export const DRIFT_ACTIONS = ['report', 'restore'] as const;
export type DriftAction = (typeof DRIFT_ACTIONS)[number];

/** The local limits that are told as `policy.tripped` when they stop work (PROTOCOL, Events). */
export const POLICY_RULES = ['protected_group', 'grant_rate', 'group_rate', 'user_rate', 'group_cap', 'exclusive'] as const;
export type PolicyRule = (typeof POLICY_RULES)[number];

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
