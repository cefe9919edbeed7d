import { readdir, readFile } from 'node:fs/promises';
import type { Child } from './child.ts';
import type { ResourceReport } from './connector-instruments.ts';
import { until } from './system.ts';

/** What the kernel says of a process. */
export interface ProcessFigures {
  readonly rssBytes: number;
  readonly descriptors: number;
  readonly threads: number;
}

export async function processFigures(pid: number): Promise<ProcessFigures> {
  const [status, descriptors] = await Promise.all([readFile(`/proc/${pid}/status`, 'utf8'), readdir(`/proc/${pid}/fd`)]);
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  return { rssBytes: field('VmRSS') * 1024, descriptors: descriptors.length, threads: field('Threads') };
}

/** How much CPU time the main thread of a process has had, in milliseconds (proc(5): in ticks, of which Linux shows 100 a second). */
export async function mainThreadCpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/task/${pid}/stat`, 'utf8');
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return (user + system) * 10;
}

/** What a connector under test reports of itself, asked now. */
export async function resourceReport(connector: Child, file: string): Promise<ResourceReport> {
  const text = () => readFile(file, 'utf8').catch(() => '');
  const before = await text();
  connector.signal('SIGUSR2');
  let after = before;
  // Two reports are never alike: each has the delays since the one before.
  await until('the report', async () => (after = await text()) !== before);
  return JSON.parse(after) as ResourceReport;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** The slope of the straight line that fits best (least squares), in units of y for one of x. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanX = mean(points.map(([x]) => x));
  const meanY = mean(points.map(([, y]) => y));
  const covariance = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return covariance / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}
