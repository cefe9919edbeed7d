import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Attribute, Change, Client, Control } from 'ldapts';
import type { Clock } from '../../access/clock.ts';
import type { Dn } from '../../access/dn.ts';
import type { Filter } from '../../access/filter.ts';
import type { LdapOperation, Metrics } from '../../observability/metrics.ts';
import { DirectoryError } from '../directory.ts';
import { PASSWORD_POLICY } from './bind-advice.ts';
import { type Endpoint, shownAddress, unavailable } from './endpoint.ts';
import { type LdapEntry, readEntry } from './entry.ts';
import { GuardedSocket } from './guard.ts';
import type { LdapResult } from './ldap-message.ts';
import { ldaptsFilter } from './ldapts-filter.ts';
import { type LentConnection, lendConnection } from './lent-connection.ts';
import { answeredError, resultNameOf } from './result-codes.ts';
import { cancelled, unlessAborted, whyClosed, whyOver } from './session-end.ts';

export interface SearchRequest {
  readonly base: string;
  readonly scope: 'base' | 'sub';
  readonly filter: Filter;
  /** Exactly these are read; `1.1` stands for none (RFC 4511 §4.5.1.8). */
  readonly attributes: readonly string[];
  /** 0 for none of ours; the server's own remains. */
  readonly sizeLimit: number;
  readonly control?: Control;
}

export interface SearchAnswer {
  readonly entries: readonly LdapEntry[];
  /** True where the size limit cut the answer: there are more. */
  readonly isCut: boolean;
  /** URIs of parts of the tree that another server has (RFC 4511 §4.5.3); they are never followed. */
  readonly references: readonly string[];
  readonly result: LdapResult;
}

export interface ModifyRequest {
  readonly dn: Dn;
  readonly attribute: string;
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

const SUCCESS = 0;
const SIZE_LIMIT_EXCEEDED = 4;
const COMPARE_FALSE = 5;
const COMPARE_TRUE = 6;
/** Each is an answer to one kind of operation, and ldapts does not reject where it is. */
const ANSWERED: ReadonlySet<number> = new Set([SUCCESS, SIZE_LIMIT_EXCEEDED, COMPARE_FALSE, COMPARE_TRUE]);
const WHO_AM_I = '1.3.6.1.4.1.4203.1.11.3';

interface Operation {
  readonly kind: LdapOperation;
  messageId: number | undefined;
  result: LdapResult | undefined;
}

export interface SessionOptions {
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  readonly readTimeoutMs: number;
  /** What a referral answer (RFC 4511 §4.1.10) comes to: why the session ends, or null where it is an answer like others. */
  readonly onReferral?: (uris: readonly string[]) => DirectoryError | null;
  /** Told where a search was referred to for a part of its answer (RFC 4511 §4.5.3). */
  readonly onReferences?: (uris: readonly string[]) => void;
  readonly metrics?: Pick<Metrics, 'ldapAnswered'> | undefined;
}

/**
 * One connection and its one life: whatever ends it (a close, a deadline, a message that cannot be read) ends it for good,
 * and every operation that waits fails with `unavailable`. ldapts only encodes and decodes here: it never opens a socket,
 * never does TLS, never reconnects. It is given the socket once, and throws when it asks again.
 *
 * A deadline for each operation is ours; it ends the session, since what comes later could belong to nobody.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #inner: Duplex;
  readonly #socket: GuardedSocket;
  readonly #client: Client;
  readonly #starting: Operation[] = [];
  readonly #waiting = new Map<number, Operation>();
  readonly #end = Promise.withResolvers<DirectoryError>();
  readonly #openedMs: number;
  #ended: DirectoryError | undefined;
  #lastUsedMs: number;
  #account: Dn | null = null;
  #wasHungUp = false;
  #isLent = false;

  constructor(socket: Duplex, options: SessionOptions) {
    this.#options = options;
    this.#inner = socket;
    this.#openedMs = options.clock.monotonicMs();
    this.#lastUsedMs = this.#openedMs;
    this.#socket = new GuardedSocket(socket, {
      onRequest: (messageId) => this.#sent(messageId),
      onResult: (messageId, result) => this.#answered(messageId, result),
      onViolation: () => this.#finish(),
    });
    let isHandedOver = false;
    this.#client = new Client({
      url: 'ldap://single-use',
      timeout: 0,
      connectTimeout: 0,
      createConnection: () => {
        if (isHandedOver) throw new Error('this connection has ended');
        isHandedOver = true;
        // ldapts uses no more of a socket than the guard has.
        return this.#socket as unknown as Socket;
      },
    });
    this.#socket.once('close', () => this.#finish());
  }

  /** Resolves, never rejects, when the session has ended, with why. */
  get ended(): Promise<DirectoryError> {
    return this.#end.promise;
  }

