import { constants } from 'node:os';

/** What the signals of a connector ask for, one after the other. */
export interface AskedBySignal {
  /** Resolves with what was asked for since, or is next; a stop goes before everything. */
  next(): Promise<'stop' | 'reload'>;
}

/** SIGTERM and SIGINT ask for a stop, and a second of them ends the process at once with 128 + its number; SIGHUP for a reload. */
export function askedBySignals(): AskedBySignal {
  let wake = (): void => undefined;
  let isStopAsked = false;
  let isReloadAsked = false;
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (isStopAsked) process.exit(128 + constants.signals[name]);
      isStopAsked = true;
      wake();
    });
  }
  process.on('SIGHUP', () => {
    isReloadAsked = true;
    wake();
  });
  return {
    async next() {
      while (!isStopAsked && !isReloadAsked) await new Promise<void>((resolve) => (wake = resolve));
      if (isStopAsked) return 'stop';
      isReloadAsked = false;
      return 'reload';
    },
  };
}
