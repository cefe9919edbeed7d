import { type CommandSpec, EXIT_CODES } from '../src/cli/commands.ts';
import { capital, flagOf, usageOf } from '../src/cli/help.ts';

/** The man page of the program (man(7) macros), made of the table of commands. */
export function manPage(commands: readonly CommandSpec[]): string {
  return `${[
    '.\\" Generated from the table of commands; not to be edited.',
    '.TH LATCHKEY 1',
    '.SH NAME',
    'latchkey \\- just-in-time access through LDAP groups',
    '.SH SYNOPSIS',
    '.B latchkey',
    '[\\fICOMMAND\\fR] [\\fIOPTIONS\\fR]',
    '.SH DESCRIPTION',
    plain(
      'Makes users members of LDAP groups for a time, as a control plane asks, and takes them out on time, with or without it. Without a command it runs the connector.',
    ),
    '.SH COMMANDS',
    ...commands.flatMap(commandLines),
    '.SH EXIT STATUS',
    ...EXIT_CODES.flatMap(([code, means]) => ['.TP', `.B ${plain(code)}`, plain(capital(means))]),
    '.SH ENVIRONMENT',
    plain('Configuration is environment variables, or a .env file in the working directory. docs/configuration.md lists them.'),
    '.SH FILES',
    '.TP',
    '.B LATCHKEY_STATE_DIR/ledger.db',
    plain('The durable record of grants, with its audit trail.'),
    '.TP',
    '.B LATCHKEY_STATE_DIR/operator.sock',
    plain('By which commands on this machine ask the running connector; its owner alone may.'),
    '.SH SIGNALS',
    '.TP',
    '.B SIGTERM, SIGINT',
    plain('Finish what was begun and end; a second one ends at once.'),
    '.TP',
    '.B SIGHUP',
    plain('Read files again (.env, secrets, certificates): all or nothing.'),
  ].join('\n')}\n`;
}

function commandLines(spec: CommandSpec): readonly string[] {
  return [
    '.SS',
    plain(usageOf(spec)),
    plain(capital(spec.about)),
    ...spec.details.flatMap((paragraph) => ['.PP', plain(paragraph)]),
    ...spec.arguments.flatMap(({ name, about }) => ['.TP', `.I ${plain(name)}`, plain(capital(about))]),
    ...spec.options.flatMap((option) => ['.TP', `.B ${plain(flagOf(option))}`, plain(capital(option.about))]),
    ...spec.examples.flatMap(([typed, does]) => ['.TP', `.B ${plain(`latchkey ${typed}`)}`, plain(capital(`example: ${does}`))]),
  ];
}

/** Text in which nothing is a request or an escape (groff_man(7)). */
function plain(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/, '\\&');
}
