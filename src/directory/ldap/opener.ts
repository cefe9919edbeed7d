import type { Clock } from '../../access/clock.ts';
import { instant } from '../../access/instant.ts';
import type { KeyPin } from '../../access/key-pin.ts';
import type { Logger } from '../../observability/logger.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { DirectoryError } from '../directory.ts';
import type { BindGate } from './bind-refusal.ts';
import { type BindOptions, bind, expiryWarning } from './bind-session.ts';
import { type BindWay, type Credential, readCredential } from './credential.ts';
import { type DialStage, dial, type OpenSocket, type ReadCertificate, type SecureContextSource } from './dial.ts';
import { type Endpoint, endpointNamed, shownAddress, unavailable } from './endpoint.ts';
import { openInTurn } from './open-in-turn.ts';
import { Session } from './session.ts';

/** The servers of LDAP_URL, in order. */
export type Endpoints = readonly [Endpoint, ...Endpoint[]];

export interface OpenerOptions {
  readonly endpoints: Endpoints;
  readonly openSocket: OpenSocket;
  readonly secureContext: SecureContextSource;
  readonly pins: readonly KeyPin[];
  /** Asked anew at each connection; null where we show none. */
  readonly clientCertificate: (() => Promise<ReadCertificate>) | null;
  readonly bind: BindWay;
  readonly allowCleartext: boolean;
  /** `follow`: a referral to a server of `endpoints` makes it the one in use. No other server is ever spoken to. */
  readonly referrals: 'ignore' | 'follow';
  readonly gate: BindGate;
  readonly clock: Clock;
  readonly logger: Logger;
  /** For TCP, TLS and the bind together, at one server. */
  readonly connectTimeoutMs: number;
  readonly readTimeoutMs: number;
  readonly metrics?: SessionMetrics | undefined;
}

/** What is counted of sessions and of what is said on them. */
export type SessionMetrics = Pick<Metrics, 'ldapAnswered' | 'ldapSession' | 'certificateSeen'>;

export type OpenStage = DialStage | { readonly stage: 'bind'; readonly identity: string };

/**
 * Opens a session: TCP, TLS, bind, proof of identity, within one deadline. Only a session that the server takes for our
 * account is handed out. Attempts follow one another, so that a wrong password is never sent twice at once.
 *
 * There is one server in use. Only where no connection comes about with it (its name, TCP, TLS, its silence, or its answer to
 * the bind that it is busy or unavailable) is the next of LDAP_URL tried, and the one that serves stays in use until it fails.
 * A refused bind is the same account's everywhere, and is tried nowhere else.
 */
export interface SessionOpener {
  /** `at`: that server and no other, which changes nothing about the one in use. */
  open(signal: AbortSignal, options?: OpenOptions): Promise<Session>;
  /** The server in use. */
  inUse(): Endpoint;
  /** Whether there are others. */
  isOneOfSeveral(): boolean;
  /** It let us in and did not serve: the next attempt begins with the one after it. */
  passOver(endpoint: Endpoint): void;
}

export interface OpenOptions {
  readonly at?: Endpoint;
  readonly onStage?: (stage: OpenStage) => void;
  /** True where a referral is an answer like any other, whatever `referrals` says. */
  readonly staysOnReferral?: boolean;
}

