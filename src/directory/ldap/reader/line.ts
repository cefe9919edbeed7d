import type { Clock } from '../../../access/clock.ts';
import { DirectoryError } from '../../directory.ts';
import { unavailable } from '../endpoint.ts';
import { elementsOf, type LdapEnvelope, type LdapResult, OPERATION, readResult } from '../ldap-message.ts';
import type { Session } from '../session.ts';
import { cancelled } from '../session-end.ts';
import type { WantedAttribute } from './attribute-places.ts';
import type { DecodedEntry } from './decoded-entry.ts';
import { MessageDecoder } from './message-decoder.ts';
import { refused } from './refused.ts';
import { abandonRequest, type RequestControl, type SearchAsked, searchRequest } from './requests.ts';

/** Who is told what a search finds, as it comes. */
export interface SearchReceiver {
  values?(entry: DecodedEntry, place: number, values: readonly string[]): void;
  entry(entry: DecodedEntry): void;
  /** An IntermediateResponse (RFC 4511 §4.13); views. Without it, one ends the connection. */
  intermediate?(name: string, value: Buffer): void;
  /** Resolves when there is room for more; null where there is. */
  room?(): Promise<void> | null;
}

export interface LineSearch extends Omit<SearchAsked, 'attributes'> {
  readonly attributes: readonly WantedAttribute[];
  readonly controls: readonly RequestControl[];
}

/** A connection that is read by ourselves: one search at a time. */
export interface Line extends Disposable {
  /** Resolves with the result, success or not. Rejects where the connection ended first, and then it is of no more use. */
  search(asked: LineSearch, receiver: SearchReceiver, signal: AbortSignal): Promise<LdapResult>;
}

