import type { SecureContext } from 'node:tls';
import type { Clock } from '../../access/clock.ts';
import { type Dn, parseDn, sameDn } from '../../access/dn.ts';
import { DirectoryError } from '../directory.ts';
import type { BindGate } from './bind-refusal.ts';
import { type DialStage, dial, type OpenSocket } from './dial.ts';
import { type Endpoint, shownAddress, unavailable } from './endpoint.ts';
import { ANY_ENTRY, idOf } from './entry.ts';
import { flavourOf } from './flavour.ts';
import { Session } from './session.ts';

/** Something that holds a secret and shows it only when asked. */
export interface BindPassword {
  reveal(): string;
}

export interface OpenerOptions {
  readonly endpoint: Endpoint;
  readonly openSocket: OpenSocket;
  readonly secureContext: () => SecureContext;
  readonly bindDn: Dn;
  /** Asked anew at each bind. */
  readonly bindPassword: () => Promise<BindPassword>;
  readonly allowCleartext: boolean;
  readonly gate: BindGate;
  readonly clock: Clock;
  /** For TCP, TLS and the bind together. */
  readonly connectTimeoutMs: number;
  readonly readTimeoutMs: number;
}

export type OpenStage = DialStage | { readonly stage: 'bind'; readonly identity: string };

/**
 * Opens a session: TCP, TLS, bind, proof of identity, within one deadline. Only a session that the server takes for our
 * account is handed out. Attempts follow one another, so that a wrong password is never sent twice at once.
 */
export interface SessionOpener {
  open(signal: AbortSignal, onStage?: (stage: OpenStage) => void): Promise<Session>;
}

export function sessionOpener(options: OpenerOptions): SessionOpener {
  let last: Promise<unknown> = Promise.resolve();
  return {
    async open(signal, onStage = () => undefined) {
      const mine = last.then(() => attempt(options, { signal, onStage }));
      last = mine.catch(() => undefined);
      return await mine;
    },
  };
}

async function attempt(
  options: OpenerOptions,
  { signal, onStage }: { signal: AbortSignal; onStage: (stage: OpenStage) => void },
): Promise<Session> {
  const { endpoint, gate, clock, connectTimeoutMs } = options;
  const password = await readPassword(options);
  await gate.admit(password);
  const deadline = new AbortController();
  const expire = () => deadline.abort(unavailable(endpoint, { trouble: 'timed_out', doing: 'connect to the directory' }));
  const cancelTimer = clock.timer(connectTimeoutMs, expire);
  const stop = () =>
    deadline.abort(new DirectoryError('unavailable', 'Connecting to the directory was given up.', { cause: signal.reason }));
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) stop();
    return await openWithin({ ...options, password, onStage }, deadline.signal);
  } finally {
    cancelTimer();
    signal.removeEventListener('abort', stop);
  }
}

async function readPassword({ bindPassword, bindDn }: OpenerOptions): Promise<string> {
  const secret = await bindPassword().catch((cause: unknown) => {
    throw new DirectoryError('unavailable', `The password of ${bindDn} could not be read; check LDAP_BIND_PASSWORD_FILE.`, {
      cause,
    });
  });
  const password = secret.reveal();
  // RFC 4513 §5.1.2: some servers answer success to a bind without a password, and treat the connection as nobody's.
  if (password === '') throw new DirectoryError('unavailable', `The password of ${bindDn} is empty, so no bind was tried.`);
  return password;
}

async function openWithin(
  options: OpenerOptions & { password: string; onStage: (stage: OpenStage) => void },
  signal: AbortSignal,
): Promise<Session> {
  const { endpoint, allowCleartext, bindDn, password, gate, onStage, clock, readTimeoutMs } = options;
  const { socket, isEncrypted, isLoopback } = await dial(options, signal);
  if (!isEncrypted && !isLoopback && !allowCleartext) {
    socket.destroy();
    const message = `The password is not sent in clear to ${shownAddress(endpoint)}: use ldaps://, LDAP_START_TLS=true, or LDAP_ALLOW_CLEARTEXT=true.`;
    throw new DirectoryError('unavailable', message);
  }
  const session = new Session(socket, { endpoint, clock, readTimeoutMs });
  const expire = () => session.destroy(asDirectoryError(signal.reason));
  signal.addEventListener('abort', expire, { once: true });
  try {
    if (signal.aborted) expire();
    await bind({ session, bindDn, password, gate });
    onStage({ stage: 'bind', identity: await proveIdentity(session, bindDn) });
    return session;
  } catch (error) {
    session.destroy(asDirectoryError(error));
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener('abort', expire);
  }
}

async function bind(options: { session: Session; bindDn: Dn; password: string; gate: BindGate }): Promise<void> {
  const { session, bindDn, password, gate } = options;
  try {
    await session.bind(bindDn, password);
  } catch (error) {
    if (!(error instanceof DirectoryError) || error.ldap === null) throw error;
    if (error.fault === 'bind_refused') {
      await gate.refused(password);
      const advice = `Check LDAP_BIND_DN and the password; it is not tried again for a while, so as not to lock the account, unless it is changed.`;
      throw new DirectoryError('bind_refused', `${error.message} ${advice}`, { ldap: error.ldap });
    }
    // Not the password's fault, and nothing that was asked of us was refused: there is no session, that is all.
    throw new DirectoryError('unavailable', error.message, { ldap: error.ldap });
  }
  await gate.accepted();
}

/** What the server takes us for, in words. Rejects where that is nobody or another. */
async function proveIdentity(session: Session, bindDn: Dn): Promise<string> {
  const authzId = await session.whoAmI();
  if (authzId === '')
    throw new DirectoryError('unavailable', `The directory accepted the bind of ${bindDn} but takes us for nobody.`);
  const named = authzId?.startsWith('dn:') ? parseDn(authzId.slice('dn:'.length).trim()) : undefined;
  if (named?.ok && sameDn(named.value, bindDn)) return authzId ?? '';
  // Who am I? is not known to every server, and names have more than one spelling: our own entry decides then.
  const ours = await entryAt(session, bindDn);
  if (ours === null)
    throw new DirectoryError('unavailable', `The directory accepted the bind of ${bindDn} but does not show that entry to it.`);
  if (authzId === null || named === undefined || !named.ok) return ours.dn;
  const theirs = await entryAt(session, named.value);
  if (theirs?.id === ours.id) return authzId;
  throw new DirectoryError('unavailable', `The directory accepted the bind of ${bindDn} but takes us for ${authzId}.`);
}

async function entryAt(session: Session, dn: Dn): Promise<{ dn: Dn; id: string } | null> {
  const { idAttribute } = flavourOf();
  const answer = await session.search({
    base: dn,
    scope: 'base',
    filter: ANY_ENTRY,
    attributes: [idAttribute],
    sizeLimit: 1,
  });
  const [entry] = answer.entries;
  return entry === undefined ? null : { dn: entry.dn, id: idOf(entry, idAttribute) };
}

function asDirectoryError(error: unknown): DirectoryError {
  return error instanceof DirectoryError
    ? error
    : new DirectoryError('unavailable', 'The connection to the directory failed.', { cause: error });
}