  get isOver(): boolean {
    return this.#ended !== undefined;
  }

  /** Monotonic instant of the last request. */
  get lastUsedMs(): number {
    return this.#lastUsedMs;
  }

  get endpoint(): Endpoint {
    return this.#options.endpoint;
  }

  /** The name of our own entry, once it is proved; null where we have none or it must not be read. */
  get account(): Dn | null {
    return this.#account;
  }

  /** Called once, when the server is known to take us for our account. */
  proved(account: Dn | null): void {
    this.#account = account;
  }

  /** True where the other side ended the connection and did not say why. */
  get wasHungUp(): boolean {
    return this.#wasHungUp;
  }

  /** Ends the session without a word; `why` is told to whoever waits. */
  destroy(why: DirectoryError): void {
    this.#ended ??= why;
    this.#socket.destroy();
    this.#end.resolve(this.#ended);
  }

  /**
   * Lends the connection: bytes are given as they come, and nothing is asked here until it is given back. It is still this session
   * that ends with it, and says why. Throws while an operation waits.
   */
  lend(take: (chunk: Buffer) => void): LentConnection {
    if (this.#isLent || this.#waiting.size > 0 || this.#starting.length > 0) throw new Error('this connection is in use');
    this.#isLent = true;
    const onReturn = () => {
      this.#isLent = false;
    };
    const onAnswer = (result: LdapResult | undefined, tookMs: number) => this.#count('read', { result, tookMs });
    const { onReferences } = this.#options;
    return lendConnection({ inner: this.#inner, guard: this.#socket, take, onReferences, onAnswer, onReturn });
  }

  /** Takes leave (RFC 4511 §4.3) and ends the session. */
  async close(): Promise<void> {
    this.#ended ??= new DirectoryError('unavailable', 'The connection to the directory was closed by us.');
    this.#end.resolve(this.#ended);
    // It resolves when the socket has closed; one that is gone already has nothing to say.
    await this.#client.unbind().catch(() => undefined);
    this.#socket.destroy();
  }

  /**
   * A simple bind (RFC 4513 §5.1.3), or, without a name, SASL EXTERNAL (RFC 4422 appendix A). Resolves with the answer, success
   * or not, which may say more of the password by a control. An empty password must not come here.
   */
  async bind(simple: { name: string; password: string } | null): Promise<LdapResult> {
    const controls = new Control(PASSWORD_POLICY);
    const ask = () =>
      simple === null
        ? this.#client.bindSASL('EXTERNAL', '', controls)
        : this.#client.bind(simple.name, simple.password, controls);
    return await this.#operate(ask, { doing: `bind as ${simple?.name ?? 'the client certificate'}`, kind: 'bind' });
  }

  /** Who the server takes us for (RFC 4532): an authzId, empty for nobody; null where it cannot say. */
  async whoAmI(): Promise<string | null> {
    let authzId = '';
    const ask = async () => {
      authzId = (await this.#client.exop(WHO_AM_I)).value ?? '';
    };
    const result = await this.#operate(ask, { doing: 'ask who we are', kind: 'who_am_i' });
    return result.resultCode === SUCCESS ? authzId : null;
  }

  /**
   * One search. A size limit that was reached is an answer that is cut; any other result but success rejects. `signal`
   * stops the waiting, not the search.
   */
  async search(request: SearchRequest, signal?: AbortSignal): Promise<SearchAnswer> {
    const { base, scope, attributes, sizeLimit, control } = request;
    const doing = `search ${scope === 'base' ? 'of' : 'beneath'} "${base}"`;
    let entries: readonly LdapEntry[] = [];
    let references: readonly string[] = [];
    const ask = async () => {
      const found = await this.#client.search(
        base,
        {
          scope,
          filter: ldaptsFilter(request.filter),
          attributes: [...attributes],
          // ldapts would take some bytes for text, by chance, and drop a byte order mark.
          explicitBufferAttributes: [...attributes],
          sizeLimit,
          // ldapts would say 10 s; the deadline here is ours, and the server's own limit holds anyway.
          timeLimit: Math.ceil(this.#options.readTimeoutMs / 1000),
        },
        control,
      );
      references = found.searchReferences;
      if (references.length > 0) this.#options.onReferences?.(references);
      entries = found.searchEntries.map((entry) => readEntry(entry, attributes));
    };
    const result = await this.#operate(ask, { doing, kind: 'search', ...(signal === undefined ? {} : { signal }) });
    const isCut = result.resultCode === SIZE_LIMIT_EXCEEDED && sizeLimit > 0;
    if (result.resultCode !== SUCCESS && !isCut) throw answeredError(result, doing);
    return { entries, isCut, references, result };
  }

  /** Whether an attribute of an entry has a value (RFC 4511 §4.10). Rejects where the server does not say. */
  async compare({ dn, attribute, value }: { dn: Dn; attribute: string; value: string }, signal?: AbortSignal): Promise<boolean> {
    const doing = `compare ${attribute} of "${dn}"`;
    const ask = async () => void (await this.#client.compare(dn, attribute, value));
    const { resultCode, ...result } = await this.#operate(ask, {
      doing,
      kind: 'compare',
      ...(signal === undefined ? {} : { signal }),
    });
    if (resultCode !== COMPARE_TRUE && resultCode !== COMPARE_FALSE) throw answeredError({ resultCode, ...result }, doing);
    return resultCode === COMPARE_TRUE;
  }

  /** One modify of exactly these values. Resolves with its result, whatever that is; rejects with `sent` told where none came. */
  async modify({ dn, attribute, add, remove }: ModifyRequest): Promise<LdapResult> {
    const change = (operation: 'add' | 'delete', values: readonly string[]) =>
      values.length === 0
        ? []
        : [new Change({ operation, modification: new Attribute({ type: attribute, values: [...values] }) })];
    const changes = [...change('add', add), ...change('delete', remove)];
    return await this.#operate(() => this.#client.modify(dn, changes), {
      doing: `change ${attribute} of "${dn}"`,
      kind: 'modify',
    });
  }

  /** Runs one operation of ldapts and resolves with the result that the server gave, success or not. */
  async #operate(
    start: () => Promise<void>,
    options: { doing: string; kind: LdapOperation; signal?: AbortSignal },
  ): Promise<LdapResult> {
    const { doing, signal, kind } = options;
    if (this.#ended !== undefined) throw this.#failure({ doing, sent: false });
    if (this.#isLent) throw new Error('this connection is lent');
    if (signal?.aborted === true) throw cancelled(doing, signal);
    const { clock, endpoint, readTimeoutMs } = this.#options;
    const operation: Operation = { kind, messageId: undefined, result: undefined };
    this.#starting.push(operation);
    const beganMs = clock.monotonicMs();
    this.#lastUsedMs = beganMs;
    const expired = () =>
      this.destroy(unavailable(endpoint, { trouble: 'timed_out', doing: 'get an answer from the directory' }));
    const cancelTimer = clock.timer(readTimeoutMs, expired);
    const answered = start().then(
      () => ({ complaint: undefined }),
      (complaint: unknown) => ({ complaint }),
    );
    const work = answered.finally(() => this.#forget(operation));
    try {
      const first = await unlessAborted(Promise.race([work, this.#end.promise]), { doing, signal });
      // The session ended before ldapts had the whole answer, or what came with it was none of LDAP: it is not an answer.
      if (first instanceof DirectoryError || this.#socket.violation !== undefined)
        throw this.#failure({ doing, sent: wasSent(operation) });
      return this.#heeded(this.#agreed(operation, { doing, complaint: first.complaint }), {
        doing,
        isBind: kind === 'bind',
      });
    } finally {
      cancelTimer();
      this.#count(kind, { result: operation.result, tookMs: clock.monotonicMs() - beganMs, signal });
    }
  }

  /**
   * The result as the guard read it, where ldapts understood the same: it rejects with the result's code, or not at all.
   * Anything else leaves the session in doubt and ends it.
   */
  #agreed(operation: Operation, { doing, complaint }: { doing: string; complaint: unknown }): LdapResult {
    if (complaint instanceof DirectoryError) throw complaint;
    const { result } = operation;
    if (result !== undefined && complaint === undefined && ANSWERED.has(result.resultCode)) return result;
    if (result !== undefined && complaint instanceof Error && 'code' in complaint && complaint.code === result.resultCode)
      return result;
    this.destroy(
      new DirectoryError(
        'unavailable',
        `The answer of ${shownAddress(this.#options.endpoint)} to "${doing}" could not be read.`,
        {
          cause: complaint,
        },
      ),
    );
    throw this.#failure({ doing, sent: wasSent(operation) });
  }

  /** An answer that is about the session ends it; see {@link whyOver}. */
  #heeded(result: LdapResult, { doing, isBind }: { doing: string; isBind: boolean }): LdapResult {
    const { clock, onReferral = () => null } = this.#options;
    const ageMs = clock.monotonicMs() - this.#openedMs;
    const why = whyOver(result, { doing, isBind, ageMs, onReferral });
    if (why === null) return result;
    this.destroy(why);
    throw why;
  }

  /** One that has no result was given up by whoever asked, or never answered. */
  #count(
    operation: LdapOperation,
    { result, tookMs, signal }: { result: LdapResult | undefined; tookMs: number; signal?: AbortSignal | undefined },
  ): void {
    const without = signal?.aborted === true ? 'cancelled' : 'no_answer';
    this.#options.metrics?.ldapAnswered({
      operation,
      result: result === undefined ? without : resultNameOf(result.resultCode),
      tookMs,
    });
  }

