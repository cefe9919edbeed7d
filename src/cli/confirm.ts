import { createInterface } from 'node:readline';
import { EXIT } from './exit-code.ts';

/** What a person answered; `unasked` is an exit code where nobody could be asked. */
export type Confirmed = { readonly ok: true } | { readonly ok: false; readonly code: number };

/** 128 and the number of SIGINT, which is what Ctrl-C means. */
const INTERRUPTED = 130;

/** Asks once on a terminal; `--yes` skips that, and without a terminal it is required. */
export async function confirm(question: string, { isYes }: { isYes: boolean }, signal: AbortSignal): Promise<Confirmed> {
  if (isYes) return { ok: true };
  if (!process.stdin.isTTY) {
    process.stderr.write('latchkey: this changes something, and there is no terminal to ask on: --yes is required\n');
    return { ok: false, code: EXIT.usage };
  }
  const answer = await typed(`${question} [y/N] `, signal);
  if (answer === null) return { ok: false, code: INTERRUPTED };
  if (/^y(?:es)?$/i.test(answer.trim())) return { ok: true };
  process.stderr.write('latchkey: nothing was changed\n');
  return { ok: false, code: EXIT.failed };
}

/** A line of the terminal; null where it was left without one. */
function typed(question: string, signal: AbortSignal): Promise<string | null> {
  // The terminal edits the line itself, and its Ctrl-C is the signal that ends the command.
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  return new Promise((resolve) => {
    lines.once('close', () => resolve(null));
    signal.addEventListener('abort', () => lines.close(), { once: true });
    lines.question(question, (answer) => {
      resolve(answer);
      lines.close();
    });
  });
}
