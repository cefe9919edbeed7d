/** One thing that is wrong with the configuration. `found` never holds the value of a secret. */
export interface Problem {
  readonly variable: string;
  readonly found: string;
  readonly expected: string;
}

/** Something that works, but that an operator should know at each start. */
export interface ConfigWarning {
  readonly variable: string;
  readonly message: string;
}

/** Longest part of a value that is shown, in characters; enough to recognise it. */
const SHOWN_LENGTH = 120;

/**
 * A value as it may be shown on a terminal: quoted, its first line, no control or direction characters, bounded. No value needs a
 * second line: where there is one, a quote was left open somewhere, and what follows are other lines of a file, with their secrets.
 */
export function shown(value: string): string {
  const [first = ''] = value.slice(0, SHOWN_LENGTH).split(/[\r\n]/, 1);
  const cut = first.length < value.length ? `${first}…` : value;
  return `"${cut.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '\uFFFD')}"`;
}

/** Every problem in one line, for the log. */
export function problemsInLine(problems: readonly Problem[]): string {
  const each = problems.map(
    ({ variable, found, expected }) => `${shown(variable).slice(1, -1)}: found ${found}; expected ${expected}`,
  );
  return `The configuration has ${countOf(problems)}: ${each.join(' | ')}`;
}

function countOf({ length }: readonly Problem[]): string {
  return length === 1 ? 'one problem' : `${length} problems`;
}

/** Every problem as lines for the terminal, in the order found. */
export function formatProblems(problems: readonly Problem[]): string {
  const lines = problems.map(
    ({ variable, found, expected }) => `  ${shown(variable).slice(1, -1)}\n    found:    ${found}\n    expected: ${expected}\n`,
  );
  return `The configuration has ${countOf(problems)}:\n\n${lines.join('\n')}`;
}
