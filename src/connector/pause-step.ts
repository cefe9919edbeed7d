import type { CheckStep } from '../access/event.ts';
import { formatInstant, type Instant } from '../access/instant.ts';

/** What a check says of a pause: a person has decided it, and a person may have forgotten it. */
export function pauseStep(since: Instant | null): CheckStep {
  const step = 'new grants';
  if (since === null) return { step, status: 'ok', detail: 'are made' };
  return {
    step,
    status: 'warn',
    detail: `are paused since ${formatInstant(since)}: each is refused as "paused" until "latchkey resume"; endings go on`,
  };
}
