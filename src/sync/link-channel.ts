import type { Clock } from '../access/clock.ts';
import { bounded } from '../access/outcome.ts';
import type { OpenStream, SyncAnswer, SyncLink } from '../link/link.ts';
import type { SyncFrame } from '../protocol/frames.ts';
import { MAX_OUTSTANDING_PAGES } from '../protocol/limits.ts';
import { type SyncChannel, SyncChannelError, type SyncStream } from './channel.ts';

/** An acknowledgement that does not come in this time never will; storing a whole picture must fit into it. */
const ACKNOWLEDGED_WITHIN_MS = 120_000;

/** What the control plane says goes into a log line and an event. */
const MAX_SHOWN = 500;

/** Streams that go to the control plane, on the connection of the moment in which they begin. */
export function linkChannel({ link, clock }: { link: SyncLink; clock: Pick<Clock, 'timer'> }): SyncChannel {
  return {
    async begin({ syncId, mode, baseCursor }) {
      const stream = linkStream({ link, clock, syncId });
      await stream.send({ type: 'sync.begin', syncId, mode, ...(baseCursor === null ? {} : { baseCursor }) });
      return stream;
    },
  };
}

function linkStream({ link, clock, syncId }: { link: SyncLink; clock: Pick<Clock, 'timer'>; syncId: string }) {
  const told = { page: 0, end: false };
  const acknowledged = { page: 0, end: false };
  let failure: SyncChannelError | null = null;
  let wake = (): void => undefined;

  function hear(answer: SyncAnswer): boolean {
    if (answer.type === 'error') {
      fail('refused', `the control plane refused the stream: ${bounded(`${answer.code}: ${answer.message}`, MAX_SHOWN)}`);
      return true;
    }
    if (answer.end === true) {
      if (!told.end) return false;
      acknowledged.end = true;
    } else {
      const page = answer.page ?? 0;
      if (page > told.page) return false;
      // Pages are stored in order, so that one acknowledgement is of all before it.
      acknowledged.page = Math.max(acknowledged.page, page);
    }
    wake();
    return true;
  }

  const opened = link.open(syncId, hear);
  if (opened === null) throw new SyncChannelError('lost', 'there is no connection to the control plane to tell a sync on');
  const open: OpenStream = opened;
  const { connection } = open;
  const onLost = (): void => fail('lost', 'the connection to the control plane was lost in the middle of a sync');
  connection.signal.addEventListener('abort', onLost, { once: true });
  if (connection.signal.aborted) onLost();

  function fail(fault: SyncChannelError['fault'], message: string): void {
    failure ??= new SyncChannelError(fault, message);
    close();
  }

  function close(): void {
    connection.signal.removeEventListener('abort', onLost);
    open.close();
    wake();
  }

  function isOver(): SyncChannelError | null {
    return failure;
  }

  async function sendText(type: SyncFrame['type'], text: string): Promise<void> {
    if (failure !== null) throw failure;
    if (await connection.sendText(type, text)) return;
    fail('lost', 'a frame of a sync could not be sent to the control plane');
    throw isOver() ?? new SyncChannelError('lost', 'the stream is over');
  }

  /** Until the control plane has said so, the stream is over, or the time is. */
  async function until(isAcknowledged: () => boolean, what: string): Promise<void> {
    // Bounded by the time, which begins anew with each acknowledgement.
    while (!isAcknowledged()) {
      if (failure !== null) throw failure;
      await new Promise<void>((resolve) => {
        const cancel = clock.timer(ACKNOWLEDGED_WITHIN_MS, () => {
          fail('refused', `the control plane has not acknowledged ${what} within ${ACKNOWLEDGED_WITHIN_MS / 1000} s`);
        });
        wake = () => {
          cancel();
          resolve();
        };
      });
    }
  }

  const stream: SyncStream = {
    async page(records) {
      const page = told.page + 1;
      told.page = page;
      await sendText('sync.page', `{"type":"sync.page","syncId":"${syncId}","page":${page},"records":[${records.join(',')}]}`);
      await until(() => told.page - acknowledged.page < MAX_OUTSTANDING_PAGES, `page ${acknowledged.page + 1} of a sync`);
    },
    async end({ counts, cursor }) {
      told.end = true;
      await sendText('sync.end', JSON.stringify({ type: 'sync.end', syncId, pages: told.page, counts, cursor }));
      await until(() => acknowledged.end, 'the end of a sync');
      close();
    },
    abort(error) {
      if (failure !== null) return;
      // Whether it is heard does not matter: the next stream has another id.
      void connection.sendText('sync.abort', JSON.stringify({ type: 'sync.abort', syncId, error }));
      fail('lost', 'the sync was aborted');
    },
  };
  return {
    ...stream,
    send: (frame: Extract<SyncFrame, { type: 'sync.begin' }>) => sendText(frame.type, JSON.stringify(frame)),
  };
}
