import { askOperator } from '../operator/ask.ts';
import { type Configured, configured } from './configured.ts';
import { EXIT } from './exit-code.ts';
import { type Progress, progress } from './progress.ts';
import type { CommandWords } from './read-command.ts';
import { said } from './said.ts';
import { type SyncHere, syncHere } from './sync-here.ts';
import { toldSync } from './sync-sums.ts';

interface SyncFlags extends SyncHere {
  readonly acceptRemovals: string | null;
}

/** `latchkey sync`; what is held is accepted only where it is told. */
export async function syncCommand(given: CommandWords): Promise<number> {
  const flags: SyncFlags = {
    full: given.has('full'),
    dryRun: given.has('dry-run'),
    out: given.value('out'),
    acceptRemovals: given.value('accept-removals'),
  };
  const isHere = flags.dryRun || flags.out !== null;
  if (flags.acceptRemovals !== null && isHere)
    return said('--accept-removals cannot be combined with --dry-run or --out', EXIT.usage);
  return await sync(flags, isHere);
}

/** 128 and the number of SIGINT, which is what Ctrl-C means. */
const INTERRUPTED = 130;

/**
 * Syncs now. What is to be told to the control plane is told by the running connector; `--dry-run` and `--out` read the directory
 * themselves, need no control plane, and change nothing.
 */
async function sync(flags: SyncFlags, isHere: boolean): Promise<number> {
  const known = configured({ logs: 'stderr', needsControlPlane: !isHere });
  if (known === null) return EXIT.configuration;
  const shown = progress(process.stderr);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new Error('interrupted')));
  try {
    return isHere ? await syncHere(known, flags, { shown, signal: stop.signal }) : await ask(known, flags, shown);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    return INTERRUPTED;
  } finally {
    shown.end();
  }
}

async function ask({ config, scrubber }: Configured, { full, acceptRemovals }: SyncFlags, shown: Progress): Promise<number> {
  const { stateDir } = config.process;
  const answer = await askOperator(
    { stateDir, request: { request: 'sync', mode: full ? 'full' : 'delta', acceptRemovals } },
    (news) => {
      if (news.answer === 'progress') shown.records(news.records);
    },
  );
  shown.end();
  switch (answer.answer) {
    case 'done':
      process.stdout.write(
        `${answer.sync === undefined ? 'the control plane has the picture of the directory' : toldSync(answer.sync)}\n`,
      );
      return EXIT.ok;
    case 'failed':
      return said(scrubber.text(answer.error.message), EXIT.failed);
    case 'refused':
      return said(answer.message, EXIT.failed);
    case 'unlinked':
      return said(
        'the connector has no connection to the control plane, or lost it; it syncs when there is one',
        EXIT.unavailable,
      );
    case 'chosen':
    case 'explained':
    case 'health':
      return said('the connector answered something else than was asked; is it another version?', EXIT.internal);
    case 'lost':
      return said('the connector went away before it answered', EXIT.unavailable);
    case 'absent':
      return said(
        `no connector runs with the state directory ${stateDir}, and only a running one can tell the control plane; start it ("latchkey run", from a checkout "npm start"), or use --dry-run or --out, which need none`,
        EXIT.unavailable,
      );
    default:
      return answer satisfies never;
  }
}
