/** What a job came to. */
export type Outcome =
  | 'granted'
  | 'already_standing'
  | 'covered_by_grant'
  | 'updated'
  | 'revoked'
  | 'kept_standing'
  | 'kept_by_grant'
  | 'already_absent'
  | 'already_ended'
  | 'done';

/** Every way in which a job can fail, as the wire spells it. */
export const JOB_ERROR_CODES = [
  'invalid_job',
  'job_conflict',
  'job_expired',
  'user_not_found',
  'user_ambiguous',
  'group_not_found',
  'group_ambiguous',
  'out_of_scope',
  'group_protected',
  'policy_denied',
  'grant_conflict',
  'grant_revoked',
  'paused',
  'clock_untrusted',
  'no_space',
  'directory_unavailable',
  'directory_refused',
  'removals_held',
  'ownership_unknown',
  'internal',
] as const;

export type JobErrorCode = (typeof JOB_ERROR_CODES)[number];

/** What an LDAP server answered (RFC 4511 §4.1.9); shown, never decided upon by its text. */
export interface LdapAnswer {
  readonly resultCode: number;
  readonly resultName: string;
  readonly diagnosticMessage: string;
  readonly matchedDn: string;
}

/** Why something did not happen: the message says what was tried, what was found and what to do. */
export interface JobError {
  readonly code: JobErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly ldap?: LdapAnswer;
  /** The rule of the local policy that refused: a variable, or a place in the policy file. */
  readonly rule?: string;
}

/** Whether the same request, sent again later under a new id, can succeed without anyone changing it. */
const RETRYABLE: Record<JobErrorCode, boolean> = {
  invalid_job: false,
  job_conflict: false,
  job_expired: true,
  user_not_found: false,
  user_ambiguous: false,
  group_not_found: false,
  group_ambiguous: false,
  out_of_scope: false,
  group_protected: false,
  policy_denied: false,
  grant_conflict: false,
  grant_revoked: false,
  paused: true,
  clock_untrusted: true,
  no_space: true,
  directory_unavailable: true,
  directory_refused: false,
  removals_held: false,
  ownership_unknown: false,
  internal: true,
};

/** Longest texts in an error, in characters: names and a server's words are shown in it, and a frame is bounded. */
const MAX_MESSAGE = 4096;
const MAX_DIAGNOSTIC = 2048;

/** Makes an error; whether it is worth another request follows from its code. Texts beyond what a frame may hold are cut. */
export function jobError(code: JobErrorCode, message: string, ldap?: LdapAnswer): JobError {
  const error = { code, message: bounded(message, MAX_MESSAGE), retryable: RETRYABLE[code] };
  if (ldap === undefined) return error;
  return {
    ...error,
    ldap: {
      ...ldap,
      diagnosticMessage: bounded(ldap.diagnosticMessage, MAX_DIAGNOSTIC),
      matchedDn: bounded(ldap.matchedDn, MAX_MESSAGE),
    },
  };
}

/** What a rule of the local policy refused; `retryable` where the same may be allowed later, without anyone changing it. */
export function policyError(
  { rule, message }: { readonly rule: string; readonly message: string },
  { retryable = false }: { retryable?: boolean } = {},
): JobError {
  return { ...jobError('policy_denied', message), retryable, rule };
}

/** An error as the audit trail keeps it. */
export function errorFacts({ code, message, rule }: JobError): Readonly<Record<string, unknown>> {
  return { code, message, ...(rule === undefined ? {} : { rule }) };
}

/** The text, cut to so many characters with a sign that it was. */
export function bounded(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
