import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../access/clock.ts';

/** How long a sync works without letting others: what ends access falls due in between, and waits no longer. */
const TURN_MS = 4;

/** Cuts long work into turns: `await` it wherever it is not null. */
export interface Turns {
  /** Null while the turn lasts; else a promise that resolves when all others had theirs. */
  rest(): Promise<void> | null;
}

export function turns(clock: Pick<Clock, 'monotonicMs'>): Turns {
  let began = clock.monotonicMs();
  async function next(): Promise<void> {
    await nextTurn();
    began = clock.monotonicMs();
  }
  return { rest: () => (clock.monotonicMs() - began < TURN_MS ? null : next()) };
}
