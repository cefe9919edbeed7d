import type { LdapAnswer } from '../../access/outcome.ts';
import { DirectoryError, type DirectoryFault } from '../directory.ts';
import type { LdapResult } from './ldap-message.ts';

/** A fault that an answer can mean; no answer at all (`unavailable`) is decided elsewhere. */
export type AnsweredFault = Exclude<DirectoryFault, 'unavailable'>;

/**
 * Result codes (RFC 4511 appendix A and the IANA registry of LDAP parameters), and what each means for whoever asked.
 * The servers' real use of 16, 20, 53, 65 and 68 was measured: 53 is also Active Directory's "was no member", so it is a
 * refusal after which the caller probes, like after any other.
 */
const RESULT_CODES: Readonly<Record<number, readonly [name: string, fault: AnsweredFault]>> = {
  1: ['operationsError', 'busy'],
  2: ['protocolError', 'refused'],
  3: ['timeLimitExceeded', 'busy'],
  4: ['sizeLimitExceeded', 'refused'],
  5: ['compareFalse', 'refused'],
  6: ['compareTrue', 'refused'],
  7: ['authMethodNotSupported', 'refused'],
  8: ['strongerAuthRequired', 'refused'],
  10: ['referral', 'refused'],
  11: ['adminLimitExceeded', 'busy'],
  12: ['unavailableCriticalExtension', 'refused'],
  13: ['confidentialityRequired', 'refused'],
  14: ['saslBindInProgress', 'refused'],
  16: ['noSuchAttribute', 'already_absent'],
  17: ['undefinedAttributeType', 'refused'],
  18: ['inappropriateMatching', 'refused'],
  19: ['constraintViolation', 'refused'],
  20: ['attributeOrValueExists', 'already_there'],
  21: ['invalidAttributeSyntax', 'refused'],
  32: ['noSuchObject', 'gone'],
  33: ['aliasProblem', 'refused'],
  34: ['invalidDNSyntax', 'refused'],
  36: ['aliasDereferencingProblem', 'refused'],
  48: ['inappropriateAuthentication', 'refused'],
  49: ['invalidCredentials', 'bind_refused'],
  50: ['insufficientAccessRights', 'refused'],
  51: ['busy', 'busy'],
  52: ['unavailable', 'busy'],
  53: ['unwillingToPerform', 'refused'],
  54: ['loopDetect', 'refused'],
  64: ['namingViolation', 'refused'],
  65: ['objectClassViolation', 'last_member'],
  66: ['notAllowedOnNonLeaf', 'refused'],
  67: ['notAllowedOnRDN', 'refused'],
  68: ['entryAlreadyExists', 'already_there'],
  69: ['objectClassModsProhibited', 'refused'],
  71: ['affectsMultipleDSAs', 'refused'],
  80: ['other', 'busy'],
  118: ['canceled', 'busy'],
  119: ['noSuchOperation', 'refused'],
  120: ['tooLate', 'busy'],
  121: ['cannotCancel', 'refused'],
  122: ['assertionFailed', 'refused'],
  123: ['authorizationDenied', 'refused'],
};

/** What a code other than success means. One that is not in the table is an unknown condition (RFC 4511 §4.1.9), so it may pass. */
export function faultOf(resultCode: number): AnsweredFault {
  return RESULT_CODES[resultCode]?.[1] ?? 'busy';
}

/** Its name in RFC 4511, or its number. */
export function resultNameOf(resultCode: number): string {
  return resultCode === 0 ? 'success' : (RESULT_CODES[resultCode]?.[0] ?? `code${resultCode}`);
}

/** The answer as it is shown to people and told to the control plane, with the servers that a referral names behind its text. */
export function ldapAnswer(result: LdapResult): LdapAnswer {
  const { resultCode, matchedDn, referral } = result;
  const resultName = resultNameOf(resultCode);
  const named = referral.length === 0 ? [] : [`[another server: ${referral.join(', ')}]`];
  const diagnosticMessage = [result.diagnosticMessage, ...named].filter((text) => text !== '').join(' ');
  return { resultCode, resultName, diagnosticMessage, matchedDn };
}

/** The error for an answer that is no success. `doing` says what was asked for, such as `search beneath ou=people`. */
export function answeredError(result: LdapResult, doing: string): DirectoryError {
  const ldap = ldapAnswer(result);
  const said = ldap.diagnosticMessage === '' ? '' : `: ${ldap.diagnosticMessage}`;
  const elsewhere =
    result.referral.length === 0
      ? ''
      : ' That server is not asked: name it in LDAP_URL, and with LDAP_REFERRALS=follow beside others.';
  const message = `The directory answered ${ldap.resultCode} (${ldap.resultName})${said} to: ${doing}.${elsewhere}`;
  return new DirectoryError(faultOf(result.resultCode), message, { ldap });
}