interface Current {
  readonly id: number;
  readonly receiver: SearchReceiver;
  readonly decoder: MessageDecoder;
  readonly answered: (result: LdapResult) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Borrows the connection of a session for reading much of it. The session stays the owner of its life: whatever is wrong with
 * what comes ends it, and its end fails the search.
 *
 * The deadline is one of silence: while it is read, something must come within `readTimeoutMs`. How much an answer comes to
 * is bounded by the tree, and its memory by the decoder; a search of which little comes and always more is ended by `signal`.
 */
export function openLine(session: Session, { clock, readTimeoutMs }: { clock: Clock; readTimeoutMs: number }): Line {
  let current: Current | null = null;
  let lastId = 0;
  let lastHeardMs = clock.monotonicMs();
  let isWaiting = false;

  const fail = (error: unknown): void => {
    const why =
      error instanceof DirectoryError
        ? error
        : new DirectoryError('unavailable', 'Reading the directory failed.', { cause: error });
    session.destroy(why);
    current?.failed(why);
    current = null;
  };
  const take = (chunk: Buffer): void => {
    lastHeardMs = clock.monotonicMs();
    try {
      if (current === null) throw refused('an answer that nothing had asked for');
      const { decoder, receiver } = current;
      decoder.feed(chunk);
      // Beyond the last message of a search nothing may come.
      if (current === null && !decoder.isIdle) throw refused('an answer that nothing had asked for');
      const room = isWaiting ? null : (receiver.room?.() ?? null);
      if (room !== null) void waitFor(room);
    } catch (error) {
      fail(error);
    }
  };
  const lent = session.lend(take);
  const waitFor = async (room: Promise<void>): Promise<void> => {
    isWaiting = true;
    lent.pause();
    try {
      await room;
      isWaiting = false;
      lastHeardMs = clock.monotonicMs();
      lent.resume();
    } catch (error) {
      fail(error);
    }
  };
  const failWith = async (end: Promise<DirectoryError>): Promise<void> => {
    const why = await end;
    current?.failed(why);
    current = null;
  };
  void failWith(session.ended);
  const cancelWatch = watch(
    { clock, readTimeoutMs, quietSinceMs: () => (isWaiting || current === null ? null : lastHeardMs) },
    () => fail(unavailable(session.endpoint, { trouble: 'timed_out', doing: 'get an answer from the directory' })),
  );

  return {
    async search({ attributes, controls, ...asked }, receiver, signal) {
      const doing = `read beneath "${asked.base}"`;
      if (signal.aborted) throw cancelled(doing, signal);
      if (current !== null) throw new Error('a search is going on already');
      lastId += 1;
      const id = lastId;
      const { promise, resolve, reject } = Promise.withResolvers<LdapResult>();
      const answered = (result: LdapResult) => {
        current = null;
        resolve(result);
      };
      const decoder = new MessageDecoder(attributes, answerReceiver({ id, receiver, answered, onReferences: lent.onReferences }));
      current = { id, receiver, decoder, answered, failed: reject };
      const aborted = () => {
        lent.send(abandonRequest(id + 1, id));
        fail(cancelled(doing, signal));
      };
      signal.addEventListener('abort', aborted, { once: true });
      const beganMs = clock.monotonicMs();
      let result: LdapResult | undefined;
      try {
        lastHeardMs = beganMs;
        const names = attributes.length === 0 ? ['1.1'] : attributes.map(({ name, ask }) => ask ?? name);
        lent.send(searchRequest(id, { ...asked, attributes: names }, controls));
        result = await promise;
        return result;
      } finally {
        lent.onAnswer(result, clock.monotonicMs() - beganMs);
        signal.removeEventListener('abort', aborted);
      }
    },
    [Symbol.dispose]() {
      cancelWatch();
      if (!session.isOver) lent.giveBack();
    },
  };
}

/** What the messages of one search are to whoever asked. Those of any other, and of any other kind, end the connection. */
export function answerReceiver(options: {
  id: number;
  receiver: SearchReceiver;
  answered: (result: LdapResult) => void;
  onReferences: (uris: readonly string[]) => void;
}) {
  const { id, receiver, answered, onReferences } = options;
  let isDone = false;
  const belongs = (messageId: number): void => {
    if (messageId !== id || isDone) throw refused('an answer that nothing had asked for');
  };
  return {
    values(entry: DecodedEntry, place: number, values: readonly string[]): void {
      belongs(entry.messageId);
      receiver.values?.(entry, place, values);
    },
    entry(entry: DecodedEntry): void {
      belongs(entry.messageId);
      receiver.entry(entry);
    },
    other(message: Buffer, envelope: LdapEnvelope): void {
      const { messageId, operation } = envelope;
      if (messageId === 0) return unsolicited(message, envelope);
      belongs(messageId);
      switch (operation.tag) {
        case OPERATION.searchResultDone: {
          const result = readResult(message, envelope);
          if (result === undefined) throw refused('a malformed result');
          isDone = true;
          return answered(ownResult(result));
        }
        case OPERATION.searchResultReference:
          return onReferences(
            elementsOf(message, operation)
              .slice(0, MOST_URIS)
              .map(({ start, end }) => message.toString('utf8', start, end)),
          );
        case OPERATION.intermediateResponse: {
          if (receiver.intermediate === undefined) break;
          const [name, value] = elementsOf(message, operation);
          if (name?.tag !== 0x80 || value?.tag !== 0x81) throw refused('a malformed intermediate response');
          return receiver.intermediate(
            message.toString('latin1', name.start, name.end),
            message.subarray(value.start, value.end),
          );
        }
      }
      throw refused('an answer of another kind than was asked for');
    },
  };
}

const MOST_URIS = 16;

/** RFC 4511 §4.4.1: the only notification that is sent unasked and says an error. */
function unsolicited(message: Buffer, envelope: LdapEnvelope): void {
  const result = envelope.operation.tag === OPERATION.extendedResponse ? readResult(message, envelope) : undefined;
  if (result === undefined) throw refused('a notification that is none of LDAP');
  if (result.resultCode === 0) return;
  const said = result.diagnosticMessage === '' ? '' : `: ${result.diagnosticMessage}`;
  throw new DirectoryError('unavailable', `The directory said that it disconnects (${result.resultCode})${said}.`);
}

/** The result outlives the bytes that it was read from. */
function ownResult(result: LdapResult): LdapResult {
  return { ...result, controls: new Map([...result.controls].map(([type, value]) => [type, Buffer.from(value)])) };
}

/** Calls `expire` once where it has been quiet for so long. One timer at a time; cancelled by what it returns. */
function watch(
  { clock, readTimeoutMs, quietSinceMs }: { clock: Clock; readTimeoutMs: number; quietSinceMs: () => number | null },
  expire: () => void,
): () => void {
  let cancel: () => void = () => undefined;
  const arm = (delayMs: number): void => {
    cancel = clock.timer(delayMs, () => {
      const since = quietSinceMs();
      const left = since === null ? readTimeoutMs : since + readTimeoutMs - clock.monotonicMs();
      // A timer may fire a little early, and none of less than a millisecond is of use.
      if (left > 0) arm(Math.max(1, left));
      else expire();
    });
  };
  arm(readTimeoutMs);
  return () => cancel();
}
