import type { Clock } from '../../../access/clock.ts';
import { parseDn } from '../../../access/dn.ts';
import type { KeyPin } from '../../../access/key-pin.ts';
import type { UserRef } from '../../../access/reference.ts';
import { DirectoryError, type Resolution, type UserEntry } from '../../directory.ts';
import { type BindTrouble, type BindWords, bindWords } from '../bind-advice.ts';
import { dial, type OpenSocket, type ReadCertificate, type SecureContextSource, type ShownCertificate } from '../dial.ts';
import { shownAddress, unavailable } from '../endpoint.ts';
import type { LdapResult } from '../ldap-message.ts';
import type { Place } from '../place.ts';
import { findUser } from '../resolve.ts';
import { ldapAnswer } from '../result-codes.ts';
import { Session } from '../session.ts';
import { type Finding, failed, ok, warned } from './steps.ts';

/** A user whose password is to be tried once: a DN, an e-mail address or a username, and what a person typed. */
export interface LoginTried {
  readonly user: string;
  readonly password: { reveal(): string };
}

export interface LoginOptions {
  readonly openSocket: OpenSocket;
  readonly secureContext: SecureContextSource;
  readonly pins: readonly KeyPin[];
  readonly clientCertificate: (() => Promise<ReadCertificate>) | null;
  readonly allowCleartext: boolean;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  readonly readTimeoutMs: number;
}

/** Finds the user as our account, then binds once as them on a connection of its own. */
export type TryLogin = (place: Place, login: LoginTried, signal: AbortSignal) => Promise<Finding>;

export function loginTrial(options: LoginOptions): TryLogin {
  return async (place, { user, password }, signal) => {
    // RFC 4513 §5.1.2: some servers answer success to it, for anybody.
    if (password.reveal() === '') return failed('an empty password is not sent: it would prove nothing');
    const found = await resolved(place, user, signal);
    if (found.kind !== 'found') return failed(notFound(found, user));
    const { entry } = found;
    const session = await connect({ ...options, place }, signal);
    try {
      const result = await session.bind({ name: entry.dn, password: password.reveal() });
      return judged(result, entry);
    } finally {
      await session.close();
    }
  };
}

/** By what a person may type: a DN, an e-mail address, or a username, which may look like one. */
async function resolved(place: Place, user: string, signal: AbortSignal): Promise<Resolution<UserEntry>> {
  const dn = user.includes('=') ? parseDn(user) : undefined;
  const refs: readonly UserRef[] =
    dn?.ok === true
      ? [{ by: 'dn', dn: dn.value }]
      : [...(user.includes('@') ? [{ by: 'email', email: user } as const] : []), { by: 'username', username: user }];
  let last: Resolution<UserEntry> = { kind: 'not_found' };
  for (const ref of refs) {
    last = await findUser(place, { ref, own: null }, signal);
    if (last.kind !== 'not_found') return last;
  }
  return last;
}

function notFound(found: Exclude<Resolution<UserEntry>, { kind: 'found' }>, user: string): string {
  switch (found.kind) {
    case 'not_found':
      return `no user in scope goes by the DN, e-mail address or username "${user}": nothing was tried`;
    case 'ambiguous':
      return `${found.count} users go by "${user}": nothing was tried; name one by its DN`;
    case 'out_of_scope':
      return `"${user}" is outside of the users scope: nothing was tried`;
    default:
      return found satisfies never;
  }
}

async function connect(options: LoginOptions & { place: Place }, signal: AbortSignal): Promise<Session> {
  const { clock, connectTimeoutMs, readTimeoutMs, allowCleartext } = options;
  const { endpoint } = options.place.session;
  const deadline = new AbortController();
  const expire = () => deadline.abort(unavailable(endpoint, { trouble: 'timed_out', doing: 'connect to the directory' }));
  const cancelTimer = clock.timer(connectTimeoutMs, expire);
  try {
    const certificate = await shownCertificate(options.clientCertificate);
    const within = AbortSignal.any([deadline.signal, signal]);
    const dialled = await dial({ ...options, endpoint, certificate, onStage: () => undefined }, within);
    const { socket, isEncrypted, isLoopback } = dialled;
    if (isEncrypted || isLoopback || allowCleartext) return new Session(socket, { endpoint, clock, readTimeoutMs });
    socket.destroy();
    throw new DirectoryError(
      'unavailable',
      `A password is not sent in clear to ${shownAddress(endpoint)}: use ldaps://, or LDAP_START_TLS=true.`,
    );
  } finally {
    cancelTimer();
  }
}

/** Our own, where the server wants to see one: it says who connects, and the bind who logs in. */
async function shownCertificate(source: LoginOptions['clientCertificate']): Promise<ShownCertificate | null> {
  const read = source === null ? null : await source();
  return read?.ok === true ? read.value : null;
}

const WORDS: Readonly<Record<BindTrouble, string>> = {
  unknown_account: 'the server does not know the account',
  wrong_password: 'the password is wrong',
  restricted: 'the account is restricted from logging on like this',
  not_at_this_time: 'the account may not log on at this time',
  not_from_here: 'the account may not log on from this machine',
  password_expired: 'the password has expired: it must be replaced in the directory',
  must_change_password: 'the password must be changed before the account can be used',
  disabled: 'the account is disabled',
  account_expired: 'the account has expired',
  locked: 'the account is locked, whatever the password: unlock it in the directory',
  unsaid: 'the password is wrong, or the account is locked, disabled or expired; this server does not say which',
};

/** Of results that say it by themselves: 389 Directory Server's 19 after too many wrong passwords, and 53 for an inactivated account. */
const BY_RESULT: ReadonlyMap<number, BindTrouble> = new Map([
  [19, 'locked'],
  [53, 'disabled'],
]);

const SUCCESS = 0;
const INVALID_CREDENTIALS = 49;
const DAY_MS = 24 * 60 * 60 * 1000;

function judged(result: LdapResult, { dn, refusal }: UserEntry): Finding {
  const words = bindWords(result);
  const { resultCode, resultName } = ldapAnswer(result);
  const said = `the directory answered ${resultCode} (${resultName}) to a bind as "${dn}"`;
  if (resultCode === SUCCESS) return accepted(words, { dn, refusal });
  const trouble = BY_RESULT.get(resultCode) ?? words.trouble;
  if (resultCode === INVALID_CREDENTIALS || BY_RESULT.has(resultCode)) return failed(`${said}: ${WORDS[trouble ?? 'unsaid']}`);
  return failed(`${said}, which says nothing of the password`);
}

function accepted({ trouble, expiresInMs, graceLeft }: BindWords, { dn, refusal }: Pick<UserEntry, 'dn' | 'refusal'>): Finding {
  const right = `the password of "${dn}" is right`;
  if (trouble !== null) return failed(`${right}, but ${WORDS[trouble]}`);
  if (graceLeft !== null) return warned(`${right}, but it has expired and is accepted only ${graceLeft} more times`);
  if (refusal !== null) return warned(`${right}, but no grant is made: ${refusal}`);
  return ok(expiresInMs === null ? right : `${right}; it expires in ${Math.floor(expiresInMs / DAY_MS)} days`);
}
