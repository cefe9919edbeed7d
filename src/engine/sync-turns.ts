import type { Instant } from '../access/instant.ts';
import { jobError } from '../access/outcome.ts';
import type { SyncWish } from '../access/sync.ts';
import type { RequestSync, SyncOutcome, SyncRequest } from './sync-request.ts';

/** Who runs syncs, one at a time. */
export interface SyncTurns {
  readonly request: RequestSync;
  /** Resolves when no run is under way and none waits: what a run uses may be closed. */
  idle(): Promise<void>;
}

interface Asker {
  readonly request: SyncRequest;
  readonly answer: (outcome: SyncOutcome) => void;
  readonly refuse: (error: unknown) => void;
}

interface Turn {
  readonly wish: SyncWish;
  readonly askers: Set<Asker>;
  readonly nobodyWaits: AbortController;
}

/**
 * One run at a time. Who asks for no more than the run of now does, joins it; the others wait for the next, which does what
 * they all ask for (PROTOCOL, Sync stream). What waits is bounded by who asks.
 */
export function syncTurns({
  run,
  now,
}: {
  run: (wish: SyncWish, signal: AbortSignal) => Promise<SyncOutcome>;
  now: () => Instant;
}): SyncTurns {
  const waiting = new Set<Asker>();
  let running: Turn | null = null;
  let over: Promise<void> = Promise.resolve();

  function beginNext(): void {
    for (const asker of waiting) {
      if (asker.request.notAfter === null || asker.request.notAfter > now()) continue;
      waiting.delete(asker);
      asker.answer(tooLate());
    }
    const requests = [...waiting].map(({ request }) => request);
    if (requests.length === 0) return;
    // A run can accept one: who names another waits for the run after it.
    const acceptRemovals = requests.find((request) => request.acceptRemovals !== null)?.acceptRemovals ?? null;
    const askers = new Set([...waiting].filter(({ request }) => [null, acceptRemovals].includes(request.acceptRemovals)));
    for (const asker of askers) waiting.delete(asker);
    const mode = [...askers].some(({ request }) => request.mode === 'full') ? 'full' : 'delta';
    over = take({ wish: { mode, acceptRemovals }, askers, nobodyWaits: new AbortController() });
  }

  async function take(turn: Turn): Promise<void> {
    running = turn;
    try {
      const outcome = await run(turn.wish, turn.nobodyWaits.signal);
      for (const { answer } of turn.askers) answer(outcome);
    } catch (error) {
      for (const { refuse } of turn.askers) refuse(error);
    }
    running = null;
    beginNext();
  }

  function leave(asker: Asker): void {
    waiting.delete(asker);
    if (running?.askers.delete(asker) === true && running.askers.size === 0) running.nobodyWaits.abort();
  }

  const request: RequestSync = (asked, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error);
      const onAbort = (): void => {
        leave(asker);
        reject(signal.reason as Error);
      };
      const settled = (): void => signal.removeEventListener('abort', onAbort);
      const asker: Asker = {
        request: asked,
        answer(outcome) {
          settled();
          resolve(outcome);
        },
        refuse(error) {
          settled();
          reject(error);
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      if (running !== null && !running.nobodyWaits.signal.aborted && covers(running.wish, asked)) running.askers.add(asker);
      else waiting.add(asker);
      if (running === null) beginNext();
    });

  return {
    request,
    async idle() {
      // Each run begins the next as it ends; bounded by who asks.
      while (running !== null) await over;
    },
  };
}

function covers(wish: SyncWish, request: SyncRequest): boolean {
  return (
    (wish.mode === 'full' || request.mode === 'delta') &&
    (request.acceptRemovals === null || request.acceptRemovals === wish.acceptRemovals)
  );
}

function tooLate(): SyncOutcome {
  const message = 'another sync ran until the notAfter of this one had passed; ask again under a new id';
  return { kind: 'failed', error: jobError('job_expired', message) };
}
