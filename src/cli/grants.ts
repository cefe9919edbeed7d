import type { OperatorNews, ShownGrant, ToldLine } from '../access/operator.ts';
import { configured } from './configured.ts';
import { EXIT } from './exit-code.ts';
import { readGrantId } from './grant-id.ts';
import { interrupted } from './interrupt.ts';
import { type AnywhereRequest, operate, undone } from './operate.ts';
import type { CommandWords } from './read-command.ts';
import { forMachines, grantTable } from './shown-grants.ts';

/** `latchkey grants`. */
export async function grants(given: CommandWords): Promise<number> {
  const isEndedToo = given.has('all');
  const found = await asked({ request: 'grants', isEndedToo });
  if (typeof found === 'number') return found;
  if (given.has('json')) process.stdout.write(`${JSON.stringify(found.grants.map(forMachines), null, 2)}\n`);
  else if (found.grants.length > 0) process.stdout.write(grantTable(found.grants, Date.now()));
  else
    process.stdout.write(isEndedToo ? 'there are no grants\n' : 'there are no open grants; --all shows those that have ended\n');
  return EXIT.ok;
}

/** `latchkey grants show ID`. */
export async function showGrant(given: CommandWords): Promise<number> {
  const grantId = readGrantId(given.words[0]);
  if (grantId === null) return EXIT.usage;
  const found = await asked({ request: 'show', grantId });
  if (typeof found === 'number') return found;
  const [grant] = found.grants;
  if (given.has('json')) {
    const story = found.lines.map((line) => ({ ...line, at: new Date(line.at).toISOString() }));
    process.stdout.write(`${JSON.stringify({ grant: grant === undefined ? null : forMachines(grant), story }, null, 2)}\n`);
    return EXIT.ok;
  }
  if (grant !== undefined) process.stdout.write(`${grantTable([grant], Date.now())}\n`);
  for (const { at, text } of found.lines) process.stdout.write(`${new Date(at).toISOString()}  ${text}\n`);
  return EXIT.ok;
}

/** What was found, or the exit code. */
async function asked(request: AnywhereRequest): Promise<{ grants: ShownGrant[]; lines: ToldLine[] } | number> {
  const known = configured({ logs: 'stderr', isQuiet: true });
  if (known === null) return EXIT.configuration;
  const found: { grants: ShownGrant[]; lines: ToldLine[] } = { grants: [], lines: [] };
  const tell = (news: OperatorNews): void => {
    if (news.answer === 'grant') found.grants.push(news.grant);
    if (news.answer === 'told') found.lines.push(news.line);
  };
  const operated = await operate(known, { request, tell }, interrupted());
  if (!operated.ok) return undone(operated);
  return operated.result.answer === 'done' ? found : undone(operated.result);
}
