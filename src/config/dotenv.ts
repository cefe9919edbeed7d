import { parse } from 'dotenv';
import type { Problem } from './problem.ts';
import type { Environment } from './read-environment.ts';
import { judgeName } from './variables.ts';

/** What a `.env` text says. */
export interface Dotenv {
  readonly variables: Environment;
  readonly problems: readonly Problem[];
}

/**
 * Reads a `.env` text, and tells what dotenv reads otherwise than it was meant, without a word; a scope or a protected group lost
 * that way would widen what is written. It passes over a line that it cannot read, takes the last of two lines, ends a value without
 * quotes at a `#`, where a shell and other readers of such files need a blank before it, and takes a quote that is left open for a
 * part of the value, or goes on to the next one below. What it took out of other lines is nobody's value: a secret may be in it.
 * What `environment` gives another value is not judged.
 */
export function readDotenv(text: string, environment: Environment): Dotenv {
  const read = parse(text);
  const problems: Problem[] = [];
  const lines = text.split(/\r\n|\r|\n/).flatMap(lineOfOurs);
  const lastOf = new Map(lines.filter(({ value }) => value !== null).map((line) => [line.name, line]));
  const variables: Record<string, string> = { ...read };
  for (const line of lines) {
    const { name, value, whole } = line;
    if (environment[name] !== undefined && environment[name] !== read[name]) continue;
    const isLast = lastOf.get(name) === line;
    const problem = (found: string, expected: string) => problems.push({ variable: name, found, expected });
    if (value === null || read[name] === undefined) problem('a line in the .env file that cannot be read', `${name}=value`);
    else if ((OPENING.test(value) && !QUOTED.test(value)) || (isLast && parse(whole)[name] !== read[name])) {
      problem(
        'a quote in the .env file that is not closed at the end of its line',
        'the value on one line, in quotes or without',
      );
      Reflect.deleteProperty(variables, name);
    } else if (!isLast) problem('more than one line in the .env file, of which the last alone would count', 'one line');
    else if (!QUOTED.test(value) && CUT.test(value))
      problem('a "#" in the .env file, where the value would end: what follows would be a comment', 'the value in quotes');
  }
  return { variables, problems };
}

/** A line with a variable of ours: what stands behind its "=", or null where it is none that sets a variable. */
function lineOfOurs(whole: string): readonly { name: string; value: string | null; whole: string }[] {
  const setting = SETTING.exec(whole);
  const [, name] = setting ?? NAMING.exec(whole) ?? [];
  if (name === undefined || judgeName(name).kind === 'foreign') return [];
  return [{ name, value: setting?.[2] ?? null, whole }];
}

const SETTING = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*[=:]\s*(.*)$/;
/** Such as `set LDAP_URL=…`, or a line that stands in quotes. */
const NAMING = /^[^#]*?\b((?:LATCHKEY|LDAP|SYNC)_[\w.-]*)/i;
const OPENING = /^['"`]/;
const QUOTED = /^(['"`]).*\1\s*(?:#.*)?$/;
/** A comment that is meant as one has a blank before it. */
const CUT = /(?:^|\S)#/;
