import { readFileSync } from 'node:fs';

/**
 * Resolves as the work does. What takes longer than `ms` is a failure, which says what was awaited and what is known by then, for
 * the limit of a test would only say that the test took too long.
 */
export async function within<T>(
  work: Promise<T>,
  { awaited, ms, known = () => '' }: { awaited: string; ms: number; known?: () => string },
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(waitedInVain({ awaited, ms, known }))), ms);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** The sentence of a wait that came to nothing. */
export function waitedInVain({ awaited, ms, known }: { awaited: string; ms: number; known: () => string }): string {
  return `waited ${ms} ms in vain: ${awaited}\n${known()}`.trimEnd();
}

/** How the main thread of a process is: whether it runs, where in the kernel it waits, and who traces it. */
export function stateOf(pid: number): string {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const of = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? 'unknown';
    const tracer = of('TracerPid');
    const traced = tracer === '0' ? 'is not traced' : `is traced by process ${tracer}`;
    return `process ${pid} is in state ${of('State')}, in ${readFileSync(`/proc/${pid}/wchan`, 'utf8')}, and ${traced}`;
  } catch {
    return `process ${pid} is gone, or cannot be looked at here`;
  }
}
