import { monitorEventLoopDelay } from 'node:perf_hooks';

export type LagQuantile = '0.5' | '0.99' | '1';

/** How late the event loop turned of late, in seconds. */
export interface EventLoopLag {
  quantiles(): Readonly<Record<LagQuantile, number>>;
  close(): void;
}

/** How often it is looked at, in milliseconds. */
const RESOLUTION_MS = 20;
/** What was seen is told for one to two of these, whoever asks and how often: a scrape that came to nothing must not use it up. */
const WINDOW_MS = 60_000;

export function eventLoopLag(monotonicMs: () => number = () => performance.now()): EventLoopLag {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  const seconds = (ns: number): number => Math.max(0, ns / 1e9 - RESOLUTION_MS / 1000);
  const seen = () => ({
    '0.5': seconds(histogram.percentile(50)),
    '0.99': seconds(histogram.percentile(99)),
    '1': seconds(histogram.max),
  });
  let before = { '0.5': 0, '0.99': 0, '1': 0 };
  let begunMs = monotonicMs();

  return {
    quantiles() {
      const now = seen();
      const told = {
        '0.5': Math.max(before['0.5'], now['0.5']),
        '0.99': Math.max(before['0.99'], now['0.99']),
        '1': Math.max(before['1'], now['1']),
      };
      if (monotonicMs() - begunMs >= WINDOW_MS) {
        before = now;
        begunMs = monotonicMs();
        histogram.reset();
      }
      return told;
    },
    close: () => void histogram.disable(),
  };
}
