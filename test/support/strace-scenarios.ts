import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Program } from '../../src/sandbox/programs.ts';
import { type Child, startChild } from './child.ts';
import { type IndependentCheck, independentCheck } from './independent-check.ts';
import { ledgerPulse } from './independent-ledger.ts';
import { type Stage, stageOf } from './kill-stage.ts';
import { type Trace, type TracedCall, trace, traceable } from './strace.ts';
import { hasStrayed, type Strike } from './strace-cases.ts';
import { killed, ready, startReady } from './survival.ts';
import { type System, startSystem, until, untilWithin } from './system.ts';
import { stateOf, within } from './within.ts';

const HELD_CONNECTOR = new URL('./strace-connector.ts', import.meta.url).pathname;

/**
 * No work is handed to the kernel by way of io_uring, which no tracer of calls sees (what libuv changes in an epoll set goes that
 * way all the same); and what waits for a lost connection does not wait long.
 */
const ENV = {
  // A backup begins by the clock, and its calls would be counted.
  TEST_BACKUP_MS: '3600000:3600000',
  LATCHKEY_LOG_LEVEL: 'info',
  UV_USE_IO_URING: '0',
  TEST_LINK_BACKOFF_MS: '50:500',
};

/** How long a connector may take to stop: its own grace, what it waits for beyond that, and a slow machine. */
const STOP_PATIENCE_MS = 30_000;

/** More than the check takes before it says by itself what does not come to rest. */
const JUDGING_PATIENCE_MS = 180_000;

/** What came of one case. */
export interface Struck {
  readonly calls: readonly TracedCall[];
  /** How the connector ended while it was traced; null where it went on. */
  readonly ended: number | NodeJS.Signals | null;
  /** What it said. */
  readonly lines: readonly string[];
}

/** Does something while the connector is traced, and has one of its calls struck, if any. */
export type TracedScenario = (theatre: Theatre, strike: Strike | undefined) => Promise<Struck>;

/** A running system, the check of it, and what traces its connector. */
export interface Theatre extends AsyncDisposable {
  readonly s: System;
  readonly check: IndependentCheck;
  readonly stage: Stage;
  readonly killFile: string;
  readonly program: Program;
  /** Starts it after a case, and sees that it is ready for everything. */
  restart(): Promise<void>;
}

/**
 * Opens a system with so many people that each case has one of its own. What Node.js compiles is kept in the folder: most of the
 * time of a start goes into that.
 */
export async function openTheatre({
  program,
  cases,
  compiled,
}: {
  program: Program;
  cases: number;
  compiled: string;
}): Promise<Theatre> {
  const s = await startSystem({ ldap: { people: cases }, env: { ...ENV, NODE_COMPILE_CACHE: compiled } });
  const killFile = join(s.folder, 'kill-at');
  const check = await independentCheck(s);
  await s.startStub();
  // Node.js writes what it compiled when it ends in order.
  await startReady(s);
  await s.stopConnector();
  await startReady(s, { launcher: traceable(), env: { TEST_KILL_FILE: killFile } });
  return {
    s,
    check,
    stage: stageOf(s, check, { people: 0, groups: 0 }),
    killFile,
    program,
    async restart() {
      const child = await startReady(s, { launcher: traceable(), env: { TEST_KILL_FILE: killFile } });
      await ready(child, ({ status }) => status === 200);
    },
    [Symbol.asyncDispose]: () => s[Symbol.asyncDispose](),
  };
}

const wanted = (uid: string, cn: string) => ({
  kind: 'grant',
  grantId: randomUUID(),
  user: { username: uid },
  group: { name: cn },
  durationSeconds: 600,
});

/** A disk that is full refuses what is new; nothing else may keep a grant from being given. */
const grantAnswers = (strike: Strike | undefined): readonly string[] =>
  strike?.fault === 'ENOSPC' ? ['granted', 'no_space'] : ['granted'];

