import type { Parsed } from '../access/brand.ts';
import { type Problem, shown } from './problem.ts';
import type { Environment } from './read-environment.ts';
import type { VariableRow } from './variables/row.ts';
import { SECRETS, VARIABLES, type ValueOf, type Variable, type VariableWithDefault } from './variables.ts';

/** Reads variables one by one, as their rows in the table say, and keeps every problem met on the way. */
export interface VariableReader {
  /** The value; undefined where the variable is not set or wrong. A wrong one becomes a problem; of a secret nothing is shown. */
  optional<V extends Variable>(variable: V): ValueOf<V> | undefined;
  /** As `optional`, but a variable that is not set is a problem too. */
  required<V extends Variable>(variable: V): ValueOf<V> | undefined;
  /** As `optional`, but the default where the variable is not set or wrong. */
  orDefault<V extends VariableWithDefault>(variable: V): ValueOf<V>;
  isSet(variable: string): boolean;
  /** As it stands in the environment, also where it is none of ours. */
  text(variable: string): string | undefined;
  problem(problem: Problem): void;
  readonly problems: readonly Problem[];
}

/** Said in place of a text that holds a secret. */
const HIDDEN = { found: 'the value of a secret (not shown)', expected: 'another value' } as const;

/** The value of a secret does not show up in a problem, wherever else it was put by mistake. */
export function variableReader(environment: Environment): VariableReader {
  const problems: Problem[] = [];
  const secretValues = SECRETS.map((name) => environment[name] ?? '').filter((text) => text.trim().length >= 4);
  const holdsSecret = (text: string) => secretValues.some((secret) => text.includes(secret));
  // The first says most: what could not be resolved or was cut off is no good value either. Places in a file are told each.
  const isTold = (variable: string) => !variable.includes('#') && problems.some((told) => told.variable === variable);
  const tell = (problem: Problem) => {
    if (isTold(problem.variable)) return;
    problems.push(holdsSecret(`${problem.found}\n${problem.expected}`) ? { ...problem, ...HIDDEN } : problem);
  };
  const isSet = (variable: string) => environment[variable] !== undefined;

  const read = <V extends Variable>(variable: V): ValueOf<V> | undefined => {
    const text = environment[variable];
    if (text === undefined) return undefined;
    const { value, secret } = VARIABLES[variable];
    const result = value.read(text);
    if (result.ok) return result.value;
    const told = secret === true ? hidden(result.problem) : found(text, result.problem);
    tell({ variable, found: told, expected: value.expected });
    return undefined;
  };

  /** A problem that says itself that it shows nothing of the text may be told of a secret, too. */
  const hidden = (detail: string): string => (detail.includes('(not shown)') ? detail : 'something else (not shown)');

  const found = (text: string, detail: string): string => {
    if (text === '') return 'an empty value';
    if (holdsSecret(text)) return HIDDEN.found;
    // A file's problem says by itself what may be shown of the path; what stands before "@" or behind "?" may be a credential.
    if (detail.includes('(not shown')) return detail;
    if (/:\/\/.*[@?#]/s.test(text)) return detail === '' ? 'a URL (not shown)' : `${detail} (not shown)`;
    if (SEVERAL_LINES.test(text)) return `${shown(text)}: more than one line`;
    return detail === '' ? shown(text) : `${shown(text)}: ${shown(detail).slice(1, -1)}`;
  };

  return {
    optional: read,
    required: (variable) => {
      if (!isSet(variable)) tell({ variable, found: 'not set', expected: VARIABLES[variable].value.expected });
      return read(variable);
    },
    // `null` is a value too: that of a schedule that is off.
    orDefault: (variable) => {
      const value = read(variable);
      return value === undefined ? defaultOf(variable) : value;
    },
    isSet,
    text: (variable) => environment[variable],
    problem: tell,
    problems,
  };
}

/** Only the first is shown; what is wrong may stand in another. */
const SEVERAL_LINES = /[\r\n]./s;

/** Read once. */
const DEFAULTS: ReadonlyMap<string, unknown> = new Map(
  Object.entries<VariableRow<unknown>>(VARIABLES)
    .filter(([, row]) => row.default !== undefined)
    .map(([variable, { value, default: text = '' }]) => [variable, trusted(variable, value.read(text))]),
);

/** Throws for a default that its own row does not take, a fault of the table. */
function trusted(variable: string, read: Parsed<unknown>): unknown {
  if (read.ok) return read.value;
  throw new Error(`the default of ${variable}: ${read.problem}`);
}

/** What holds where a variable is not set. */
export function defaultOf<V extends VariableWithDefault>(variable: V): ValueOf<V> {
  return DEFAULTS.get(variable) as ValueOf<V>;
}