export function sessionOpener(options: OpenerOptions): SessionOpener {
  const { endpoints, gate, logger } = options;
  let last: Promise<unknown> = Promise.resolve();
  let inUse: Endpoint = endpoints[0];
  const complaints = new Map<Endpoint, string>();
  const referred = new Set<string>();
  let keptFor: string | null = null;
  const onPasswordWords = expiryWarning(options);

  const after = (endpoint: Endpoint): Endpoint => endpoints[(endpoints.indexOf(endpoint) + 1) % endpoints.length] ?? endpoint;

  /** Said once for each reason: the next attempts meet it again. */
  const complain = (endpoint: Endpoint, error: DirectoryError): void => {
    if (complaints.get(endpoint) === error.message) return;
    complaints.set(endpoint, error.message);
    logger.warn({ event: 'directory.server-unavailable', server: shownAddress(endpoint) }, error.message);
  };

  /** RFC 4511 §4.1.10: the server says that another can do it. */
  const followed = (from: Endpoint, uris: readonly string[]): DirectoryError | null => {
    const others = endpoints.filter((endpoint) => endpoint !== from);
    const to = options.referrals === 'follow' ? endpointNamed(uris, others) : undefined;
    if (to === undefined) return null;
    inUse = to;
    const message = `The directory at ${shownAddress(from)} referred us to ${shownAddress(to)}, which is in LDAP_URL and is asked from now on.`;
    return new DirectoryError('unavailable', message);
  };

  /** Bounded by the servers that a directory refers to; each is told of once. */
  const ignored = (uris: readonly string[]): void => {
    const fresh = uris.filter((uri) => !referred.has(uri)).slice(0, Math.max(0, MAX_REFERENCES_TOLD - referred.size));
    for (const uri of fresh) referred.add(uri);
    if (fresh.length > 0)
      logger.info(
        { event: 'directory.reference-ignored', servers: fresh },
        `a part of the directory is on other servers, which are not asked: ${fresh.join(', ')}`,
      );
  };

  const openAt = async (endpoint: Endpoint, credential: Credential, how: Attempt): Promise<Session | DirectoryError> =>
    await attemptAt(
      {
        ...options,
        endpoint,
        credential,
        onStage: how.onStage,
        followed: how.staysOnReferral ? () => null : followed,
        ignored,
        onPasswordWords,
      },
      how.signal,
    );

  const openAny = async (credential: Credential, how: Attempt): Promise<Session> => {
    const failures: DirectoryError[] = [];
    let endpoint = inUse;
    for (const _ of endpoints) {
      const opened = await openAt(endpoint, credential, how);
      if (!(opened instanceof DirectoryError)) {
        inUse = endpoint;
        complaints.delete(endpoint);
        return opened;
      }
      failures.push(opened);
      if (how.signal.aborted) break;
      if (endpoints.length > 1) complain(endpoint, opened);
      endpoint = after(endpoint);
    }
    throw allFailed(failures);
  };

  const openOnly = async (endpoint: Endpoint, credential: Credential, how: Attempt): Promise<Session> => {
    const opened = await openAt(endpoint, credential, how);
    if (opened instanceof DirectoryError) throw opened;
    return opened;
  };

  /** Said once for each reason, until what is configured is accepted: each new session meets it again. */
  const onKept = (why: unknown): void => {
    const reason = why instanceof Error ? why.message : String(why);
    if (reason === keptFor) return;
    keptFor = reason;
    logger.warn(
      { event: 'directory.password-kept' },
      `what is configured to bind with cannot be used, so what was accepted last still is, until what is configured can be read and is accepted. ${reason}`,
    );
  };

  const onAccepted = (): void => {
    if (keptFor === null) return;
    keptFor = null;
    logger.info({ event: 'directory.password-accepted' }, 'what is configured to bind with is accepted, and used from now on');
  };

  const open = async (at: Endpoint | undefined, how: Attempt): Promise<Session> => {
    const opening = (tried: Credential) => (at === undefined ? openAny(tried, how) : openOnly(at, tried, how));
    return await openInTurn({ read: () => readCredential(options), gate, opening, onKept, onAccepted });
  };

  return {
    async open(signal, { at, onStage = () => undefined, staysOnReferral = false } = {}) {
      const mine = last.then(() => open(at, { signal, onStage, staysOnReferral }));
      last = mine.catch(() => undefined);
      return await mine;
    },
    inUse: () => inUse,
    isOneOfSeveral: () => endpoints.length > 1,
    passOver(endpoint) {
      if (inUse === endpoint) inUse = after(endpoint);
    },
  };
}

const MAX_REFERENCES_TOLD = 16;

interface Attempt {
  readonly signal: AbortSignal;
  readonly staysOnReferral: boolean;
  readonly onStage: (stage: OpenStage) => void;
}

function allFailed(failures: readonly DirectoryError[]): DirectoryError {
  const [first, ...others] = failures;
  if (first === undefined || others.length === 0)
    return first ?? new DirectoryError('unavailable', 'No server of LDAP_URL was tried.');
  const message = `No server of LDAP_URL can be used. ${failures.map((failure) => failure.message).join(' ')}`;
  return new DirectoryError('unavailable', message, { ldap: failures.at(-1)?.ldap ?? null, cause: first });
}

