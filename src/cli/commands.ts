/** One flag of a command. It may be given once. */
export interface OptionSpec {
  readonly name: string;
  /** What its value is called; left out where it has none. */
  readonly value?: string;
  /** What that is, where its name does not say enough to who has left it out. */
  readonly needs?: string;
  readonly about: string;
}

/** One word that a command takes after its name. */
export interface ArgumentSpec {
  readonly name: string;
  readonly isOptional?: true;
  /** All that it may be; anything where this is left out. */
  readonly among?: readonly string[];
  readonly about: string;
}

/** One command, as help, man page, completions and README tell it and as its words are read. */
export interface CommandSpec {
  /** One word, or two. */
  readonly name: string;
  readonly about: string;
  /** Whole paragraphs. */
  readonly details: readonly string[];
  /** As it is typed after "latchkey", and what that does. */
  readonly examples: readonly (readonly [typed: string, does: string])[];
  readonly arguments: readonly ArgumentSpec[];
  readonly options: readonly OptionSpec[];
  /** It reads its own words, `--help` too. */
  readonly readsItself?: true;
}

const JSON_OPTION: OptionSpec = { name: 'json', about: 'for machines' };
const YES: OptionSpec = { name: 'yes', about: 'do not ask; without a terminal it is required' };
const BY_ITSELF =
  'It works with the control plane unreachable: through the running connector, by its socket in the state directory, or by itself where none runs.';

