import { BER, berInteger, readBerElement } from './ber.ts';
import type { LdapResult } from './ldap-message.ts';

/**
 * The password policy control (draft-behera-ldap-password-policy-10 §6.1, §6.2): asked for with each bind, never critically;
 * OpenLDAP's and 389 Directory Server's answers carry it where a policy has something to say.
 */
export const PASSWORD_POLICY = '1.3.6.1.4.1.42.2.27.8.5.1';
/** Netscape's controls, which 389 Directory Server sends unasked: the password has expired or must be changed; it expires in so many seconds. */
const NETSCAPE_EXPIRED = '2.16.840.1.113730.3.4.4';
const NETSCAPE_EXPIRING = '2.16.840.1.113730.3.4.5';

/** What is wrong with the account or its password, as far as a server lets on. */
export type BindTrouble =
  | 'unknown_account'
  | 'wrong_password'
  | 'restricted'
  | 'not_at_this_time'
  | 'not_from_here'
  | 'password_expired'
  | 'must_change_password'
  | 'disabled'
  | 'account_expired'
  | 'locked'
  | 'unsaid';

/** What a person can do about it. */
const ADVICE: Readonly<Record<BindTrouble, string>> = {
  unknown_account: 'There is no such account: check LDAP_BIND_DN.',
  wrong_password: 'The password is wrong: put the right one into LDAP_BIND_PASSWORD_FILE, or LDAP_BIND_PASSWORD.',
  restricted: 'The account is restricted from logging on like this: lift the restriction in the directory.',
  not_at_this_time: 'The account may not log on at this time: lift its logon hours in the directory.',
  not_from_here: 'The account may not log on from this machine: lift its list of workstations in the directory.',
  password_expired: 'The password has expired: set a new one in the directory, exempt the account from expiry, and configure it.',
  must_change_password:
    'The password must be changed before the account can be used: set one in the directory that need not be, and configure it.',
  disabled: 'The account is disabled: enable it in the directory.',
  account_expired: 'The account has expired: give it a later end, or none, in the directory.',
  locked: 'The account is locked: unlock it in the directory, and find out what tried wrong passwords.',
  unsaid: 'Check LDAP_BIND_DN and the password, and that the account is neither locked, disabled nor expired.',
};

/**
 * Active Directory answers 49 to all of these, and says which by a system error code (hexadecimal) in its text, as
 * `AcceptSecurityContext error, data 52e`: winerror.h, ERROR_NO_SUCH_USER (1317) to ERROR_ACCOUNT_LOCKED_OUT (1909). It
 * chooses nothing but the words that a person reads.
 */
const ACTIVE_DIRECTORY: Readonly<Record<string, BindTrouble>> = {
  '525': 'unknown_account',
  '52e': 'wrong_password',
  '52f': 'restricted',
  '530': 'not_at_this_time',
  '531': 'not_from_here',
  '532': 'password_expired',
  '533': 'disabled',
  '701': 'account_expired',
  '773': 'must_change_password',
  '775': 'locked',
};

/** PasswordPolicyResponseValue.error; what else there is belongs to a change of the password. */
const POLICY_ERROR: Readonly<Record<number, BindTrouble>> = { 0: 'password_expired', 1: 'locked', 2: 'must_change_password' };

/** What a bind's answer says of the password beside its result code. */
export interface BindWords {
  /** Null where nothing is wrong as far as the answer says. */
  readonly trouble: BindTrouble | null;
  /** Until the password expires; null where that is not said. */
  readonly expiresInMs: number | null;
  /** How often an expired password is still accepted; null where it has not expired. */
  readonly graceLeft: number | null;
}

/** Reads what is said by controls first, then, for Active Directory alone, by the text. */
export function bindWords({ resultCode, diagnosticMessage, controls }: LdapResult): BindWords {
  const policy = readPolicy(controls.get(PASSWORD_POLICY));
  const expiring = Number(controls.get(NETSCAPE_EXPIRING)?.toString('latin1') ?? Number.NaN);
  const expiresInMs = policy.expiresInSeconds ?? (Number.isSafeInteger(expiring) && expiring >= 0 ? expiring : null);
  const [, subCode = ''] = /\bdata ([0-9a-f]{3,8})\b/i.exec(diagnosticMessage) ?? [];
  const expired = resultCode === 0 ? 'must_change_password' : 'password_expired';
  const trouble =
    (policy.error === null ? undefined : POLICY_ERROR[policy.error]) ??
    (controls.has(NETSCAPE_EXPIRED) ? expired : undefined) ??
    (resultCode === 0 ? null : (ACTIVE_DIRECTORY[subCode.toLowerCase()] ?? 'unsaid'));
  return { trouble, expiresInMs: expiresInMs === null ? null : expiresInMs * 1000, graceLeft: policy.graceLeft };
}

/** One sentence on what to do. */
export function adviceOn(trouble: BindTrouble): string {
  return ADVICE[trouble];
}

/** What other results of a bind than 49 mean on the servers that give them. */
const ADVICE_ON_RESULT: Readonly<Record<number, string>> = {
  7: 'With LDAP_BIND=external, let the server ask for client certificates (OpenLDAP: TLSVerifyClient).',
  8: 'Use ldaps://, or LDAP_START_TLS=true.',
  13: 'Use ldaps://, or LDAP_START_TLS=true.',
  // 389 Directory Server, after too many wrong passwords.
  19: ADVICE.locked,
  34: 'LDAP_BIND_DN must be a distinguished name on this server.',
  48: 'Check that the account has a password, and LDAP_BIND.',
  // 389 Directory Server, for an inactivated account.
  53: ADVICE.disabled,
};

/** One sentence on what to do about a bind that was answered with another result than success and 49; null where there is none. */
export function adviceOnResult(resultCode: number): string | null {
  return ADVICE_ON_RESULT[resultCode] ?? null;
}

const WARNING = 0xa0;
const ERROR = 0x81;
const SECONDS = 0x80;
const GRACE = 0x81;

/** SEQUENCE { [0] CHOICE { [0] seconds, [1] grace logins } OPTIONAL, [1] error OPTIONAL }; what cannot be read says nothing. */
function readPolicy(value: Buffer | undefined) {
  const said: { expiresInSeconds: number | null; graceLeft: number | null; error: number | null } = {
    expiresInSeconds: null,
    graceLeft: null,
    error: null,
  };
  const outer = value === undefined ? undefined : readBerElement(value, 0, value.length);
  if (value === undefined || outer?.tag !== BER.sequence) return said;
  for (let part = readBerElement(value, outer.start, outer.end); part !== undefined; ) {
    if (part.tag === ERROR) said.error = berInteger(value, part) ?? null;
    const warning = part.tag === WARNING ? readBerElement(value, part.start, part.end) : undefined;
    if (warning?.tag === SECONDS) said.expiresInSeconds = berInteger(value, warning) ?? null;
    if (warning?.tag === GRACE) said.graceLeft = berInteger(value, warning) ?? null;
    part = readBerElement(value, part.end, outer.end);
  }
  return said;
}
