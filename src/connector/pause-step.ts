import type { CheckStep } from '../access/event.ts';
import { formatInstant, type Instant } from '../access/instant.ts';

/** What a check says of a pause, where there is one: a person has decided it, and a person may have forgotten it. */
export function pauseSteps(since: Instant | null): readonly CheckStep[] {
  if (since === null) return [];
  const detail = `are paused since ${formatInstant(since)}: each is refused as "paused" until "latchkey resume"; endings go on`;
  return [{ step: 'new grants', status: 'warn', detail }];
}
