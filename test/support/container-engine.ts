import { fileURLToPath } from 'node:url';
import { runProgram } from '../../src/sandbox/run-program.ts';
import { until } from '../../src/sandbox/until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** A build fetches packages. */
const BUILD_WITHIN_MS = 1_200_000;
const PATIENCE_MS = 90_000;

/** `docker`, or a program with the same commands: `CONTAINER_ENGINE=podman`. */
const ENGINE = process.env['CONTAINER_ENGINE'] ?? 'docker';
/** Podman's own --read-only leaves /tmp and /run open for writing. */
export const READ_ONLY: readonly string[] = ENGINE === 'docker' ? ['--read-only'] : ['--read-only', '--read-only-tmpfs=false'];
/** More words of each build, such as `--pull=never --build-arg NODE_IMAGE=…`. */
const BUILD_FLAGS = words(process.env['CONTAINER_BUILD_FLAGS']);
/** The compose command of that engine. */
const COMPOSE = words(process.env['CONTAINER_COMPOSE'] ?? (ENGINE === 'docker' ? 'docker compose' : `${ENGINE}-compose`));

/** Runs the engine; resolves with what it printed on standard output. Rejects with what it said where it fails. */
export async function engine(...args: readonly string[]): Promise<string> {
  return (await ran([ENGINE, ...args])).stdout;
}

/** The same for the compose file of the sandbox. */
export async function compose(...args: readonly string[]): Promise<string> {
  return (await ran([...COMPOSE, '-f', 'docker/compose.yaml', ...args])).stdout;
}

/** Builds an image of the checkout by the flags of the environment, and gives it the tag. */
export async function buildImage(image: { tag: string; file: string; context: string }): Promise<void> {
  await ran([ENGINE, 'build', ...BUILD_FLAGS, '-t', image.tag, '-f', image.file, image.context], BUILD_WITHIN_MS);
}

/** What a command in a running container printed. Rejects where it fails. */
export async function inContainer(name: string, ...command: readonly string[]): Promise<string> {
  return await engine('exec', name, ...command);
}

/** Whether the check of the image says that the container is healthy, asked now. */
export async function isHealthy(name: string): Promise<boolean> {
  // Docker asks by itself, at the image's interval, and has no command for it.
  if (ENGINE === 'docker') return (await engine('inspect', '-f', '{{.State.Health.Status}}', name)).trim() === 'healthy';
  const { code } = await runProgram({ path: ENGINE, args: ['healthcheck', 'run', name], env: process.env, cwd: ROOT });
  return code === 0;
}

/** Asks until it holds. Rejects with the last words of the container where that takes too long. */
export async function untilIn(name: string, what: string, holds: () => Promise<boolean>): Promise<void> {
  try {
    const signal = AbortSignal.timeout(2 * PATIENCE_MS);
    await until({ what, holds: async () => ((await holds()) ? true : null), withinMs: PATIENCE_MS, signal });
  } catch (cause) {
    throw new Error(`${String(cause)}\n${(await logOf(name)).slice(-4000)}`, { cause });
  }
}

/** All that a container has printed. */
export async function logOf(name: string): Promise<string> {
  const { stdout, stderr } = await ran([ENGINE, 'logs', name]);
  return `${stdout}${stderr}`;
}

/** Takes away a container, running or not, and volumes. */
export async function remove({ container, volumes = [] }: { container: string; volumes?: readonly string[] }): Promise<void> {
  await engine('rm', '-f', container);
  for (const volume of volumes) await engine('volume', 'rm', '-f', volume);
}

async function ran(command: readonly string[], timeoutMs = PATIENCE_MS): Promise<{ stdout: string; stderr: string }> {
  const [path = '', ...args] = command;
  const { code, stdout, stderr } = await runProgram({ path, args, env: process.env, cwd: ROOT, timeoutMs });
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${stderr.slice(-4000).trim()}`);
  return { stdout, stderr };
}

function words(text = ''): readonly string[] {
  return text.split(' ').filter((word) => word !== '');
}
