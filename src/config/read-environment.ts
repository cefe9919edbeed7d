import { readFileSync } from 'node:fs';

/** The variables of a process; an undefined one is not set. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The only place that reads the environment of this process, and the `.env` file beside it. `dotenvText` is null where there
 * is no such file; one that is there and cannot be read throws the error of the file system.
 */
export function readEnvironment(dotenvPath: string): { environment: Environment; dotenvText: string | null } {
  return { environment: { ...process.env }, dotenvText: readIfThere(dotenvPath) };
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
