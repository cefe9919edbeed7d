import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { FailPoint } from '../../src/access/fail-point.ts';

/** What a connector under test reports of itself. Times in milliseconds. */
export interface ResourceReport {
  /** How many of each kind of handle and request keep the event loop alive. */
  readonly active: Readonly<Record<string, number>>;
  /** After a full collection. */
  readonly heapBytes: number;
  readonly loopDelay: { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
}

/** How often the event loop is asked for. What is measured is the time from one turn to the next, this included. */
const RESOLUTION_MS = 10;
const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);

/** Stops the whole process, as SIGSTOP does, when it passes the point that the file names; once for each time it is named. */
export function stopWhereTold(file: string): (point: FailPoint) => void {
  return (point) => {
    let wanted = '';
    try {
      wanted = readFileSync(file, 'utf8');
    } catch {
      return;
    }
    if (wanted !== point) return;
    rmSync(file);
    process.kill(process.pid, 'SIGSTOP');
  };
}

/** A fault of the kind told, `thrown: message` or `rejected: message`, in no part that would catch it. */
export function uncaught(told: string | undefined): (() => void) | undefined {
  if (told === undefined) return undefined;
  const [, kind, message] = /^(thrown|rejected): (.*)$/.exec(told) ?? [];
  if (kind === undefined) throw new Error(`TEST_FAULT: expected "thrown: message" or "rejected: message", found "${told}"`);
  const error = new Error(message);
  return kind === 'rejected'
    ? () => void Promise.reject(error)
    : () =>
        queueMicrotask(() => {
          throw error;
        });
}

/** Writes a report into the file at each SIGUSR2. The delays are those since the last report. */
export function reportWhenAsked(file: string): void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  process.on('SIGUSR2', () => {
    const loopDelay = { p50Ms: late(delay.percentile(50)), p99Ms: late(delay.percentile(99)), maxMs: late(delay.max) };
    collect();
    const active: Record<string, number> = {};
    for (const kind of process.getActiveResourcesInfo()) active[kind] = (active[kind] ?? 0) + 1;
    const report: ResourceReport = { active, heapBytes: process.memoryUsage().heapUsed, loopDelay };
    writeFileSync(`${file}.next`, JSON.stringify(report));
    renameSync(`${file}.next`, file);
    delay.reset();
  });
}
