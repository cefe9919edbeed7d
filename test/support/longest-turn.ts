import { setInterval } from 'node:timers';
import type { Child } from './child.ts';

/** How often is looked, in milliseconds: a turn that is longer holds the look up until it is over. */
const LOOK_MS = 10;

/**
 * Makes this process say at each SIGUSR2 how long the longest turn of its event loop took since the last, in CPU time of its
 * main thread: what the machine gave to others meanwhile is no fault of this process.
 */
export function tellLongestTurn(): void {
  let before = process.threadCpuUsage();
  let longestMs = 0;
  const look = (): void => {
    const now = process.threadCpuUsage();
    longestMs = Math.max(longestMs, (now.user + now.system - before.user - before.system) / 1000);
    before = now;
  };
  setInterval(look, LOOK_MS).unref();
  process.on('SIGUSR2', () => {
    process.stdout.write(`${JSON.stringify({ event: 'test.longest-turn', longestMs })}\n`);
    longestMs = 0;
  });
}

/** Asks a connector under test, started with `TEST_TURNS`, for its longest turn since the last question, in milliseconds. */
export async function longestTurn(child: Child): Promise<number> {
  const from = child.lines.length;
  child.signal('SIGUSR2');
  const line = await child.line((text) => text.startsWith('{"event":"test.longest-turn"'), from);
  return (JSON.parse(line) as { longestMs: number }).longestMs;
}
