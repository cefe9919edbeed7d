import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type Program, providePrograms } from '../../src/sandbox/programs.ts';
import { stateOf, within } from './within.ts';

/** What Latchkey, Node.js and SQLite could write, sync, shorten or rename with; all that the kernel has for it. */
export const WRITING_CALLS = [
  'write',
  'writev',
  'pwrite64',
  'pwritev',
  'pwritev2',
  'sendto',
  'sendmsg',
  'sendmmsg',
  'fsync',
  'fdatasync',
  'sync_file_range',
  'msync',
  'ftruncate',
  'fallocate',
  'unlink',
  'unlinkat',
  'rename',
  'renameat',
  'renameat2',
] as const;

export type WritingCall = (typeof WRITING_CALLS)[number];

/** The number of the system call prctl(2) by architecture. */
const PRCTL: Readonly<Record<string, number>> = { x64: 157, arm64: 167 };
const YAMA = '/proc/sys/kernel/yama/ptrace_scope';

/** How long strace may take to attach itself, and to let go. */
const ATTACH_PATIENCE_MS = 30_000;
const OFF_PATIENCE_MS = 10_000;

/** What is done to a call: the process dies when it is begun, or the call fails without being made. */
export type Fault = 'KILL' | 'EIO' | 'ENOSPC';

/** A call as strace wrote it down. */
export interface TracedCall {
  readonly name: WritingCall;
  /** What it was made on: a path, `TCP:[from->to]`, `pipe:[…]`; or the path it was given. */
  readonly on: string;
  /** Made by the main thread, which runs all of Latchkey and SQLite. */
  readonly main: boolean;
  readonly failed: boolean;
  readonly injected: boolean;
}

/** strace at a running process, until it is taken off or the process ends. */
export interface Trace {
  /** Resolves when the process is traced no more, with all calls that were seen. A strace that does not let go is killed. */
  off(): Promise<readonly TracedCall[]>;
  /** Those seen so far. */
  calls(): readonly TracedCall[];
  /** How tracer and traced are: for whoever waited in vain. */
  standing(): string;
}

/** The machine's strace, or else Debian's package, unpacked into the user's cache. */
export async function straceProgram(env: NodeJS.ProcessEnv = process.env): Promise<Program> {
  const find = await providePrograms({
    wanted: [{ name: 'strace', debianPackage: 'strace' }],
    hints: {
      macos: 'there is none for macOS; run this test on Linux',
      debian: 'the package could not be downloaded, so install it with "apt-get install strace"',
      fedora: 'install it with "dnf install strace"',
      alpine: 'install it with "apk add strace"',
      other: 'install strace',
    },
    env,
  });
  return find('strace');
}

/**
 * What to start a program by, so that strace may be attached to it. Where Yama lets only a parent trace (as on Ubuntu, for who is
 * not root), the program says that anyone of the same user may: prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY), which outlives exec.
 */
export function traceable(): readonly string[] {
  const prctl = PRCTL[process.arch];
  const scope = existsSync(YAMA) ? readFileSync(YAMA, 'utf8').trim() : '0';
  if (scope !== '1' || prctl === undefined) return [];
  // Debian and Ubuntu always have perl, and Node.js cannot make a system call of its own.
  return ['perl', '-e', `syscall(${prctl}, 0x59616d61, -1, 0, 0, 0); exec @ARGV or die`];
}

/**
 * Attaches strace to a process. With `fault` to its main thread alone: the n-th call of that name that it makes from now on
 * is the one that is struck. Without, to all threads, and only watches. Rejects with one sentence where it is not permitted.
 */
export async function trace(
  program: Program,
  { pid, file, fault }: { pid: number; file: string; fault?: { call: WritingCall; nth: number; fault: Fault } },
): Promise<Trace> {
  const struck = fault === undefined ? ['-f'] : ['-e', `inject=${fault.call}:${effect(fault.fault)}:when=${when(fault)}`];
  const traced = `trace=${WRITING_CALLS.map((name) => `?${name}`).join(',')}`;
  // Descriptors with what they are open on, and no contents: secrets must not get into a file.
  const args = [...struck, '-yy', '-s', '0', '-o', file, '-e', traced, '-e', 'signal=none', '-p', String(pid)];
  const child = spawn(program.path, args, { env: { ...process.env, ...program.env }, stdio: ['ignore', 'ignore', 'pipe'] });
  const killAtExit = (): void => void child.kill('SIGKILL');
  process.once('exit', killAtExit);
  const ended = once(child, 'close').then(() => process.off('exit', killAtExit));
  const said: string[] = [];
  const attached = new Promise<boolean>((resolve) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      said.push(line);
      if (/ attached( |$)/.test(line)) resolve(true);
    });
    void ended.then(() => resolve(false));
  });
  const standing = (): string => `${stateOf(child.pid ?? 0)} (strace), ${stateOf(pid)} (traced); strace said: ${said.join(' ')}`;
  /** The process goes on untraced if strace dies. */
  const orKilled = async <T>(work: Promise<T>, wait: { awaited: string; ms: number }): Promise<T> => {
    try {
      return await within(work, { ...wait, known: standing });
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  };
  if (!(await orKilled(attached, { awaited: 'strace to attach itself', ms: ATTACH_PATIENCE_MS })))
    throw new Error(
      `strace may not be attached to a process of the same user here (${said.join(' ')}): ` +
        'run this test as root, or set kernel.yama.ptrace_scope to 0, and in a container allow SYS_PTRACE.',
    );
  const calls = (): TracedCall[] => parseTrace(readFileSync(file, 'utf8'), pid);
  return {
    calls,
    standing,
    async off() {
      child.kill('SIGTERM');
      await orKilled(ended, { awaited: 'strace to let go of the process', ms: OFF_PATIENCE_MS });
      return calls();
    },
  };
}

/** The calls of a file that strace wrote with `-yy`, with or without the id of the thread before each. */
export function parseTrace(text: string, pid: number): TracedCall[] {
  const calls: TracedCall[] = [];
  for (const line of text.split('\n')) {
    const { thread, name, rest = '' } = /^(?:(?<thread>\d+) +)?(?<name>\w+)\((?<rest>.*)$/.exec(line)?.groups ?? {};
    const known = WRITING_CALLS.find((one) => one === name);
    if (known === undefined) continue;
    calls.push({
      name: known,
      on: /^\d+<((?:->|[^>])*)>/.exec(rest)?.[1] ?? /^"([^"]*)"/.exec(rest)?.[1] ?? '',
      main: thread === undefined || Number(thread) === pid,
      failed: / = -1 /.test(rest),
      injected: rest.endsWith('(INJECTED)'),
    });
  }
  return calls;
}

/** A connection that has failed goes on failing for the rest of the turn: only connections are written to by writev. */
function when({ call, nth, fault }: { call: WritingCall; nth: number; fault: Fault }): string {
  return call === 'writev' && fault !== 'KILL' ? `${nth}..${nth + 2}` : String(nth);
}

function effect(fault: Fault): string {
  return fault === 'KILL' ? 'signal=KILL' : `error=${fault}`;
}
