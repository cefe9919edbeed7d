import type { CheckStep } from '../access/event.ts';
import { preflight } from '../connector/preflight.ts';
import { askPassword } from './ask-password.ts';
import { configured } from './configured.ts';
import { EXIT } from './exit-code.ts';

const MARKS: Record<CheckStep['status'], string> = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' };
/** 128 and the number of SIGINT, which is what Ctrl-C means. */
const INTERRUPTED = 130;

/**
 * Tests all that a connector needs, one line a step; exit code 1 where any step failed. `login` is a user whose password is asked
 * for on the terminal and tried once.
 */
export async function check({ json, login }: { json: boolean; login: string | null }): Promise<number> {
  if (login !== null && !process.stdin.isTTY) {
    process.stderr.write(
      'latchkey: check --login asks for a password on a terminal, and standard input is none; run it on one\n',
    );
    return EXIT.usage;
  }
  const known = configured({ logs: 'stderr' });
  if (known === null) return EXIT.configuration;
  const { config, log, scrubber } = known;
  let tried: { user: string; password: { reveal(): string } } | null = null;
  if (login !== null) {
    const typed = await askPassword(`Password of ${login}: `, { input: process.stdin, output: process.stderr });
    if (typed === null) return INTERRUPTED;
    if (typed === '') {
      process.stderr.write('latchkey: an empty password is not sent: a directory may answer success to it, for anybody\n');
      return EXIT.usage;
    }
    tried = { user: login, password: { reveal: () => typed } };
    scrubber.learn(tried.password);
  }
  const steps = await preflight({ config, log, learnSecret: scrubber.learn, login: tried });
  const shown = steps.map((step) => ({ ...step, detail: scrubber.text(step.detail) }));
  const { text, code } = reportOn(shown, { json });
  process.stdout.write(text);
  return code;
}

/** The same steps for people and for machines, and the exit code. */
export function reportOn(steps: readonly CheckStep[], { json }: { json: boolean }): { text: string; code: number } {
  const ok = steps.every(({ status }) => status !== 'fail');
  const lines = steps.map(({ step, status, detail }) => `${MARKS[status]}  ${step.padEnd(18)}  ${detail}\n`);
  const text = json ? `${JSON.stringify({ ok, steps }, null, 2)}\n` : lines.join('');
  return { text, code: ok ? EXIT.ok : EXIT.failed };
}
