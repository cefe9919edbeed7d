import { userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Asker, OperatorNews, OperatorRequest, OperatorResult } from '../access/operator.ts';
import { breakGlass } from '../connector/break-glass.ts';
import { LedgerError } from '../ledger/ledger.ts';
import { askOperator } from '../operator/ask.ts';
import type { Configured } from './configured.ts';
import { EXIT } from './exit-code.ts';
import { exitOfFault } from './ledger-exit.ts';
import { said } from './said.ts';
import { VERSION } from './version.ts';

/** What a person may ask for with or without a running connector. */
export type AnywhereRequest = Exclude<OperatorRequest, { request: 'sync' | 'health' }>;

/** Who did it: a running connector, which goes on with what is left, or this command by itself. */
export type DoneBy = 'connector' | 'command';

export type Operated =
  | { readonly ok: true; readonly result: OperatorResult; readonly by: DoneBy }
  /** It could not be asked, or did not answer: what to say, and the exit code. */
  | { readonly ok: false; readonly problem: string; readonly code: number };

/** How long a connector may take from having its ledger to having its socket. */
const STARTING_MS = 10_000;
const AGAIN_MS = 200;

/**
 * Asks the running connector, or does it by itself where none runs: whoever has the ledger does it, so that nothing is done twice.
 */
export async function operate(
  { config, log, scrubber }: Configured,
  { request, tell }: { request: AnywhereRequest; tell: (news: OperatorNews) => void },
  signal: AbortSignal,
): Promise<Operated> {
  const { stateDir } = config.process;
  const deadline = performance.now() + STARTING_MS;
  // Ends: by the deadline, or before.
  for (;;) {
    const asked = await askOperator({ stateDir, request, signal }, tell);
    if (asked.answer === 'lost') return { ok: false, problem: LOST, code: EXIT.unavailable };
    if (asked.answer !== 'absent') return { ok: true, result: asked, by: 'connector' };
    try {
      const result = await breakGlass({ config, version: VERSION, log, learnSecret: scrubber.learn, request, tell, signal });
      if (result.answer !== 'no_ledger') return { ok: true, result, by: 'command' };
      const problem = `there is no ledger in ${stateDir}: no connector has run with that state directory; check LATCHKEY_STATE_DIR, or start the connector once`;
      return { ok: false, problem, code: EXIT.unavailable };
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      // It starts, and will have its socket in a moment.
      if (error.fault === 'locked' && performance.now() < deadline) await sleep(AGAIN_MS);
      else
        return {
          ok: false,
          problem: `${scrubber.text(error.message)}${error.fault === 'locked' ? UNHEARD : ''}`,
          code: exitOfFault(error.fault),
        };
    }
  }
}

const UNHEARD = '. It does not answer at operator.sock there; its log says why (operator.unavailable)';
const LOST =
  'the connector went away before it answered; what it had accepted is in its ledger, and "latchkey grants" tells what became of it';

/** Who asks, for the audit trail: the user of this process. */
export function asker(reason: string | null): Asker {
  return { by: userNow(), reason };
}

function userNow(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may have a user without a name.
    return `user ${process.getuid?.() ?? 'unknown'}`;
  }
}

/** Says why nothing was done; returns the exit code. */
export function undone(operated: Exclude<Operated, { ok: true }> | OperatorResult): number {
  if ('ok' in operated) return said(operated.problem, operated.code);
  switch (operated.answer) {
    case 'refused':
      return said(operated.message, EXIT.failed);
    case 'failed':
      return said(operated.error.message, EXIT.failed);
    case 'done':
    case 'health':
    case 'chosen':
    case 'explained':
    case 'unlinked':
      return said('the connector answered something else than was asked; is it another version?', EXIT.internal);
    default:
      return operated satisfies never;
  }
}
