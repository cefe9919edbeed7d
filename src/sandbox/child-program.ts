import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { runProgram } from './run-program.ts';

/** A program that serves until it is told to stop. */
export type ChildProgram = {
  readonly pid: number;
  /** Aborted when the program has ended. */
  readonly ended: AbortSignal;
  /** What the program has printed so far. */
  output(): string;
  /** Sends a signal; resolves once it is sent, or, for one that ends the program, once the program has ended. */
  kill(signal: NodeJS.Signals): Promise<void>;
};

// A program that ignores the request to end (or is stopped by SIGSTOP) is killed after this time.
const graceMs = 5_000;

/**
 * Starts a program in a process group of its own, so that a Ctrl-C at the terminal reaches only us, who stop it in order. It ends
 * with this process, however that dies: by PR_SET_PDEATHSIG where `setpriv` can set it (Linux), and at our exit everywhere.
 */
export async function startChildProgram(options: {
  path: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
  logFile: string;
}): Promise<ChildProgram> {
  const { env, cwd, logFile } = options;
  const command = [...(await dieWithParent(env, cwd)), options.path, ...options.args];
  const child = await spawnDetached({ command, env, cwd, logFile });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${options.path} has no process id.`);

  const ending = new AbortController();
  const killAtExit = () => child.kill('SIGKILL');
  process.once('exit', killAtExit);
  child.once('exit', () => {
    process.off('exit', killAtExit);
    ending.abort();
  });
  // A forgotten server must not keep its parent alive; whoever waits for its end has a timer running.
  child.unref();

  return {
    pid,
    ended: ending.signal,
    output: () => readFileSync(logFile, 'utf8'),
    async kill(signal) {
      if (ending.signal.aborted) return;
      child.kill(signal);
      if (signal === 'SIGSTOP') await untilStopped(pid, ending.signal);
      if (signal === 'SIGSTOP' || signal === 'SIGCONT') return;
      // A stopped program hears no signal but SIGKILL until it is continued.
      child.kill('SIGCONT');
      if (await endsWithin(ending.signal, graceMs)) return;
      child.kill('SIGKILL');
      if (!(await endsWithin(ending.signal, graceMs))) throw new Error(`Process ${pid} survived SIGKILL.`);
    },
  };
}

/**
 * Until every thread has stopped the program may still answer, on a loaded machine for a while. Where /proc does not tell (not
 * Linux), it is believed to stop at once.
 */
async function untilStopped(pid: number, ended: AbortSignal): Promise<void> {
  const tasks = `/proc/${pid}/task`;
  const isStopped = (task: string) => / [Tt] /.test(readFileSync(`${tasks}/${task}/stat`, 'latin1').replace(/^.*\)/s, ''));
  const deadline = performance.now() + graceMs;
  while (!ended.aborted && performance.now() < deadline) {
    try {
      if (readdirSync(tasks).every(isStopped)) return;
    } catch {
      // A thread that ended meanwhile; or there is no /proc.
      if (!existsSync(tasks)) return;
    }
    await sleep(1);
  }
}

async function endsWithin(ended: AbortSignal, ms: number): Promise<boolean> {
  await sleep(ended.aborted ? 0 : ms, undefined, { signal: ended }).catch(() => undefined);
  return ended.aborted;
}

/** The words to put before a command so that the kernel kills it when we die; none where they are not understood. */
async function dieWithParent(env: NodeJS.ProcessEnv, cwd: string): Promise<string[]> {
  const words = ['setpriv', '--pdeathsig', 'KILL', '--'];
  const trial = await runProgram({ path: 'setpriv', args: [...words.slice(1), 'true'], env, cwd }).catch(() => undefined);
  return trial?.code === 0 ? words : [];
}

async function spawnDetached(options: {
  command: readonly string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
  logFile: string;
}): Promise<ChildProcess> {
  const [path = '', ...args] = options.command;
  const log = openSync(options.logFile, 'w', 0o600);
  try {
    const child = spawn(path, args, { cwd: options.cwd, env: options.env, detached: true, stdio: ['ignore', log, log] });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    return child;
  } finally {
    closeSync(log);
  }
}
