import { formatInstant } from '../access/instant.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Logger } from '../observability/logger.ts';
import type { TrustedClock } from './trusted-clock.ts';

/** How often the end of the audit trail is told, where it has moved: what is cut off within is not missed. */
export const CHECKPOINT_EVERY_MS = 60_000;

/** Tells where the audit trail ends, to the control plane and to the log: whoever keeps that can show later that nothing was cut off. */
export interface AuditCheckpoints {
  /** Tells it where it has moved since it was told last. */
  tell(): Promise<void>;
}

export function auditCheckpoints({
  ledger,
  time,
  log,
  from,
  told,
}: {
  ledger: Ledger;
  time: TrustedClock;
  log: Logger;
  /** How many records there were at the start, which writes one itself. */
  from: number;
  /** There is something to be sent. */
  told: () => void;
}): AuditCheckpoints {
  let last = from;
  return {
    async tell() {
      // Of what is committed: a checkpoint of a record that is lost with its commit would show a cut where nobody cut.
      const { count, hash } = await ledger.auditHead();
      if (count === last) return;
      const at = time.now();
      const { ledgerId } = await ledger.identity();
      log.info(
        { event: 'audit.checkpoint', count, hash, time: formatInstant(at), ledgerId },
        'where the audit trail ends; keep it elsewhere, and "latchkey audit verify --checkpoints" tells whether the end was cut off',
      );
      // What is set aside of a full disk is for endings.
      if ((await ledger.space()) === 'ok') {
        await ledger.tell({ at, events: [{ kind: 'audit.checkpoint', count, hash, time: at }], audit: [] });
        told();
      }
      last = count;
    },
  };
}