interface AttemptAt extends OpenerOptions {
  readonly endpoint: Endpoint;
  readonly credential: Credential;
  readonly onStage: (stage: OpenStage) => void;
  readonly followed: (from: Endpoint, uris: readonly string[]) => DirectoryError | null;
  readonly ignored: (uris: readonly string[]) => void;
  readonly onPasswordWords: BindOptions['onPasswordWords'];
}

/** Resolves with an error where no connection came about with this server, so that another may be tried; rejects with any other. */
async function attemptAt(options: AttemptAt, signal: AbortSignal): Promise<Session | DirectoryError> {
  const { endpoint, clock, connectTimeoutMs } = options;
  const deadline = new AbortController();
  const expire = () => deadline.abort(unavailable(endpoint, { trouble: 'timed_out', doing: 'connect to the directory' }));
  const cancelTimer = clock.timer(connectTimeoutMs, expire);
  const stop = () =>
    deadline.abort(new DirectoryError('unavailable', 'Connecting to the directory was given up.', { cause: signal.reason }));
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) stop();
    return await openWithin(options, deadline.signal);
  } finally {
    cancelTimer();
    signal.removeEventListener('abort', stop);
  }
}

async function openWithin(options: AttemptAt, signal: AbortSignal): Promise<Session | DirectoryError> {
  const { endpoint, allowCleartext, credential, clock, readTimeoutMs, followed, ignored, metrics } = options;
  const onStage = (stage: DialStage): void => {
    if (stage.stage === 'tls') metrics?.certificateSeen('directory', instant(Date.parse(stage.validTo)));
    options.onStage(stage);
  };
  const dialled = await dial({ ...options, onStage, certificate: credential.certificate }, signal).catch(asDirectoryError);
  if (dialled instanceof DirectoryError) return dialled;
  const { socket, isEncrypted, isLoopback } = dialled;
  if (credential.simple !== null && !isEncrypted && !isLoopback && !allowCleartext) {
    socket.destroy();
    const message = `The password is not sent in clear to ${shownAddress(endpoint)}: use ldaps://, LDAP_START_TLS=true, or LDAP_ALLOW_CLEARTEXT=true.`;
    throw new DirectoryError('unavailable', message);
  }
  const session = new Session(socket, {
    endpoint,
    clock,
    readTimeoutMs,
    onReferral: (uris) => followed(endpoint, uris),
    onReferences: ignored,
    metrics,
  });
  const expire = () => session.destroy(asDirectoryError(signal.reason));
  signal.addEventListener('abort', expire, { once: true });
  try {
    if (signal.aborted) expire();
    await bind({ ...options, session });
    metrics?.ldapSession('opened');
    void session.ended.then(() => metrics?.ldapSession('ended'));
    return session;
  } catch (error) {
    // Where the session has ended by itself, or the server is only busy, nothing was said of the account.
    const isNoConnection = session.isOver || isBusy(error);
    session.destroy(asDirectoryError(error));
    const why = signal.aborted ? signal.reason : error;
    if (isNoConnection) return session.wasHungUp && isEncrypted ? hungUp(why) : asDirectoryError(why);
    throw why;
  } finally {
    signal.removeEventListener('abort', expire);
  }
}

/** GnuTLS, which OpenLDAP uses on Debian, refuses a client certificate, or its absence, without a word. */
function hungUp(error: unknown): DirectoryError {
  const { message } = asDirectoryError(error);
  return new DirectoryError(
    'unavailable',
    `${message} If it demands a client certificate, check LDAP_CERT_FILE, LDAP_KEY_FILE, and which authorities it trusts.`,
    { cause: error },
  );
}

/** Results busy and unavailable (RFC 4511 appendix A). */
const BUSY: ReadonlySet<number> = new Set([51, 52]);

function isBusy(error: unknown): boolean {
  return error instanceof DirectoryError && error.ldap !== null && BUSY.has(error.ldap.resultCode);
}

function asDirectoryError(error: unknown): DirectoryError {
  return error instanceof DirectoryError
    ? error
    : new DirectoryError('unavailable', 'The connection to the directory failed.', { cause: error });
}
