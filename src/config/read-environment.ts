import { readFileSync } from 'node:fs';

/** The variables of a process; an undefined one is not set. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What a configuration is made of. `dotenvText` is null where there is no `.env` file, `dotenvFault` where it could be read. */
export interface ConfigInput {
  readonly environment: Environment;
  readonly dotenvText: string | null;
  readonly dotenvFault: string | null;
}

/** The only place that reads the environment of this process, and the `.env` file beside it. Never throws. */
export function readEnvironment(dotenvPath: string): ConfigInput {
  const environment = { ...process.env };
  try {
    return { environment, dotenvText: readFileSync(dotenvPath, 'utf8'), dotenvFault: null };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    return { environment, dotenvText: null, dotenvFault: code === 'ENOENT' ? null : code };
  }
}
