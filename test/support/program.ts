import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { bareEnvironment } from './child.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;

/** What a program that has ended said. */
export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the product's own entry until it ends by itself, and keeps what it wrote to each stream. */
export async function runMain(env: NodeJS.ProcessEnv, cwd: string): Promise<Said> {
  return await runCommand({ args: [], env, cwd });
}

/** The same for one of its commands. */
export async function runCommand({
  args,
  env,
  cwd,
}: {
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
}): Promise<Said> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { ...bareEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
    killSignal: 'SIGKILL',
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code: code ?? -1, ...said };
}