export const TRACED_SCENARIOS = {
  async 'a grant'(theatre, strike) {
    const { stage } = theatre;
    const job = wanted(stage.person(), await stage.group('amara'));
    return strikeRunning(theatre, strike, () => stage.post(job, ...grantAnswers(strike)));
  },

  async 'a revoke'(theatre, strike) {
    const { s, stage } = theatre;
    const job = wanted(stage.person(), await stage.group('amara'));
    await s.outcome((await stage.post(job, 'granted')).jobId);
    return strikeRunning(theatre, strike, () => stage.post({ kind: 'revoke', grantId: job.grantId }, 'revoked'));
  },

  async 'a start that takes up a grant'(theatre, strike) {
    const { s, stage, killFile } = theatre;
    const go = join(s.folder, `go-${randomUUID()}`);
    await writeFile(killFile, 'grant.modify-answered');
    await stage.post(wanted(stage.person(), await stage.group('amara')), 'granted');
    await killed(s);
    await rm(killFile);
    const child = startChild({
      script: HELD_CONNECTOR,
      launcher: traceable(),
      cwd: s.folder,
      env: { ...s.connectorEnv(), TEST_HELD_UNTIL_FILE: go },
    });
    await child.line((line) => line === 'held');
    const traced = await attach(theatre, child, strike);
    await writeFile(go, '');
    return judged(theatre, { child, traced });
  },

  async 'a stop'(theatre, strike) {
    const { s, stage } = theatre;
    const job = wanted(stage.person(), await stage.group('amara'));
    await s.outcome((await stage.post(job, 'granted')).jobId);
    return strikeRunning(theatre, strike, stopped);
  },
} satisfies Readonly<Record<string, TracedScenario>>;

/** Strikes at the connector that runs, and starts it again afterwards whatever became of it. */
async function strikeRunning(
  theatre: Theatre,
  strike: Strike | undefined,
  act: (child: Child, traced: Trace) => Promise<unknown>,
): Promise<Struck> {
  const { s } = theatre;
  const child = s.connector();
  assert.ok(child !== null);
  await until('nothing to be under way', async () => ledgerPulse(ledgerOf(s), Date.now()).restless === null);
  let over = false;
  void child.ended.then(() => (over = true));
  const traced = await attach(theatre, child, strike);
  // A signal goes to the main thread unless that is stopped by its tracer just then; and then it makes other calls than recorded.
  // What it writes by itself may be struck before that.
  await until(
    'the main thread to go on after strace has attached itself',
    async () => over || stateOf(child.pid).includes(' S (sleeping)'),
  );
  await act(child, traced);
  return judged(theatre, { child, traced });
}

/** Stops it and waits for the end, which it chooses itself, unless a fault that cannot be keeps it from that. */
async function stopped(child: Child, traced: Trace): Promise<void> {
  let over = false;
  void child.ended.then(() => (over = true));
  child.signal('SIGTERM');
  await untilWithin(
    { awaited: 'the end of the connector after SIGTERM', ms: STOP_PATIENCE_MS, known: () => standing(child, traced) },
    async () => over || hasStrayed(traced.calls()),
  );
  if (hasStrayed(traced.calls())) child.signal('SIGKILL');
}

function attach({ s, program }: Theatre, child: Child, strike: Strike | undefined): Promise<Trace> {
  const file = join(s.folder, `trace-${randomUUID()}`);
  return trace(program, { pid: child.pid, file, ...(strike === undefined ? {} : { fault: strike }) });
}

/**
 * Whoever was killed, or chose to end, is started again; who went on has to come to rest by itself, and is then started
 * again by force, so that the next start sees what the fault left in the files. All is right then, and it is ready.
 */
async function judged(theatre: Theatre, { child, traced }: { child: Child; traced: Trace }): Promise<Struck> {
  const { s, check } = theatre;
  const judging = check.assertAllIsRight();
  // Awaited below; it may fail while something else is waited for.
  judging.catch(() => undefined);
  const ended = await within(Promise.race([child.ended, judging.then(() => null)]), {
    awaited: 'the end of the connector, or that all is right',
    ms: JUDGING_PATIENCE_MS,
    known: () => standing(child, traced),
  });
  const calls = await traced.off();
  await child.end('SIGKILL');
  await s.stopConnector();
  await theatre.restart();
  await judging;
  return { calls, ended, lines: child.lines };
}

function standing(child: Child, traced: Trace): string {
  return `${traced.standing()}\n${child.standing()}`;
}

function ledgerOf(s: System): string {
  return join(s.stateDir, 'ledger.db');
}
