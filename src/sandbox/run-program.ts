import { spawn } from 'node:child_process';

type ProgramResult = { code: number | null; stdout: string; stderr: string };

type RunOptions = {
  path: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
  input?: string;
  /** After this many milliseconds the program is killed, and its code is null. Default: a minute. */
  timeoutMs?: number;
};

/**
 * Runs a program to its end and resolves with its exit code (null when a signal ended it) and what it printed.
 * Rejects only when the program could not be started.
 */
export function runProgram(options: RunOptions): Promise<ProgramResult> {
  const { path, args, env, cwd, input = '', timeoutMs = 60_000 } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, { cwd, env, stdio: 'pipe', timeout: timeoutMs, killSignal: 'SIGKILL' });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    // A program may end without reading its input; its exit code says more than the broken pipe does.
    child.stdin.on('error', () => undefined);
    child.once('error', reject);
    child.once('close', (code) => {
      resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
    });
    child.stdin.end(input);
  });
}
