import { type CommandSpec, EXIT_CODES, type OptionSpec } from './commands.ts';

/** Where a line of help is broken. */
const WIDTH = 100;
const INDENT = '  ';

/** What is typed: the command with everything that it takes. */
export function usageOf({ name, arguments: words, options }: CommandSpec): string {
  const shownWords = words.map((word) => (word.isOptional === true ? `[${word.name}]` : word.name));
  const shownOptions = options.map((option) => `[${flagOf(option)}]`);
  return ['latchkey', name, ...shownWords, ...shownOptions].join(' ');
}

/** A flag as it is typed. */
export function flagOf({ name, value }: OptionSpec): string {
  return value === undefined ? `--${name}` : `--${name} ${value}`;
}

/** `latchkey --help`. */
export function programHelp(commands: readonly CommandSpec[]): string {
  const rows = commands.map(({ name, about }) => [name, about] as const);
  return [
    'latchkey — just-in-time access through LDAP groups',
    '',
    table(rows.map(([name, about]) => [`latchkey ${name}`, about])),
    table([
      ['latchkey COMMAND --help', 'all about one command'],
      ['latchkey --version', ''],
    ]),
    'Configuration is environment variables, or a .env file here; docs/configuration.md lists all of them.',
    'From a checkout, "npm start" runs the connector and "npm start -- check" any other command.',
    '',
  ].join('\n');
}

/** `latchkey COMMAND --help`. */
export function commandHelp(spec: CommandSpec): string {
  const { arguments: words, options, about, details, examples } = spec;
  const rows = [
    ...words.map((word) => [word.name, word.about] as const),
    ...options.map((option) => [flagOf(option), option.about] as const),
  ];
  return [
    wrapped(`usage: ${usageOf(spec)}`, '       '),
    '',
    capital(about),
    '',
    ...details.flatMap((paragraph) => [wrapped(paragraph, ''), '']),
    ...(rows.length === 0 ? [] : [table(rows)]),
    table(examples.map(([typed, does]) => [`latchkey ${typed}`, does])),
    `Exit codes: ${EXIT_CODES.map(([code, means]) => `${code} ${means}`).join('; ')}.`
      .replace(/(.{1,100})(?: |$)/g, '$1\n')
      .trimEnd(),
    '',
  ].join('\n');
}

/** A sentence made of a phrase. */
export function capital(phrase: string): string {
  return `${phrase.charAt(0).toUpperCase()}${phrase.slice(1)}.`;
}

function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows
    .map(([left, right]) => wrapped(`${INDENT}${left.padEnd(width)}  ${right}`.trimEnd(), ' '.repeat(width + INDENT.length + 2)))
    .join('\n')
    .concat('\n');
}

/** Broken at spaces; what goes on begins with the indent. */
function wrapped(text: string, indent: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/(?<=\S) (?=\S)/)) {
    if (line !== '' && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = `${indent}${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\n');
}
