import type { Child } from '../support/child.ts';

/** What the stop-watch of a connector under the bench shows, since it was last read. Times are milliseconds since 1970. */
export interface Readings {
  /** Every fail point that was passed, in order. */
  readonly points: readonly (readonly [point: string, atMs: number])[];
  /** Spans in which at least one request to the directory was unanswered, in order. */
  readonly waits: readonly (readonly [fromMs: number, toMs: number])[];
  readonly ldap: { readonly searches: number; readonly modifies: number };
  readonly sqlite: { readonly ms: number; readonly commits: number; readonly commitMs: number };
  readonly cpuMs: number;
  readonly wallMs: number;
  /** Own time in milliseconds by where the code lies; null where no profile was asked for. */
  readonly profile: Readonly<Record<string, number>> | null;
}

/** Reads the stop-watch, and begins again at nought. */
export async function readings(connector: Child): Promise<Readings> {
  const from = connector.lines.length;
  connector.signal('SIGUSR2');
  return JSON.parse(await connector.line((line) => line.startsWith('{"event":"bench.readings"'), from)) as Readings;
}

/** How much of a span the directory had at least one request unanswered. */
export function waitedMs({ waits }: Pick<Readings, 'waits'>, fromMs: number, toMs: number): number {
  return waits.reduce((sum, [from, to]) => sum + Math.max(0, Math.min(to, toMs) - Math.max(from, fromMs)), 0);
}
