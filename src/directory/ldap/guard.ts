import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { readBerHeader } from './ber.ts';
import { countElements, type LdapResult, OPERATION, readEnvelope, readResult } from './ldap-message.ts';

export interface GuardLimits {
  /** Longest single message, in bytes. */
  readonly messageBytes: number;
  /** Everything that may answer one request. */
  readonly answerBytes: number;
  readonly answerMessages: number;
  /** Attributes, values and whatever else they are made of: each becomes an object, however few bytes it has. */
  readonly answerElements: number;
}

/**
 * 16 MiB is four times what the largest server default accepts itself. One answer: the adapter asks for pages and single
 * entries only, so 64 MiB is far above any; and ldapts cannot take more than some 100,000 entries in one answer. 200,000 elements
 * are read in less than a second; the bytes alone would allow millions, and ldapts to use up the memory for them.
 */
const LIMITS: GuardLimits = {
  messageBytes: 16 * 1024 * 1024,
  answerBytes: 64 * 1024 * 1024,
  answerMessages: 50_000,
  answerElements: 200_000,
};
/** Unsolicited notifications that are not the notice of disconnection; nobody sends even one in earnest. */
const MAX_UNSOLICITED = 16;

/** Which messages may answer which request (RFC 4511 §4). A request that is not here is never sent. */
const ANSWERS: ReadonlyMap<number, ReadonlySet<number>> = new Map([
  [OPERATION.bindRequest, new Set<number>([OPERATION.bindResponse])],
  [
    OPERATION.searchRequest,
    new Set<number>([OPERATION.searchResultEntry, OPERATION.searchResultReference, OPERATION.searchResultDone]),
  ],
  [OPERATION.modifyRequest, new Set<number>([OPERATION.modifyResponse])],
  [OPERATION.compareRequest, new Set<number>([OPERATION.compareResponse])],
  [OPERATION.extendedRequest, new Set<number>([OPERATION.extendedResponse])],
]);
const LAST: ReadonlySet<number> = new Set<number>([
  OPERATION.bindResponse,
  OPERATION.searchResultDone,
  OPERATION.modifyResponse,
  OPERATION.compareResponse,
  OPERATION.extendedResponse,
]);

interface Expected {
  readonly operations: ReadonlySet<number>;
  bytes: number;
  messages: number;
  elements: number;
}

/**
 * What ldapts takes for its socket. It cuts the stream into whole messages, and lets pass only those which answer a
 * request that is waiting, are of the kind that answers it, are well formed to the last byte, and stay within the limits;
 * anything else ends the connection.
 * So no reply can fill the memory, stop the event loop, or be taken for a success that the server did not give: what a
 * connection may cost is bounded by the requests that wait, and each of those by its deadline.
 *
 * ldapts gets each message by an event of its own, since its parser copies what is left over once per chunk.
 */
export class GuardedSocket extends EventEmitter {
  readonly connecting = false;
  readonly #inner: Duplex;
  readonly #limits: GuardLimits;
  readonly #expected = new Map<number, Expected>();
  readonly #onRequest: (messageId: number) => void;
  readonly #onResult: (messageId: number, result: LdapResult) => void;
  readonly #onViolation: () => void;
  #chunks: Buffer[] = [];
  #held = 0;
  #needed = 2;
  #unsolicited = 0;
  #violation: string | undefined;
  #notice: LdapResult | undefined;
  #failure: unknown;
  #taker: ((chunk: Buffer) => void) | null = null;

