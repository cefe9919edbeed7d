import { formatDuration } from '../access/duration.ts';
import { type GroupLimits, lengthLimit } from '../access/group-rules.ts';
import { formatInstant, later } from '../access/instant.ts';
import type { GrantJob } from '../access/job.ts';
import { judgeMembership } from '../access/membership.ts';
import type { AskedGrant, ExplainedGrant } from '../access/operator.ts';
import type { JobError, JobErrorCode } from '../access/outcome.ts';
import type { Pair } from '../access/reference.ts';
import { isPrimaryGroup } from '../directory/directory.ts';
import { admitPair, admitReceived } from './admission.ts';
import { directoryJobError, unknownMembership } from './directory-errors.ts';
import type { EngineParts } from './engine-parts.ts';
import { groupRefOf, userRefOf } from './operator-choice.ts';
import { endRefusal, refusal, requesterRefusal } from './refusals.ts';
import { resolvePair, writableValue } from './resolve-pair.ts';

/** What decides where a refusal does not say it itself. */
const DECIDES: Readonly<Record<JobErrorCode, string | null>> = {
  paused: '"latchkey pause"',
  clock_untrusted: 'the clock of this machine',
  no_space: 'the disk of LATCHKEY_STATE_DIR',
  out_of_scope: 'LDAP_USERS_SCOPE, LDAP_GROUPS_SCOPE',
  user_not_found: 'LDAP_USERS_SCOPE, LDAP_USER_FILTER',
  user_ambiguous: 'LDAP_USERS_SCOPE, LDAP_USER_FILTER',
  group_not_found: 'LDAP_GROUPS_SCOPE, LDAP_GROUP_FILTER',
  group_ambiguous: 'LDAP_GROUPS_SCOPE, LDAP_GROUP_FILTER',
  group_protected: 'LATCHKEY_PROTECTED_GROUPS, LATCHKEY_UNPROTECTED_GROUPS',
  policy_denied: 'what the directory says of the entry',
  directory_unavailable: 'the directory',
  directory_refused: 'the directory',
  invalid_job: null,
  job_conflict: null,
  job_expired: null,
  grant_conflict: null,
  grant_revoked: null,
  removals_held: null,
  ownership_unknown: null,
  internal: null,
};

type Explained = Omit<ExplainedGrant, 'binds'>;

/**
 * What would become of a grant job that came now: every step that a job goes through, by the same rules and in the same order, but
 * that nothing is taken, stored or written.
 */
export async function explainGrant(parts: EngineParts, asked: AskedGrant, signal: AbortSignal): Promise<ExplainedGrant> {
  const bounded: EngineParts = { ...parts, signal: AbortSignal.any([parts.signal, signal]) };
  try {
    return await judged(bounded, asked);
  } catch (error) {
    if (signal.aborted) throw error;
    return { ...refusedBy(directoryJobError(error), null), binds: [] };
  }
}

async function judged(parts: EngineParts, { user, group, durationMs, requestedBy }: AskedGrant): Promise<ExplainedGrant> {
  const job: Pick<GrantJob, 'user' | 'group' | 'requestedBy'> = {
    user: userRefOf(user),
    group: groupRefOf(group),
    ...(requestedBy === null ? {} : { requestedBy }),
  };
  const received = await admitReceived(parts, 'asks');
  if (!received.ok) return { ...refusedBy(received.error, null), binds: [] };
  const resolved = await resolvePair({ directory: parts.directory, job, own: null }, parts.signal);
  if (!resolved.ok) return { ...refusedBy(resolved.error, null), binds: [] };
  const { pair } = resolved;
  await parts.protectedGroups.resolve(parts.signal);
  await parts.groupRules.resolve(parts.signal);
  const limits = parts.groupRules.limitsOf(resolved.group);
  const binds = bindsOf(parts, limits);
  const denied = (await refusal(parts, resolved)) ?? requesterRefusal(parts, { group: resolved.group, job });
  if (denied !== null) return { ...refusedBy(denied, pair), binds };
  const counted = { pair, limits, group: resolved.group, end: { kind: 'after', durationMs } } as const;
  const admitted = await admitPair(parts, counted, 'asks');
  if (!admitted.ok) return { ...refusedBy(admitted.error, pair), binds };
  return { ...(await judgedWrite(parts, { ...resolved, limits, durationMs })), binds };
}

