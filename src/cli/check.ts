import type { CheckStep } from '../access/event.ts';
import { checkDirectory } from '../connector.ts';
import { configured } from './configured.ts';
import { EXIT } from './exit-code.ts';

const MARKS: Record<CheckStep['status'], string> = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' };

/** Tests the connection to the directory, one line a step; exit code 1 where any step failed. */
export async function check({ json }: { json: boolean }): Promise<number> {
  const known = configured();
  if (known === null) return EXIT.configuration;
  const steps = await checkDirectory({ config: known.config, log: known.log, learnSecret: known.scrubber.learn });
  const ok = steps.every(({ status }) => status !== 'fail');
  if (json) process.stdout.write(`${JSON.stringify({ ok, steps }, null, 2)}\n`);
  else for (const { step, status, detail } of steps) process.stdout.write(`${MARKS[status]}  ${step.padEnd(24)}  ${detail}\n`);
  return ok ? EXIT.ok : EXIT.failed;
}
