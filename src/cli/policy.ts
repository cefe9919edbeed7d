import type { ExplainedGrant } from '../access/operator.ts';
import { duration } from '../config/values.ts';
import { configured } from './configured.ts';
import { EXIT } from './exit-code.ts';
import { interrupted } from './interrupt.ts';
import { operate, undone } from './operate.ts';
import type { CommandWords } from './read-command.ts';
import { said } from './said.ts';

/** As long as a job can ask for: 2³¹ − 1 seconds. */
const SPAN = duration('1s', '24855d');

/** `latchkey policy explain`. */
export async function explainPolicy(given: CommandWords): Promise<number> {
  const [user, group, written] = [given.value('user'), given.value('group'), given.value('for')];
  if (user === null || group === null || written === null)
    return said('"policy explain" needs --user USER, --group GROUP and --for DURATION', EXIT.usage);
  const span = SPAN.read(written);
  if (!span.ok) return said(`--for takes ${SPAN.expected}, found "${written}"`, EXIT.usage);
  const known = configured({ logs: 'stderr', isQuiet: true });
  if (known === null) return EXIT.configuration;
  const asked = { user, group, durationMs: span.value, requestedBy: given.value('requested-by') };
  const operated = await operate(known, { request: { request: 'explain', asked }, tell: () => undefined }, interrupted());
  if (!operated.ok) return undone(operated);
  if (operated.result.answer !== 'explained') return undone(operated.result);
  const { explained } = operated.result;
  process.stdout.write(given.has('json') ? `${JSON.stringify(forMachines(explained), null, 2)}\n` : forPeople(explained));
  return explained.isGranted ? EXIT.ok : EXIT.failed;
}

function forMachines({ expiresAt, ...explained }: ExplainedGrant) {
  return { ...explained, expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString() };
}

function forPeople({ result, isGranted, rule, message, user, group, binds }: ExplainedGrant): string {
  const entry = (what: string, ref: ExplainedGrant['user']) => (ref === null ? [] : [`${what}: ${ref.dn} (${ref.id})`]);
  const width = Math.max(0, ...binds.map((one) => one.rule.length));
  const lines = [
    `${isGranted ? 'would be' : 'would be REFUSED as'} ${result}`,
    `  ${message}`,
    ...(rule === null ? [] : [`decided by: ${rule}`]),
    ...entry('user', user),
    ...entry('group', group),
    ...(binds.length === 0 ? [] : ['', 'what binds such a grant:']),
    ...binds.map((one) => `  ${one.rule.padEnd(width)}  ${one.says}`),
  ];
  return `${lines.join('\n')}\n`;
}