/** Every command there is: the one source of --help, the man page, the completions and the table in the README. */
export const COMMANDS = [
  {
    name: 'run',
    about: 'run the connector; so does no command at all',
    details: [
      'Runs until SIGTERM or SIGINT: then it takes no more jobs, finishes those begun and ends with 0 if all of that was done within LATCHKEY_SHUTDOWN_GRACE, with 1 if not. A second signal ends it at once.',
      'SIGHUP lets it read its files again (.env, secrets, certificates, keys, policy): all or nothing, and what it had is kept where one of them is bad.',
    ],
    examples: [['run', 'as a service does, with what the environment says']],
    arguments: [],
    options: [],
  },
  {
    name: 'check',
    about: 'test directory, control plane and state directory, step by step',
    details: ['One line a step, with the cause and what to do. Ends with 1 if any step failed. Changes nothing.'],
    examples: [
      ['check', 'before the first start, and where something is wrong'],
      ['check --login ada', 'whether the directory takes the password of ada'],
      ['check --json', 'the same for a pipeline'],
    ],
    arguments: [],
    options: [
      { name: 'login', value: 'USER', about: "also a user's password, asked for on the terminal and tried once" },
      JSON_OPTION,
    ],
  },
  {
    name: 'health',
    about: 'ask the running connector whether it can do its work',
    details: [
      'By its socket in the state directory, so that no port need be open. Ends with 0 if every part is ready, as /readyz says it; with 1 and what is not ready; with 69 where no connector runs. A connector that is not ready still ends what is due.',
    ],
    examples: [['health', 'as the HEALTHCHECK of an image does']],
    arguments: [],
    options: [],
  },
  {
    name: 'sync',
    about: 'tell the control plane what has changed in the directory, or read it here',
    details: [
      'Lets the running connector tell the control plane. With --dry-run or --out the directory is read here: it changes nothing and needs no control plane, not even in the configuration.',
      '--out replaces FILE once everything is in it, and leaves it as it is where the directory cannot be read whole. It writes everything, with --dry-run what a sync would tell; what is logged goes to standard error.',
    ],
    examples: [
      ['sync', 'what has changed, now'],
      ['sync --full', 'everything, now'],
      ['sync --dry-run', 'what would be told'],
      ['sync --out all.ndjson', 'every user, group and member into a file'],
    ],
    arguments: [],
    options: [
      { name: 'full', about: 'everything, not only what has changed' },
      { name: 'dry-run', about: 'only say what would be told' },
      { name: 'out', value: 'FILE', about: 'write the records as JSON lines' },
      {
        name: 'accept-removals',
        value: 'ID',
        needs: 'the ID that "latchkey check" names',
        about: 'accept the removals of the sync of that id, which were held',
      },
    ],
  },
  {
    name: 'grants',
    about: 'list the grants that have not ended',
    details: [
      'One line a grant: its id, its state, the user, the group and its end; of one that is ending, why it has not ended yet.',
      BY_ITSELF,
    ],
    examples: [
      ['grants', 'what there is now'],
      ['grants --all --json', 'what was, too, for a script'],
    ],
    arguments: [],
    options: [{ name: 'all', about: 'also those that have ended, as long as they are kept' }, JSON_OPTION],
  },
  {
    name: 'grants show',
    about: 'tell the story of one grant',
    details: ['Who asked, why, what was found, what was done, when and on which server, from the audit trail.', BY_ITSELF],
    examples: [['grants show grant-42', 'who asked, why, what was found and done, and when']],
    arguments: [{ name: 'ID', about: 'the id of the grant' }],
    options: [JSON_OPTION],
  },
  {
    name: 'revoke',
    about: 'end grants now',
    details: [
      'Names one grant by its id, or with --user or --group all that a user or a group has, or with --all every one. A user is named by DN, stable id, user name or e-mail address, a group by DN, stable id or name; what could mean several is refused, with what was found.',
      'Says how many grants it is about and asks once. What is accepted is in the ledger: it is ended whatever happens to this command or to the connector. Then it waits and tells of each grant how it ended, or why it has not yet. Ends with 1 if any is left.',
      `${BY_ITSELF} What it has to tell the control plane is kept for the next connection.`,
    ],
    examples: [
      ['revoke grant-42', 'one grant'],
      ["revoke --user ada@example.com --reason 'left the company'", 'all that ada has'],
      ['revoke --all --yes', 'everything, without a question'],
    ],
    arguments: [{ name: 'ID', isOptional: true, about: 'the id of a grant' }],
    options: [
      { name: 'user', value: 'USER', about: 'every grant of that user' },
      { name: 'group', value: 'GROUP', about: 'every grant of that group' },
      { name: 'all', about: 'every grant' },
      { name: 'reason', value: 'TEXT', about: 'why, for the audit trail' },
      { name: 'wait', value: 'SECONDS', about: 'how long it waits while none ends; 30 where it is not said' },
      YES,
    ],
  },
  {
    name: 'adopt',
    about: 'decide whose a membership is that nobody knows since the ledger was restored',
    details: [
      'Says that the membership of this grant is ours, so that it leaves the group with its last grant. With --standing it was there before us, and stays.',
      'Only for a grant whose standing is unknown ("ownership_unknown"); of any other the ledger knows it.',
      BY_ITSELF,
    ],
    examples: [
      ['adopt grant-42', 'it is ours, and ends with its grant'],
      ['adopt grant-42 --standing', 'it was there before, and stays'],
    ],
    arguments: [{ name: 'ID', about: 'the id of the grant' }],
    options: [{ name: 'standing', about: 'it was there before us' }, YES],
  },
  {
    name: 'pause',
    about: 'make no new grants until "resume"; endings go on',
    details: [
      'New grants and extensions are refused as "paused", those that wait for the directory too. Endings and revokes go on. It holds across restarts.',
      BY_ITSELF,
    ],
    examples: [["pause --reason 'change freeze'", 'until resume']],
    arguments: [],
    options: [{ name: 'reason', value: 'TEXT', about: 'why, for the audit trail' }, YES],
  },
  {
    name: 'resume',
    about: 'make new grants again after "pause"',
    details: [BY_ITSELF],
    examples: [['resume', 'new grants are made again']],
    arguments: [],
    options: [{ name: 'reason', value: 'TEXT', about: 'why, for the audit trail' }, YES],
  },
  {
    name: 'clock accept',
    about: 'believe the clock of this machine again, after it had been ahead',
    details: [
      'The time that the ledger trusts never runs backwards. Where it is more than 5 minutes ahead of the clock of the machine, new grants are refused as "clock_untrusted"; this command sets it to that clock. Correct the clock first.',
      BY_ITSELF,
    ],
    examples: [['clock accept', 'once the clock of the machine is right']],
    arguments: [],
    options: [YES],
  },
  {
    name: 'policy explain',
    about: 'tell what would become of a grant, and which rule decides',
    details: [
      'Nothing is asked for, stored or changed: it goes through the steps of a job that came now, by the same rules in the same order, and tells the outcome or the error, the rule that decides, and every rule that binds such a grant. A user is named by DN, stable id, user name or e-mail address, a group by DN, stable id or name.',
      'Ends with 0 if it would be granted, with 1 if not. docs/policy.md tells each rule.',
      BY_ITSELF,
    ],
    arguments: [],
    options: [
      { name: 'user', value: 'USER', about: 'who would get the membership' },
      { name: 'group', value: 'GROUP', about: 'of which group' },
      { name: 'for', value: 'DURATION', about: 'for how long, such as 15m, 8h or 7d' },
      { name: 'requested-by', value: 'TEXT', about: 'who asks, as the job would say it' },
      JSON_OPTION,
    ],
    examples: [
      ['policy explain --user ada@example.com --group db-admins --for 8h', 'whether that would be granted, and why not'],
    ],
  },
  {
    name: 'audit verify',
    about: 'verify the audit trail: find any edit, insertion, removal and reordering',
    details: [
      'Reads the ledger in the state directory, also while the connector runs, or FILE, such as a backup. Changes nothing. Says the first record that is wrong, what was expected and what was found, and ends with 1.',
      'That the whole ledger was put back or written anew shows only against checkpoints that are kept elsewhere: the connector logs one each minute in which the trail grew ("audit.checkpoint"), and tells it to the control plane.',
    ],
    examples: [
      ['audit verify', 'the trail of the running connector'],
      ['audit verify ledger.db --checkpoints connector.log', 'a copy, against checkpoints that were kept'],
    ],
    arguments: [{ name: 'FILE', isOptional: true, about: "a ledger's file; the one in LATCHKEY_STATE_DIR where it is left out" }],
    options: [
      { name: 'checkpoint', value: 'COUNT:HASH', about: 'a checkpoint that the trail must agree with' },
      { name: 'checkpoints', value: 'FILE', about: 'all those in a file of log lines or events; "-" is standard input' },
      JSON_OPTION,
    ],
  },
  {
    name: 'audit export',
    about: 'write out the audit trail',
    details: [
      'One record a line, oldest first, on standard output. ndjson has each record as it was hashed; csv is for spreadsheets: a cell that begins like a formula has an apostrophe before it.',
    ],
    examples: [
      ['audit export --since 7d --format csv', 'the last week, for a table'],
      ['audit export --grant grant-42', 'all that happened to one grant'],
    ],
    arguments: [{ name: 'FILE', isOptional: true, about: "a ledger's file; the one in LATCHKEY_STATE_DIR where it is left out" }],
    options: [
      { name: 'since', value: 'TIME', about: 'only records since 2026-01-31T12:00:00Z, or of the last 8h or 7d' },
      { name: 'grant', value: 'ID', about: 'only records of that grant' },
      { name: 'format', value: 'FORMAT', about: 'ndjson (where it is left out) or csv' },
    ],
  },
  {
    name: 'acl',
    about: "print the least rights that the connector's account needs",
    details: [
      'In the language of the directory server, for the configured scopes. Nothing is changed, and no control plane need be configured.',
    ],
    examples: [['acl', "for the configured scopes, in the server's own language"]],
    arguments: [],
    options: [],
  },
  {
    name: 'control-plane',
    about: 'run a control-plane stub for development',
    details: ['"latchkey control-plane --help" tells its flags.'],
    examples: [['control-plane --listen 127.0.0.1:8790', 'on loopback, with a token that it makes']],
    arguments: [],
    options: [],
    readsItself: true,
  },
  {
    name: 'completion',
    about: 'print the completions of a shell',
    details: ['For bash: source <(latchkey completion bash). For zsh and fish, write it where they look for completions.'],
    examples: [['completion bash', 'for ~/.bash_completion']],
    arguments: [{ name: 'SHELL', among: ['bash', 'zsh', 'fish'], about: 'bash, zsh or fish' }],
    options: [],
  },
] as const satisfies readonly CommandSpec[];

export type CommandName = (typeof COMMANDS)[number]['name'];

/** What the exit codes mean (CONFIGURATION, Commands); those from 64 on are of sysexits(3). */
export const EXIT_CODES: readonly (readonly [string, string])[] = [
  ['0', 'done'],
  ['1', 'a step failed, something is left, or a stop was not drained'],
  ['64', 'the command line was wrong, or a question could not be asked'],
  ['69', 'something that is needed is not there'],
  ['70', 'an error that nobody expected'],
  ['78', 'the configuration is wrong'],
  ['128 + n', 'ended by signal n'],
];