/** What the write would find, and how long it may last. */
async function judgedWrite(
  parts: EngineParts,
  {
    user,
    group,
    pair,
    limits,
    durationMs,
  }: Extract<Awaited<ReturnType<typeof resolvePair>>, { ok: true }> & { limits: GroupLimits; durationMs: number },
): Promise<Explained> {
  const state = await parts.ledger.pairState(pair);
  const writable = writableValue({ user, group }, state);
  if (!writable.ok) return refusedBy(writable.error, pair);
  const { attribute, value } = writable;
  const [presence] = await parts.directory.probe({ group: group.dn, attribute, values: [value], likely: 'absent' }, parts.signal);
  if (presence !== 'member' && presence !== 'absent') return refusedBy(unknownMembership(group.dn), pair);
  const at = parts.time.now();
  const heldSince = state.period?.heldSince ?? at;
  const expiresAt = later(at, durationMs);
  const tooLong = endRefusal(parts, { group, heldSince, expiresAt, at });
  if (tooLong !== null) return refusedBy(tooLong, pair);
  const finding = judgeMembership(isPrimaryGroup(user, group) ? 'member' : presence, state.period);
  const { rule, value: mostMs } = lengthLimit(limits, parts.policy.maxGrantMs);
  const until = `until ${formatInstant(expiresAt)}; ${rule} would allow ${formatInstant(later(heldSince, mostMs))} at the latest`;
  return {
    result: finding === 'write' ? 'granted' : finding,
    isGranted: true,
    rule,
    message: `${FOUND[finding]} ${until}`,
    ...pair,
    expiresAt,
  };
}

const FOUND: Record<ReturnType<typeof judgeMembership>, string> = {
  write: 'the user would be put into the group',
  already_standing: 'the user is in the group already, and stays when the grant ends; it would last',
  covered_by_grant: 'another grant holds the membership already; this one would hold it too',
};

function refusedBy(error: JobError, pair: Pair | null): Explained {
  return {
    result: error.code,
    isGranted: false,
    rule: error.rule ?? DECIDES[error.code],
    message: error.message,
    user: pair?.user ?? null,
    group: pair?.group ?? null,
    expiresAt: null,
  };
}

/** Every rule of this connector that binds grants of the group, whether it decides or not. */
function bindsOf({ policy, groupRules }: EngineParts, limits: GroupLimits): ExplainedGrant['binds'] {
  const { requestedBy, maxActiveGrants, rate, ratePerUser, exclusive } = limits;
  const { userRate } = groupRules;
  const said = <T>(limit: { readonly value: T; readonly rule: string } | null, says: (value: T) => string) =>
    limit === null ? [] : [{ rule: limit.rule, says: says(limit.value) }];
  const ofRate = (what: string) => (one: { grants: number; perMs: number }) =>
    `${what}: ${one.grants} at once, and as many more, evenly, within ${formatDuration(one.perMs)}`;
  return [
    {
      rule: 'LATCHKEY_MAX_GRANTS_PER_MINUTE',
      says: `new grants and extensions: ${policy.maxGrantsPerMinute} at once, and as many more, evenly, within 1m`,
    },
    ...said(requestedBy, (names) => `who may ask: ${names.join(', ')}`),
    ...said(maxActiveGrants, (most) => `open grants of the group: at most ${most}`),
    ...said(rate, ofRate('new grants of the group')),
    ...said(ratePerUser, ofRate('new grants of one user in the group')),
    ...said(userRate, ofRate('new grants of one user')),
    ...said(lengthLimit(limits, policy.maxGrantMs), (ms) => `in the group without a break: at most ${formatDuration(ms)}`),
    ...said(exclusive, (is) => (is ? 'exclusive: others in the group are reported' : 'not exclusive')),
  ];
}
