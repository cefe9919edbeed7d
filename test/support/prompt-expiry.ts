import assert from 'node:assert/strict';
import type { WireEvent } from '../../src/protocol/event-frame.ts';

export type GrantEnded = Extract<WireEvent, { kind: 'grant.ended' }>;

/** How late an expiry may be told to have been done, in milliseconds, where nothing but the network or noise is in its way. */
const PROMPT_MS = 1_500;

/** The grant ended by itself, its member is out, and neither came early nor late. Returns how late it was, in milliseconds. */
export function assertPromptExpiry({ cause, membership, grant }: GrantEnded, promptMs = PROMPT_MS): number {
  assert.deepEqual([cause, membership], ['expired', 'removed']);
  const lateMs = Date.parse(grant.endedAt ?? '') - Date.parse(grant.expiresAt ?? '');
  assert.ok(lateMs >= 0 && lateMs < promptMs, `ended ${lateMs} ms late`);
  return lateMs;
}
