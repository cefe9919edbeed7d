import type { Clock } from '../access/clock.ts';
import type { FailPoints } from '../access/fail-point.ts';
import { formatInstant } from '../access/instant.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { LinkConnection } from '../link/link.ts';
import type { Logger } from '../observability/logger.ts';
import { eventToWire } from '../protocol/event-frame.ts';
import { MAX_UNACKNOWLEDGED_EVENTS } from '../protocol/limits.ts';

/** Tells the control plane what waits in the ledger, in order, until it is acknowledged. */
export interface Outbox {
  /** A connection is ready; everything above `ackedSeq` is sent on it. */
  attach(connection: LinkConnection, ackedSeq: number): void;
  detach(): void;
  /** New events may wait. */
  wake(): void;
  /** False where that sequence number was never sent on this connection, nor known to the peer before it. */
  acknowledged(seq: number): Promise<boolean>;
  connection(): LinkConnection | null;
  /** The highest sequence number that this process has sent under the ledger's id; 0 where none. */
  sentSeq(): number;
  /** The ledger has a new id, under which nothing was sent. */
  forgetSent(): void;
  /** True while nothing that was stored waits to be acknowledged on a live connection. */
  drained(): Promise<boolean>;
}

interface Sending {
  readonly connection: LinkConnection;
  /** The highest sequence number sent, or acknowledged before. */
  sentSeq: number;
  ackedSeq: number;
  unacknowledged: number[];
}

/** Read from the ledger at a time. */
const BATCH = 250;

/** After the ledger could not be read. */
const AGAIN_MS = 1000;

export function outbox({
  ledger,
  clock,
  log,
  failPoints,
}: {
  ledger: Ledger;
  clock: Clock;
  log: Logger;
  failPoints: FailPoints;
}): Outbox {
  let sending: Sending | null = null;
  let highestSent = 0;
  let cancelTimer = (): void => undefined;
  let cancelAckTimer = (): void => undefined;
  let pumping = false;
  let pumpAgain = false;

  async function pump(): Promise<void> {
    if (pumping) {
      pumpAgain = true;
      return;
    }
    pumping = true;
    try {
      do {
        pumpAgain = false;
        while (await sendSome()) {
          // Sends until the ledger has no more, the window is full, or the connection is gone.
        }
      } while (pumpAgain);
    } catch (error) {
      log.error({ event: 'outbox.failed', error }, 'could not read the events that wait; they stay in the ledger');
      cancelTimer();
      if (sending !== null) cancelTimer = clock.timer(AGAIN_MS, () => void pump());
    } finally {
      pumping = false;
    }
  }

  async function sendSome(): Promise<boolean> {
    const now = sending;
    if (now === null) return false;
    const room = MAX_UNACKNOWLEDGED_EVENTS - now.unacknowledged.length;
    if (room <= 0) return false;
    const limit = Math.min(room, BATCH);
    const events = await ledger.events({ after: now.sentSeq, limit });
    for (const { seq, at, event } of events) {
      if (sending !== now || !now.connection.send({ type: 'event', seq, at: formatInstant(at), event: eventToWire(event) }))
        return false;
      now.sentSeq = seq;
      highestSent = Math.max(highestSent, seq);
      now.unacknowledged.push(seq);
      failPoints('event.sent');
    }
    await now.connection.flushed();
    // Whatever is stored later wakes it.
    return events.length === limit;
  }

  /** No other acknowledgement may come on a quiet connection, so one that cannot be stored is tried for as long as that lasts. */
  async function storeAcknowledgement(now: Sending): Promise<void> {
    try {
      await ledger.acknowledge(now.ackedSeq);
      failPoints('event.acknowledged');
    } catch (error) {
      log.error({ event: 'outbox.ack-not-stored', seq: now.ackedSeq, error }, 'could not store an acknowledgement; trying again');
      cancelAckTimer();
      if (sending === now) cancelAckTimer = clock.timer(AGAIN_MS, () => void storeAcknowledgement(now));
    }
  }

  return {
    attach(connection, ackedSeq) {
      sending = { connection, sentSeq: ackedSeq, ackedSeq, unacknowledged: [] };
      void pump();
    },
    detach() {
      cancelTimer();
      cancelAckTimer();
      sending = null;
    },
    wake() {
      if (sending !== null) void pump();
    },
    async acknowledged(seq) {
      const now = sending;
      if (now === null || seq > now.sentSeq) return false;
      now.ackedSeq = Math.max(now.ackedSeq, seq);
      now.unacknowledged = now.unacknowledged.filter((one) => one > seq);
      await storeAcknowledgement(now);
      void pump();
      return true;
    },
    connection: () => sending?.connection ?? null,
    sentSeq: () => highestSent,
    forgetSent() {
      highestSent = 0;
    },
    async drained() {
      if (sending === null) return true;
      const [first] = await ledger.events({ after: 0, limit: 1 });
      return first === undefined;
    },
  };
}
