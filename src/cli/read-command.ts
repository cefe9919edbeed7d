import { parseArgs } from 'node:util';
import { COMMANDS, type CommandName, type CommandSpec } from './commands.ts';

/** The words of a command line, by the table. */
export interface CommandWords {
  readonly has: (option: string) => boolean;
  readonly value: (option: string) => string | null;
  /** The words after the name of the command. */
  readonly words: readonly string[];
}

/** What a command line means. */
export type ReadCommand =
  | { readonly kind: 'command'; readonly name: CommandName; readonly given: CommandWords }
  /** The command reads these words itself. */
  | { readonly kind: 'itself'; readonly name: CommandName; readonly argv: readonly string[] }
  /** Help was asked for; null: for the program. */
  | { readonly kind: 'help'; readonly spec: CommandSpec | null }
  | { readonly kind: 'version' }
  | { readonly kind: 'misused'; readonly spec: CommandSpec | null; readonly problem: string };

const HELP = ['--help', '-h'];

/** Reads a command line by the table; nothing is done. */
export function readCommand(argv: readonly string[]): ReadCommand {
  const [first = 'run', second] = argv;
  if (HELP.includes(first)) return { kind: 'help', spec: null };
  if (first === '--version') return { kind: 'version' };
  const found = COMMANDS.find(({ name }) => name === `${first} ${second ?? ''}`) ?? COMMANDS.find(({ name }) => name === first);
  if (found === undefined) return { kind: 'misused', spec: null, problem: unknownCommand(first, second) };
  const spec: CommandSpec = found;
  const rest = argv.slice(argv.length === 0 ? 0 : spec.name.split(' ').length);
  if (spec.readsItself === true) return { kind: 'itself', name: found.name, argv: rest };
  if (rest.some((word) => HELP.includes(word))) return { kind: 'help', spec };
  const given = readWords(spec, rest);
  if (typeof given === 'string') return { kind: 'misused', spec, problem: `"${spec.name}" ${given}, found "${rest.join(' ')}"` };
  return { kind: 'command', name: found.name, given };
}

function unknownCommand(first: string, second: string | undefined): string {
  const longer = COMMANDS.filter(({ name }) => name.startsWith(`${first} `)).map(({ name }) => name);
  if (longer.length > 0)
    return `"${first}" is followed by ${longer.map((name) => `"${name.slice(first.length + 1)}"`).join(' or ')}, found "${second ?? ''}"`;
  return `there is no command "${first}"`;
}

/** The words, or what is wrong with them. */
function readWords(spec: CommandSpec, argv: readonly string[]): CommandWords | string {
  const takes = `takes ${spelled(spec)}`;
  const bare = spec.options.find((option) => option.value !== undefined && isBare(option.name, argv));
  if (bare !== undefined) return `needs ${bare.needs ?? bare.value} after --${bare.name}`;
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: Object.fromEntries(
        spec.options.map(({ name, value }) => [
          name,
          { type: value === undefined ? 'boolean' : 'string', multiple: true } as const,
        ]),
      ),
    });
    const given = new Map<string, string | boolean>();
    for (const [name, list = []] of Object.entries(values) as [string, (string | boolean)[] | undefined][]) {
      const [only] = list;
      if (list.length !== 1 || only === undefined || (typeof only === 'string' && only.trim() === '')) return takes;
      given.set(name, only);
    }
    const least = spec.arguments.filter(({ isOptional }) => isOptional !== true).length;
    if (positionals.length < least || positionals.length > spec.arguments.length) return takes;
    for (const [i, { among, name }] of spec.arguments.entries()) {
      const word = positionals[i];
      if (word !== undefined && among !== undefined && !among.includes(word))
        return `takes as ${name} one of ${among.join(', ')}`;
    }
    return {
      has: (option) => given.has(option),
      value: (option) => {
        const value = given.get(option);
        return typeof value === 'string' ? value : null;
      },
      words: positionals,
    };
  } catch {
    return takes;
  }
}

/** Whether an option is there without the value that belongs to it. */
function isBare(name: string, argv: readonly string[]): boolean {
  return argv.some((word, at) => {
    if (word === `--${name}=`) return true;
    const next = argv[at + 1];
    return word === `--${name}` && (next === undefined || next.trim() === '' || next.startsWith('--'));
  });
}

/** All that a command takes, as one phrase. */
function spelled({ arguments: words, options }: CommandSpec): string {
  const all = [
    ...words.map(({ name, isOptional }) => (isOptional === true ? `[${name}]` : name)),
    ...options.map(({ name, value }) => `--${name}${value === undefined ? '' : ` ${value}`}`),
  ];
  return all.length === 0 ? 'no arguments' : `${all.join(', ')}, each once`;
}
