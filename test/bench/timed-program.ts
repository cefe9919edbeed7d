import { runProgram } from '../../src/sandbox/run-program.ts';

export interface TimedProgram {
  readonly path: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

export interface Took {
  readonly wallMs: number;
  /** Of all its threads, and of the kernel for it. */
  readonly cpuMs: number;
}

/** What it prints is thrown away by the shell; `times` is of every POSIX shell, and its second line is of what it has run. */
const SCRIPT = '"$@" >/dev/null || exit; times';

/** Runs a program to its end. Throws with what it complains of where it fails. */
export async function timed({ path, args, env, cwd }: TimedProgram): Promise<Took> {
  const from = performance.now();
  const result = await runProgram({ path: '/bin/sh', args: ['-c', SCRIPT, 'sh', path, ...args], env, cwd, timeoutMs: 600_000 });
  const wallMs = performance.now() - from;
  if (result.code !== 0) throw new Error(`${path} ended with ${result.code}: ${result.stderr}`);
  const [user, system] = [...(result.stdout.split('\n')[1] ?? '').matchAll(/(\d+)m([\d.]+)s/g)].map(
    ([, minutes, seconds]) => Number(minutes) * 60_000 + Number(seconds) * 1_000,
  );
  if (user === undefined || system === undefined) throw new Error(`the shell's times are "${result.stdout}"`);
  return { wallMs, cpuMs: user + system };
}