  #forget(operation: Operation): void {
    const at = this.#starting.indexOf(operation);
    if (at >= 0) this.#starting.splice(at, 1);
    if (operation.messageId !== undefined) this.#waiting.delete(operation.messageId);
  }

  /** Every kind of operation takes the same turns from its start to its write, so requests are written in the order of their start. */
  #sent(messageId: number): void {
    const operation = this.#starting.shift();
    if (operation === undefined) return;
    operation.messageId = messageId;
    this.#waiting.set(messageId, operation);
  }

  #answered(messageId: number, result: LdapResult): void {
    const operation = this.#waiting.get(messageId);
    if (operation !== undefined) operation.result = result;
  }

  #finish(): void {
    const { endpoint } = this.#options;
    const said = whyClosed(endpoint, this.#socket);
    if (this.#ended === undefined && said === null) this.#wasHungUp = true;
    this.#ended ??= said ?? unavailable(endpoint, { trouble: 'closed', doing: 'stay connected' });
    this.#end.resolve(this.#ended);
  }

  #failure({ doing, sent }: { doing: string; sent: boolean }): DirectoryError {
    const why = this.#ended?.message ?? 'The connection ended.';
    return new DirectoryError('unavailable', `No answer to: ${doing}. ${why}`, { sent, cause: this.#ended });
  }
}

/** Only of a write does it matter that it may have been done. */
function wasSent({ kind, messageId }: Operation): boolean {
  return kind === 'modify' && messageId !== undefined;
}
