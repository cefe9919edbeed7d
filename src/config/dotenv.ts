import { parse } from 'dotenv';
import type { Problem } from './problem.ts';
import type { Environment } from './read-environment.ts';
import { judgeName, SECRETS } from './variables.ts';

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
 * Between quotes it knows no escape but \n and \r, and takes a "\" at the end of a line for a part of the value.
 * What `environment` gives another value is not judged.
 */
export function readDotenv(text: string, environment: Environment): Dotenv {
  const read = parse(text);
  const problems: Problem[] = [];
  if (NO_UTF_8.test(text))
    problems.push({ variable: '.env', found: 'a file that is not written in UTF-8', expected: 'a file in UTF-8' });
  const lines = text.split(/\r\n|\r|\n/).flatMap(lineOfOurs);
  const lastOf = new Map(lines.filter(({ value }) => value !== null).map((line) => [line.name, line]));
  const variables: Record<string, string> = { ...read };
  for (const line of lines) {
    const { name, value, whole } = line;
    if (environment[name] !== undefined && environment[name] !== read[name]) continue;
    const isLast = lastOf.get(name) === line;
    const problem = (found: string, expected: string) => problems.push({ variable: name, found, expected });
    const nobodys = (found: string, expected: string) => {
      problem(found, expected);
      Reflect.deleteProperty(variables, name);
    };
    if (value === null || read[name] === undefined) problem('a line in the .env file that cannot be read', `${name}=value`);
    else if ((OPENING.test(value) && !QUOTED.test(value)) || (isLast && parse(whole)[name] !== read[name]))
      nobodys(
        'a quote in the .env file that is not closed at the end of its line',
        'the value on one line, in quotes or without',
      );
    else if (ANOTHER.test(value))
      nobodys('another variable on its line in the .env file', 'a line for each variable, or the value in quotes');
    else if (!isLast) problem('more than one line in the .env file, of which the last alone would count', 'one line');
    else if (!QUOTED.test(value) && CUT.test(value))
      problem('a "#" in the .env file, where the value would end: what follows would be a comment', 'the value in quotes');
    else if (!OPENING.test(value) && CONTINUED.test(value))
      problem(
        'a "\\" at the end of a line in the .env file, where the value ends',
        'the value on one line, in quotes if it ends so',
      );
    else if (OPENING.test(value) && !IN_ONE_PAIR.test(value))
      problem('a value in the .env file with the same quote inside as around it', 'the value in quotes of another kind');
    else if (LINE_BREAK.test(value) && !SECRETS.includes(name))
      problem('a \\n or \\r in double quotes in the .env file, which is a line break there', 'the value in single quotes');
  }
  return { variables, problems };
}

interface LineOfOurs {
  readonly name: string;
  /** What stands behind the "="; null where the line does not set the variable. */
  readonly value: string | null;
  readonly whole: string;
}

/** The variables of ours that a line sets, or names where it should. */
function lineOfOurs(whole: string): readonly LineOfOurs[] {
  const setting = SETTING.exec(whole);
  const [, name] = setting ?? NAMING.exec(whole) ?? [];
  const [, another] = setting === null ? [] : (ANOTHER.exec(setting[2] ?? '') ?? []);
  const found = [
    { name, value: setting?.[2] ?? null },
    { name: another, value: null },
  ];
  return found.flatMap((one) =>
    one.name === undefined || judgeName(one.name).kind === 'foreign' ? [] : [{ ...one, name: one.name, whole }],
  );
}

const SETTING = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*[=:]\s*(.*)$/;
/** Such as `set LDAP_URL=…`, or a line that stands in quotes. */
const NAMING = /^[^#]*?\b((?:LATCHKEY|LDAP|SYNC)_[\w.-]*)/i;
const OPENING = /^['"`]/;
const QUOTED = /^(['"`]).*\1\s*(?:#.*)?$/;
/** A comment that is meant as one has a blank before it; what is in it does not matter. */
const CUT = /^(?:[^#]*[^\s#])?#/;
/** A second one on the line, such as `export A=… LDAP_URL=…`, or where a line break is lost: a part of the value of the first. */
const ANOTHER = /^(?!['"`#])(?:[^#]*?\W)?((?:LATCHKEY|LDAP|SYNC)_\w+)=/i;
const CONTINUED = /\\\s*$/;
const IN_ONE_PAIR = /^(?:'[^']*'|"[^"]*"|`[^`]*`)\s*(?:#.*)?$/;
const LINE_BREAK = /^"[^"]*\\[nr]/;
/** What is left of other bytes, but in a comment; a file in UTF-16 has a NUL in each character of ours. */
const NO_UTF_8 = /\0|^(?![\t ]*#).*\uFFFD/m;
