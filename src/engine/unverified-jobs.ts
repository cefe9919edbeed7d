import type { Clock } from '../access/clock.ts';
import { formatInstant, type Instant } from '../access/instant.ts';
import { FAULT_WORDS, type SignatureFault } from '../access/signature-fault.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Logger } from '../observability/logger.ts';
import type { TrustedClock } from './trusted-clock.ts';

/** At most one record in so long: whoever can send jobs without a key must not be able to fill the ledger with them. */
export const UNVERIFIED_TOLD_EVERY_MS = 60_000;

/** Jobs that were not believed, told to audit trail and log as counts: the first at once, and what follows each minute. */
export interface UnverifiedJobs {
  count(fault: SignatureFault): void;
  /** Tells what was not told yet, and waits for nothing more. */
  stop(): Promise<void>;
}

export function unverifiedJobs({
  ledger,
  clock,
  time,
  log,
}: {
  ledger: Ledger;
  clock: Clock;
  time: TrustedClock;
  log: Logger;
}): UnverifiedJobs {
  let counts = new Map<SignatureFault, number>();
  let since: Instant = time.now();
  let cancel: (() => void) | null = null;
  let telling: Promise<void> = Promise.resolve();
  let stopped = false;

  async function tell(): Promise<void> {
    if (counts.size === 0) return;
    const [told, from, at] = [counts, since, time.now()];
    counts = new Map();
    const facts = { since: formatInstant(from), refused: Object.fromEntries(told) };
    log.warn(
      { event: 'job.unverified', ...facts },
      `jobs were refused: ${[...told].map(([fault, count]) => `${count} ${FAULT_WORDS[fault]} (${fault})`).join('; ')}`,
    );
    try {
      // What is set aside of a full disk is for endings; the log has it.
      if ((await ledger.space()) === 'ok') await ledger.tell({ at, audit: [{ kind: 'job.unverified', at, facts }] });
    } catch (error) {
      log.error({ event: 'engine.failed', what: 'unverified-jobs', error }, 'part of the engine failed; it goes on');
    }
  }

  function arm(): void {
    cancel = clock.timer(UNVERIFIED_TOLD_EVERY_MS, () => {
      cancel = null;
      if (counts.size === 0) return;
      telling = tell();
      arm();
    });
  }

  return {
    count(fault) {
      if (counts.size === 0) since = time.now();
      counts.set(fault, (counts.get(fault) ?? 0) + 1);
      if (cancel !== null || stopped) return;
      telling = tell();
      arm();
    },
    async stop() {
      stopped = true;
      cancel?.();
      await telling;
      await tell();
    },
  };
}
