/**
 * The connector as `main.ts` runs it, and beside it a stop-watch: when it passed each fail point, how long SQLite and the
 * directory had it waiting, and what the processor did. SIGUSR2 prints all of that since the last time, as one line.
 */

import { type Profiler, Session } from 'node:inspector/promises';
import { DatabaseSync, StatementSync } from 'node:sqlite';
import { Client } from 'ldapts';
import { run } from '../../src/cli/run.ts';
import type { Readings } from './readings.ts';

const nowMs = (): number => performance.timeOrigin + performance.now();

interface Record {
  points: [string, number][];
  waits: [number, number][];
  ldap: { searches: number; modifies: number };
  sqlite: { ms: number; commits: number; commitMs: number };
  cpu: NodeJS.CpuUsage;
  sinceMs: number;
}

const empty = (): Record => ({
  points: [],
  waits: [],
  ldap: { searches: 0, modifies: 0 },
  sqlite: { ms: 0, commits: 0, commitMs: 0 },
  cpu: process.cpuUsage(),
  sinceMs: nowMs(),
});
const state = { record: empty(), outstanding: 0, waitingSinceMs: 0 };

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Puts a stop-watch around a method of a library. */
function watch(prototype: object, name: string, around: (call: () => unknown, args: readonly unknown[]) => unknown): void {
  const original = Reflect.get(prototype, name) as Method;
  Reflect.set(prototype, name, function watched(this: unknown, ...args: unknown[]) {
    return around(() => original.apply(this, args), args);
  });
}

function inSqlite(call: () => unknown, args: readonly unknown[]): unknown {
  const began = performance.now();
  try {
    return call();
  } finally {
    const tookMs = performance.now() - began;
    const { sqlite } = state.record;
    sqlite.ms += tookMs;
    if (args[0] === 'COMMIT') {
      sqlite.commits += 1;
      sqlite.commitMs += tookMs;
    }
  }
}

async function answered(call: () => unknown): Promise<unknown> {
  if (state.outstanding === 0) state.waitingSinceMs = nowMs();
  state.outstanding += 1;
  try {
    return await call();
  } finally {
    state.outstanding -= 1;
    if (state.outstanding === 0) state.record.waits.push([state.waitingSinceMs, nowMs()]);
  }
}

watch(DatabaseSync.prototype, 'exec', inSqlite);
for (const name of ['all', 'get', 'run']) watch(StatementSync.prototype, name, inSqlite);
// A compare asks what a search of one value asks.
for (const name of ['search', 'compare'])
  watch(Client.prototype, name, (call) => {
    state.record.ldap.searches += 1;
    return answered(call);
  });
watch(Client.prototype, 'modify', (call) => {
  state.record.ldap.modifies += 1;
  return answered(call);
});

const session = new Session();
session.connect();
const isProfiled = process.env['BENCH_PROFILE'] === '1';
if (isProfiled) await startProfile();

async function startProfile(): Promise<void> {
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
}

/** Own time by where the code lies. */
function byPlace({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): { [place: string]: number } {
  const placeOf = new Map(nodes.map(({ id, callFrame }) => [id, place(callFrame)]));
  const places: { [place: string]: number } = {};
  for (const [i, id] of samples.entries()) {
    const name = placeOf.get(id) ?? '(unknown)';
    places[name] = (places[name] ?? 0) + (timeDeltas[i] ?? 0) / 1000;
  }
  return places;
}

function place({ url, functionName }: Profiler.ProfileNode['callFrame']): string {
  const own = /\/src\/([^/]+)/.exec(url)?.[1];
  const library = /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
  if (library !== undefined) return library;
  if (own !== undefined) return `src/${own}`;
  if (functionName.startsWith('(')) return functionName;
  return url.startsWith('node:') || url === '' ? 'Node.js' : 'bench';
}

async function print(): Promise<void> {
  const { points, waits, ldap, sqlite, cpu, sinceMs } = state.record;
  const used = process.cpuUsage(cpu);
  const wallMs = nowMs() - sinceMs;
  const cpuMs = (used.user + used.system) / 1000;
  let profile: Readings['profile'] = null;
  if (isProfiled) {
    profile = byPlace((await session.post('Profiler.stop')).profile);
    await session.post('Profiler.start');
  }
  state.record = empty();
  const readings: Readings = { points, waits, ldap, sqlite, cpuMs, wallMs, profile };
  process.stdout.write(`${JSON.stringify({ event: 'bench.readings', ...readings })}\n`);
}
const printNow = (): void => void print();
process.on('SIGUSR2', printNow);

process.exitCode = await run({ failPoints: (point) => void state.record.points.push([point, nowMs()]) });
process.off('SIGUSR2', printNow);
session.disconnect();
