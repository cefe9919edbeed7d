import { DirectoryError } from '../directory.ts';
import { type Endpoint, shownAddress, troubleOf, unavailable } from './endpoint.ts';
import type { GuardedSocket } from './guard.ts';
import type { LdapResult } from './ldap-message.ts';
import { answeredError, ldapAnswer } from './result-codes.ts';

const OPERATIONS_ERROR = 1;
const REFERRAL = 10;
const INVALID_CREDENTIALS = 49;
/** A session that is older than this may have lost its authentication; a younger one that is told so is misunderstood. */
const AUTHENTICATION_DOUBTED_AFTER_MS = 60_000;

/**
 * Why an answer ends its session, and the operation was not done; null for all but three. A referral that is followed; 49 to
 * anything but a bind; and, on a session that was good once, 1, which is how Active Directory says that it has forgotten who we
 * are. The next session says by its bind what is wrong with the account, if anything is.
 */
export function whyOver(
  result: LdapResult,
  about: {
    doing: string;
    isBind: boolean;
    /** Of the session. */
    ageMs: number;
    onReferral: (uris: readonly string[]) => DirectoryError | null;
  },
): DirectoryError | null {
  const { doing, isBind, ageMs, onReferral } = about;
  const { resultCode, referral } = result;
  if (resultCode === REFERRAL) return onReferral(referral);
  const isForgotten = resultCode === OPERATIONS_ERROR && ageMs >= AUTHENTICATION_DOUBTED_AFTER_MS;
  if (isBind || !(resultCode === INVALID_CREDENTIALS || isForgotten)) return null;
  const { message, ldap } = answeredError(result, doing);
  return new DirectoryError('unavailable', `${message} It no longer takes us for our account, so we bind again.`, { ldap });
}

/** Why the socket closed, as far as anything was said; null where it was not. */
export function whyClosed(
  endpoint: Endpoint,
  { violation, notice, failure }: Pick<GuardedSocket, 'violation' | 'notice' | 'failure'>,
): DirectoryError | null {
  if (violation !== undefined) return new DirectoryError('unavailable', `The server at ${shownAddress(endpoint)} ${violation}.`);
  if (notice !== undefined) return disconnected(endpoint, notice);
  // With TLS 1.3 a client's certificate is refused after the handshake (RFC 8446 §4.4.2.4), and the alert comes by this way.
  if (failure !== undefined)
    return unavailable(endpoint, { trouble: troubleOf(failure), doing: 'stay connected', cause: failure });
  return null;
}

/** RFC 4511 §4.4.1: the server says why it disconnects, and has done with every operation that it has not answered. */
function disconnected(endpoint: Endpoint, notice: LdapResult): DirectoryError {
  const { resultCode, resultName, diagnosticMessage } = ldapAnswer(notice);
  const said = diagnosticMessage === '' ? '' : `: ${diagnosticMessage}`;
  return new DirectoryError(
    'unavailable',
    `The directory at ${shownAddress(endpoint)} said that it disconnects: ${resultCode} (${resultName})${said}.`,
  );
}

/** For whoever stopped waiting. */
export function cancelled(doing: string, signal: AbortSignal): DirectoryError {
  return new DirectoryError('unavailable', `Given up: ${doing}.`, { cause: signal.reason });
}

/** Stops waiting where `signal` aborts; the work goes on. */
export async function unlessAborted<T>(
  work: Promise<T>,
  options: { doing: string; signal: AbortSignal | undefined },
): Promise<T> {
  const { doing, signal } = options;
  if (signal === undefined) return await work;
  const { promise, reject } = Promise.withResolvers<never>();
  const aborted = () => reject(cancelled(doing, signal));
  signal.addEventListener('abort', aborted, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', aborted);
    // The operation goes on without us; how it ends is then nobody's concern.
    work.catch(() => undefined);
  }
}
