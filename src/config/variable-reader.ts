import { type Problem, shown } from './problem.ts';
import type { Environment } from './read-environment.ts';
import type { Value } from './values.ts';
import type { Variable } from './variables.ts';

/** Reads variables one by one and keeps every problem met on the way. */
export interface VariableReader {
  /** The value; undefined where the variable is not set or wrong. A wrong one becomes a problem. */
  optional<T>(variable: Variable, value: Value<T>): T | undefined;
  /** As `optional`, but a variable that is not set is a problem too. */
  required<T>(variable: Variable, value: Value<T>): T | undefined;
  /** As `optional`, for a secret: neither it nor anything about it is ever shown. */
  secret(variable: Variable, value: Value<string>): string | undefined;
  isSet(variable: string): boolean;
  problem(problem: Problem): void;
  readonly problems: readonly Problem[];
}

/** Said in place of a text that holds a secret. */
const HIDDEN = { found: 'the value of a secret (not shown)', expected: 'another value' } as const;

/** `secrets` are variables whose value must not show up in a problem, wherever else it was put by mistake. */
export function variableReader(environment: Environment, secrets: readonly Variable[]): VariableReader {
  const problems: Problem[] = [];
  const secretValues = secrets.map((name) => environment[name] ?? '').filter((text) => text.trim().length >= 4);
  const holdsSecret = (text: string) => secretValues.some((secret) => text.includes(secret));
  const tell = (problem: Problem) => {
    problems.push(holdsSecret(`${problem.found}\n${problem.expected}`) ? { ...problem, ...HIDDEN } : problem);
  };
  const isSet = (variable: string) => environment[variable] !== undefined;

  const read = <T>(variable: Variable, value: Value<T>, showing: boolean): T | undefined => {
    const text = environment[variable];
    if (text === undefined) return undefined;
    const result = value.schema.safeParse(text);
    if (result.success) return result.data;
    const detail = result.error.issues[0]?.message ?? '';
    tell({ variable, found: showing ? found(text, detail) : 'something else (not shown)', expected: value.expected });
    return undefined;
  };

  const found = (text: string, detail: string): string => {
    if (text === '') return 'an empty value';
    if (holdsSecret(text)) return HIDDEN.found;
    // A file's problem says by itself what may be shown of the path; what stands before "@" or behind "?" may be a credential.
    if (detail.includes('(not shown')) return detail;
    if (/:\/\/.*[@?#]/s.test(text)) return detail === '' ? 'a URL (not shown)' : `${detail} (not shown)`;
    return detail === '' ? shown(text) : `${shown(text)}: ${shown(detail).slice(1, -1)}`;
  };

  return {
    optional: (variable, value) => read(variable, value, true),
    required: (variable, value) => {
      if (!isSet(variable)) tell({ variable, found: 'not set', expected: value.expected });
      return read(variable, value, true);
    },
    secret: (variable, value) => read(variable, value, false),
    isSet,
    problem: tell,
    problems,
  };
}
