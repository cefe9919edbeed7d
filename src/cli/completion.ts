import { COMMANDS, type CommandSpec } from './commands.ts';
import { EXIT } from './exit-code.ts';
import type { CommandWords } from './read-command.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

const WRITERS: Record<Shell, (commands: readonly CommandSpec[]) => string> = { bash, zsh, fish };

/** `latchkey completion SHELL`. */
export async function printCompletion(given: CommandWords): Promise<number> {
  const shell = SHELLS.find((one) => one === given.words[0]);
  if (shell === undefined) return EXIT.usage;
  process.stdout.write(completionOf(shell));
  return EXIT.ok;
}

/** The completions of a shell, made of the table of commands. */
export function completionOf(shell: Shell, commands: readonly CommandSpec[] = COMMANDS): string {
  return WRITERS[shell](commands);
}

/** What may follow the words of a command: each line of a table `words of the command → what may come`. */
function following(commands: readonly CommandSpec[]): readonly (readonly [string, readonly string[]])[] {
  const table = new Map<string, string[]>([
    ['', [...new Set(commands.map(({ name }) => firstWord(name))), '--help', '--version']],
  ]);
  for (const { name } of commands) {
    const [first = '', second] = name.split(' ');
    if (second !== undefined) table.set(first, [...(table.get(first) ?? []), second]);
  }
  for (const { name, options, arguments: words } of commands) {
    const flags = options.map((option) => `--${option.name}`);
    const among = words.flatMap((word) => word.among ?? []);
    table.set(name, [...(table.get(name) ?? []), ...among, ...flags, '--help']);
  }
  return [...table];
}

function firstWord(name: string): string {
  return name.split(' ')[0] ?? name;
}

/** Flags with a value: those that name a file, and the others, which nothing completes. */
function valued(commands: readonly CommandSpec[]): { readonly files: string; readonly others: string } {
  const flags = commands.flatMap(({ options }) => options.filter(({ value }) => value !== undefined));
  const named = (isFile: boolean): string =>
    [...new Set(flags.filter(({ value }) => (value === 'FILE') === isFile).map(({ name }) => `--${name}`))].join('|');
  return { files: named(true), others: named(false) };
}

/** Finds in `command` the words of the command so far. */
function findCommand(commands: readonly CommandSpec[], words: string): string {
  return `for word in ${words}; do
    case "$word" in
      -*) ;;
      *) case "$command" in
        '') command="$word" ;;
        ${twoWords(commands).join('|')}) command="$command $word" ;;
      esac ;;
    esac
  done`;
}

function bash(commands: readonly CommandSpec[]): string {
  const cases = following(commands).map(([words, next]) => `    '${words}') next='${next.join(' ')}' ;;`);
  const { files, others } = valued(commands);
  return `# bash completion of latchkey; generated from its table of commands
_latchkey() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" command='' word next='--help'
  COMPREPLY=()
  case "$previous" in
    ${files}) COMPREPLY=($(compgen -f -- "$current")); return ;;
    ${others}) return ;;
  esac
  ${findCommand(commands, '"${COMP_WORDS[@]:1:COMP_CWORD-1}"')}
  case "$command" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$next" -- "$current"))
}
complete -F _latchkey latchkey
`;
}

/** First words that another word may follow. */
function twoWords(commands: readonly CommandSpec[]): readonly string[] {
  return [...new Set(commands.flatMap(({ name }) => (name.includes(' ') ? [firstWord(name)] : [])))];
}

function zsh(commands: readonly CommandSpec[]): string {
  const cases = following(commands).map(([words, next]) => `    '${words}') next=(${next.join(' ')}) ;;`);
  const { files, others } = valued(commands);
  return `#compdef latchkey
# zsh completion of latchkey; generated from its table of commands
_latchkey() {
  local command='' word
  local -a next=(--help)
  case "\${words[CURRENT-1]}" in
    ${files}) _files; return ;;
    ${others}) return ;;
  esac
  ${findCommand(commands, '"${(@)words[2,CURRENT-1]}"')}
  case "$command" in
${cases.join('\n')}
  esac
  compadd -- "\${next[@]}"
}
if [ "\${funcstack[1]}" = _latchkey ]; then _latchkey "$@"; else compdef _latchkey latchkey; fi
`;
}

function fish(commands: readonly CommandSpec[]): string {
  const lines = ['# fish completion of latchkey; generated from its table of commands', 'complete -c latchkey -f'];
  const tops = new Map(commands.filter(({ name }) => !name.includes(' ')).map(({ name, about }) => [name, about]));
  for (const first of twoWords(commands)) if (!tops.has(first)) tops.set(first, '');
  for (const [name, about] of tops)
    lines.push(`complete -c latchkey -n __fish_use_subcommand -a ${name}${about === '' ? '' : ` -d ${quoted(about)}`}`);
  for (const { name, about, options, arguments: words } of commands) {
    const [first = '', second] = name.split(' ');
    const inFirst = `'__fish_seen_subcommand_from ${first}'`;
    if (second !== undefined) lines.push(`complete -c latchkey -n ${inFirst} -a ${second} -d ${quoted(about)}`);
    for (const word of words.flatMap(({ among = [] }) => among)) lines.push(`complete -c latchkey -n ${inFirst} -a ${word}`);
    const place =
      second === undefined ? inFirst : `'__fish_seen_subcommand_from ${first}; and __fish_seen_subcommand_from ${second}'`;
    for (const option of options)
      lines.push(
        `complete -c latchkey -n ${place} -l ${option.name}${option.value === undefined ? '' : ' -r'}${option.value === 'FILE' ? ' -F' : ''} -d ${quoted(option.about)}`,
      );
  }
  lines.push(
    "complete -c latchkey -l help -d 'all about a command'",
    "complete -c latchkey -n __fish_use_subcommand -l version -d 'which version this is'",
  );
  return `${lines.join('\n')}\n`;
}

/** As one word of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
