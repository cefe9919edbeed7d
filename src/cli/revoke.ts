import type { GrantChoice, OperatorNews, ShownGrant } from '../access/operator.ts';
import { type Configured, configured } from './configured.ts';
import { confirm } from './confirm.ts';
import { EXIT } from './exit-code.ts';
import { readGrantId } from './grant-id.ts';
import { interrupted } from './interrupt.ts';
import { asker, type DoneBy, operate, undone } from './operate.ts';
import { countdown } from './progress.ts';
import type { CommandWords } from './read-command.ts';
import { said } from './said.ts';
import { howEnded, whoAndWhat } from './shown-grants.ts';

/** How many grants and groups are shown before it is asked. */
const SHOWN = 10;
const WAIT_SECONDS = 30;
const MOST_SECONDS = 86_400;
/** 128 and the number of SIGINT, which is what Ctrl-C means. */
const INTERRUPTED = 130;

/** `latchkey revoke`. */
export async function revoke(given: CommandWords): Promise<number> {
  const choice = readChoice(given);
  if (choice === null) return EXIT.usage;
  const seconds = Number(given.value('wait') ?? WAIT_SECONDS);
  if (!Number.isInteger(seconds) || seconds < 0 || seconds > MOST_SECONDS)
    return said(`--wait takes whole seconds up to ${MOST_SECONDS}, found "${given.value('wait') ?? ''}"`, EXIT.usage);
  const known = configured({ logs: 'stderr', isQuiet: true });
  if (known === null) return EXIT.configuration;
  const signal = interrupted();

  const meant: ShownGrant[] = [];
  const chosen = await operate(
    known,
    { request: { request: 'choose', choice }, tell: (news) => void (news.answer === 'grant' && meant.push(news.grant)) },
    signal,
  );
  if (!chosen.ok) return undone(chosen);
  if (chosen.result.answer !== 'chosen') return undone(chosen.result);
  const open = meant.filter(({ state }) => state !== 'ended' && state !== 'failed');
  if (open.length === 0) {
    for (const grant of meant) process.stdout.write(`${howEnded(grant)}\n`);
    process.stdout.write(
      meant.length === 0 ? 'there is no open grant of that kind: nothing to end\n' : 'nothing is left to end\n',
    );
    return EXIT.ok;
  }
  process.stderr.write(summary(open));
  const question = open.length === 1 ? 'End this grant now?' : `End these ${open.length} grants now?`;
  const confirmed = await confirm(question, { isYes: given.has('yes') }, signal);
  if (!confirmed.ok) return confirmed.code;
  return await end(known, { choice: chosen.result.choice, waitMs: seconds * 1000, reason: given.value('reason') }, signal);
}

/** Null, and said, where it is not exactly one of them. */
function readChoice(given: CommandWords): GrantChoice | null {
  const [id] = given.words;
  const [user, group] = [given.value('user'), given.value('group')];
  const choices: (GrantChoice | null)[] = [];
  if (id !== undefined) {
    const grantId = readGrantId(id);
    choices.push(grantId === null ? null : { by: 'grant', grantId });
  }
  if (user !== null) choices.push({ by: 'user', named: user });
  if (group !== null) choices.push({ by: 'group', named: group });
  if (given.has('all')) choices.push({ by: 'all' });
  const [only = null, ...others] = choices;
  if (choices.length === 0 || others.length > 0) {
    said('"revoke" takes one of ID, --user USER, --group GROUP and --all', EXIT.usage);
    return null;
  }
  return only;
}

/** What is about to be ended: how many, of whom, in which groups. */
function summary(open: readonly ShownGrant[]): string {
  if (open.length <= SHOWN) return open.map((grant) => `  ${grant.grantId}  ${whoAndWhat(grant)}  (${grant.state})\n`).join('');
  const groups = counted(open.map(({ group, asked }) => group?.dn ?? asked?.group ?? 'groups that are not looked up yet'));
  const users = new Set(open.map(({ user, asked }) => user?.id ?? asked?.user)).size;
  const shown = groups.slice(0, SHOWN).map(([name, count]) => `  ${count} in ${name}\n`);
  const more = groups.length > SHOWN ? [`  and more in ${groups.length - SHOWN} other groups\n`] : [];
  return `${open.length} grants of ${users} users in ${groups.length} groups:\n${[...shown, ...more].join('')}`;
}

function counted(names: readonly string[]): readonly (readonly [string, number])[] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].toSorted(([, one], [, other]) => other - one);
}

async function end(
  known: Configured,
  { choice, waitMs, reason }: { choice: GrantChoice; waitMs: number; reason: string | null },
  signal: AbortSignal,
): Promise<number> {
  const bar = countdown(process.stderr);
  const ended: ShownGrant[] = [];
  const left: ShownGrant[] = [];
  let accepted: number | null = null;
  const tell = (news: OperatorNews): void => {
    if (news.answer === 'accepted') accepted = news.grants;
    if (news.answer === 'left') left.push(news.grant);
    if (news.answer === 'ended') ended.push(news.grant);
    bar.done(ended.length, Math.max(accepted ?? 0, ended.length));
  };
  const request = { request: 'revoke', choice, waitMs, ...asker(reason) } as const;
  const operated = await operate(known, { request, tell }, signal);
  bar.end();
  for (const grant of ended) process.stdout.write(`${howEnded(grant)}\n`);
  if (signal.aborted)
    return said(
      accepted === null
        ? 'interrupted before everything was accepted; "latchkey grants" tells what is ending'
        : `interrupted; what was accepted ends all the same once a connector runs ("latchkey grants" tells)`,
      INTERRUPTED,
    );
  if (!operated.ok) return undone(operated);
  if (operated.result.answer !== 'done') return undone(operated.result);
  return tellLeft({ ended, left, by: operated.by });
}

const GOES_ON: Record<DoneBy, string> = {
  connector: 'the running connector goes on trying until they are done',
  command: 'NOBODY goes on with them until a connector runs, or this command is given again; both begin with them',
};

function tellLeft({ ended, left, by }: { ended: readonly ShownGrant[]; left: readonly ShownGrant[]; by: DoneBy }): number {
  for (const grant of left) {
    const why = grant.trouble === undefined ? 'it is being worked on' : `${grant.trouble.code}: ${grant.trouble.message}`;
    process.stderr.write(`latchkey: NOT ENDED ${grant.grantId}: ${whoAndWhat(grant)}: ${why}\n`);
  }
  process.stdout.write(`${ended.length} ended, ${left.length} left\n`);
  if (left.length === 0) return EXIT.ok;
  return said(`what is left is in the ledger, and ${GOES_ON[by]}`, EXIT.failed);
}
