import { parse as parseDotenv } from 'dotenv';
import type { ConfigInput } from './read-environment.ts';

/** The variables of a `.env` text that the real environment gives another value, which holds. Names only: a value may be a secret. */
export function overridden({ environment, dotenvText }: Pick<ConfigInput, 'environment' | 'dotenvText'>): readonly string[] {
  if (dotenvText === null) return [];
  return Object.entries(parseDotenv(dotenvText))
    .filter(([name, value]) => environment[name] !== undefined && environment[name] !== value)
    .map(([name]) => name);
}