  constructor(
    inner: Duplex,
    options: {
      /** Called as a request is handed to the socket. */
      onRequest: (messageId: number) => void;
      /** Called with the result of a request, just before ldapts gets it. */
      onResult: (messageId: number, result: LdapResult) => void;
      /** Called where the guard ends the connection, before whoever waits for an answer that came with it goes on. */
      onViolation: () => void;
      limits?: GuardLimits;
    },
  ) {
    super();
    this.#inner = inner;
    this.#limits = options.limits ?? LIMITS;
    this.#onRequest = options.onRequest;
    this.#onResult = options.onResult;
    this.#onViolation = options.onViolation;
    inner.on('data', (chunk: Buffer) => this.#accept(chunk));
    inner.on('end', () => this.emit('end'));
    // The close that follows tells ldapts; its own error listener is not always there.
    inner.on('error', (error: unknown) => {
      this.#failure ??= error;
    });
    inner.once('close', () => this.emit('close'));
  }

  /** Why the guard ended the connection, if it did. */
  get violation(): string | undefined {
    return this.#violation;
  }

  /** The notice of disconnection (RFC 4511 §4.4.1), if the server sent one. */
  get notice(): LdapResult | undefined {
    return this.#notice;
  }

  /** The error of the socket, if it had one. */
  get failure(): unknown {
    return this.#failure;
  }

  get readyState(): 'open' | 'closed' {
    return this.#inner.destroyed ? 'closed' : 'open';
  }

  write(message: Buffer, done?: (error?: Error | null) => void): boolean {
    const envelope = readEnvelope(message);
    // ldapts' writer can cut the last byte of a request that just fills its buffer; the server would wait for it for ever.
    if (envelope === undefined) {
      this.#violate('was to be sent a malformed request, which was held back');
      return false;
    }
    const operations = ANSWERS.get(envelope.operation.tag);
    if (operations !== undefined) {
      this.#expected.set(envelope.messageId, { operations, bytes: 0, messages: 0, elements: 0 });
      this.#onRequest(envelope.messageId);
    }
    return this.#inner.write(message, done);
  }

  /**
   * Hands everything that comes to another reader, as it comes, until it is told null: for what ldapts cannot read, or not fast
   * enough. Only while no request waits for its answer.
   */
  divert(taker: ((chunk: Buffer) => void) | null): void {
    if (this.#expected.size > 0 || this.#held > 0) throw new Error('an answer is still awaited on this connection');
    this.#taker = taker;
  }

  end(): this {
    this.#inner.end();
    return this;
  }

  destroy(): this {
    this.#inner.destroy();
    return this;
  }

  #accept(chunk: Buffer): void {
    if (this.#taker !== null) return this.#taker(chunk);
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    // Joined only once there is a whole header or message, so that a long one costs one copy however it is cut.
    if (this.#held < this.#needed) return;
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    let at = 0;
    while (!this.#inner.destroyed) {
      const header = readBerHeader(bytes, at);
      if (header.kind === 'invalid') return this.#violate(`sent ${header.problem}`);
      if (header.kind === 'short') {
        this.#needed = header.needed;
        break;
      }
      if (header.tag !== 0x30) return this.#violate('sent bytes that are not LDAP');
      if (header.length > this.#limits.messageBytes) return this.#violate(`announced a message of ${header.length} bytes`);
      const whole = header.headerLength + header.length;
      this.#needed = whole;
      if (bytes.length - at < whole) break;
      this.#deliver(bytes.subarray(at, at + whole));
      at += whole;
    }
    this.#chunks = at < bytes.length ? [bytes.subarray(at)] : [];
    this.#held = bytes.length - at;
    if (this.#held === 0) this.#needed = 2;
  }

  #deliver(message: Buffer): void {
    const limits = this.#limits;
    const envelope = readEnvelope(message);
    const elements = envelope && countElements(message, envelope, limits.answerElements);
    if (envelope === undefined || elements === undefined) return this.#violate('sent a malformed message');
    if (elements > limits.answerElements) return this.#violate(`sent a message of more than ${limits.answerElements} elements`);
    const { messageId, operation } = envelope;
    const result = LAST.has(operation.tag) ? readResult(message, envelope) : undefined;
    if (messageId === 0) return this.#unsolicitedNotification(operation.tag, result);
    const expected = this.#expected.get(messageId);
    if (!expected?.operations.has(operation.tag)) return this.#violate('sent an answer that nothing had asked for');
    expected.bytes += message.length;
    expected.messages += 1;
    expected.elements += elements;
    if (isTooMuch(expected, limits)) {
      const { bytes, messages } = expected;
      return this.#violate(`answered one request with ${messages} messages, ${expected.elements} elements and ${bytes} bytes`);
    }
    if (LAST.has(operation.tag)) {
      if (result === undefined) return this.#violate('sent a malformed result');
      this.#expected.delete(messageId);
      this.#onResult(messageId, result);
    }
    this.emit('data', message);
  }

  #unsolicitedNotification(tag: number, result: LdapResult | undefined): void {
    this.#unsolicited += 1;
    if (tag !== OPERATION.extendedResponse || result === undefined || this.#unsolicited > MAX_UNSOLICITED)
      return this.#violate('sent notifications that are none of LDAP');
    // RFC 4511 §4.4.1 is the only notification that says an error and is followed by a close.
    if (result.resultCode !== 0) {
      this.#notice = result;
      this.#inner.destroy();
    }
  }

  #violate(what: string): void {
    this.#violation = what;
    this.#chunks = [];
    this.#held = 0;
    this.#inner.destroy();
    this.#onViolation();
  }
}

function isTooMuch({ bytes, messages, elements }: Expected, limits: GuardLimits): boolean {
  return bytes > limits.answerBytes || messages > limits.answerMessages || elements > limits.answerElements;
}
