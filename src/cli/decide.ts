import type { OperatorRequest } from '../access/operator.ts';
import { configured } from './configured.ts';
import { confirm } from './confirm.ts';
import { EXIT } from './exit-code.ts';
import { readGrantId } from './grant-id.ts';
import { interrupted } from './interrupt.ts';
import { asker, operate, undone } from './operate.ts';
import type { CommandWords } from './read-command.ts';

type Decision = Extract<OperatorRequest, { request: 'adopt' | 'pause' | 'resume' | 'accept_clock' }>;

/** `latchkey adopt ID`. */
export async function adopt(given: CommandWords): Promise<number> {
  const grantId = readGrantId(given.words[0]);
  if (grantId === null) return EXIT.usage;
  const isStanding = given.has('standing');
  return await decide(given, {
    request: { request: 'adopt', grantId, isStanding, ...asker(null) },
    question: isStanding
      ? `Was the membership of grant ${grantId} there before us, so that it stays?`
      : `Is the membership of grant ${grantId} ours, so that it leaves the group with its last grant?`,
    done: isStanding
      ? 'the membership is standing access: it stays when its grants end'
      : 'the membership is ours: it leaves the group with its last grant',
  });
}

/** `latchkey pause`. */
export async function pause(given: CommandWords): Promise<number> {
  return await decide(given, {
    request: { request: 'pause', ...asker(given.value('reason')) },
    question: 'Refuse all new grants until "latchkey resume"? Endings go on.',
    done: 'new grants are refused as "paused" until "latchkey resume"; endings go on',
  });
}

/** `latchkey resume`. */
export async function resume(given: CommandWords): Promise<number> {
  return await decide(given, {
    request: { request: 'resume', ...asker(given.value('reason')) },
    question: 'Make new grants again?',
    done: 'new grants are made again',
  });
}

/** `latchkey clock accept`. */
export async function acceptClock(given: CommandWords): Promise<number> {
  return await decide(given, {
    request: { request: 'accept_clock', ...asker(null) },
    question: `The clock of this machine says ${new Date().toISOString()}. Is that right?`,
    done: 'the clock of this machine is believed',
  });
}

async function decide(
  given: CommandWords,
  { request, question, done }: { request: Decision; question: string; done: string },
): Promise<number> {
  const known = configured({ logs: 'stderr', isQuiet: true });
  if (known === null) return EXIT.configuration;
  const signal = interrupted();
  const confirmed = await confirm(question, { isYes: given.has('yes') }, signal);
  if (!confirmed.ok) return confirmed.code;
  const operated = await operate(known, { request, tell: () => undefined }, signal);
  if (!operated.ok) return undone(operated);
  if (operated.result.answer !== 'done') return undone(operated.result);
  process.stdout.write(`${operated.result.message ?? done}\n`);
  return EXIT.ok;
}
