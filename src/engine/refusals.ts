import { judgeLength, judgeRequester } from '../access/group-rules.ts';
import { formatInstant, type Instant } from '../access/instant.ts';
import type { GrantJob } from '../access/job.ts';
import { type JobError, jobError, policyError } from '../access/outcome.ts';
import type { Pair } from '../access/reference.ts';
import type { GroupEntry, UserEntry } from '../directory/directory.ts';
import type { EngineParts } from './engine-parts.ts';
import { protectionOf } from './protection.ts';

/** The error of a new grant or an extension while a person on the machine lets none be made; null where they are made. */
export function pausedRefusal({ pause }: Pick<EngineParts, 'pause'>): JobError | null {
  const since = pause.since();
  if (since === null) return null;
  return jobError(
    'paused',
    `new grants are paused on the connector since ${formatInstant(since)}; "latchkey resume" there ends that. Ask again under new ids`,
  );
}

/** The error of a new grant or an extension while the clock cannot be believed. */
export function clockUntrusted(): JobError {
  return jobError(
    'clock_untrusted',
    'the trusted time is more than 5 minutes ahead of the wall clock, so no new end can be set; correct the clock of the machine, or accept it with "latchkey clock accept"',
  );
}

/** The error of a new grant or an extension while the disk of the ledger is full. */
export function noSpace(): JobError {
  return jobError(
    'no_space',
    'the disk of the state directory on the connector is full, and what is left of it is kept for endings; free space on it (LATCHKEY_STATE_DIR) and ask again under new ids',
  );
}

/** A start has not yet looked at everything that an earlier life left open. */
export function recovering(): JobError {
  return jobError(
    'directory_unavailable',
    'the outcome of writes from before the start of the connector is still unknown, and nothing new is written until it is known',
  );
}

/** An entry could not be found again between its look-up and the write. */
export function changedMeanwhile({ user, group }: Pair): JobError {
  return jobError(
    'directory_unavailable',
    `"${user.dn}" or "${group.dn}" could not be found again right before the write; looking again`,
  );
}

/** Some of the jobs that wait for a grant may not ask for its group any more, as it was found right before the write. */
export function rulesChanged({ dn }: GroupEntry): JobError {
  return jobError(
    'directory_unavailable',
    `the group "${dn}" has come under another rule while the grant waited; who may ask for it is looked at again`,
  );
}

/** A reference that was resolved once means someone else now: the grant was never for them. */
export function otherEntry(recorded: Pair, found: Pair): JobError {
  const what = recorded.user.id === found.user.id ? 'group' : 'user';
  return jobError(
    `${what}_not_found`,
    `the ${what} "${recorded[what].dn}" (${recorded[what].id}) that this grant was accepted for is no longer what its reference names; ask again under a new id`,
  );
}

/** The error of a job that names another user or group than its grant's. */
export function otherPair(pair: Pair): JobError {
  return jobError(
    'grant_conflict',
    `this grantId belongs to user "${pair.user.dn}" and group "${pair.group.dn}"; a grant of another pair needs an id of its own`,
  );
}

/** A removal of ours whose answer was lost would undo what is written, or claimed, before it takes effect. */
export function lateRemoval({ user, group }: Pair): JobError {
  return jobError(
    'directory_unavailable',
    `a removal of "${user.dn}" from "${group.dn}" whose answer was lost may still take effect; waiting until it cannot`,
  );
}

/** A membership of ours that had ended may be there again since another directory server took over: then it is no standing access. */
export function comeBack({ user, group }: Pair): JobError {
  return jobError(
    'directory_unavailable',
    `another directory server has taken over, and "${user.dn}" is in "${group.dn}" there; whether that is a membership which had ended is looked at first`,
  );
}

/**
 * Scope, protection and what the directory itself says, which bind every first write and every extension. Rejects where the directory
 * cannot tell whether the group is nested in a protected one.
 */
export async function refusal(
  parts: EngineParts,
  { user, group }: { user: UserEntry; group: GroupEntry },
): Promise<JobError | null> {
  if (!user.inScope)
    return jobError(
      'user_not_found',
      `"${user.dn}" is no longer in LDAP_USERS_SCOPE, and a grant or an extension of one is bound by it`,
    );
  if (!group.inScope)
    return jobError(
      'group_not_found',
      `"${group.dn}" is no longer in LDAP_GROUPS_SCOPE, and a grant or an extension of one is bound by it`,
    );
  const protection = await protectionOf(parts, group);
  if (protection !== null) return jobError('group_protected', protection);
  const state = user.refusal ?? group.refusal;
  return state === null ? null : jobError('policy_denied', state);
}

/** The error of a job whose requester may not ask for grants of the group. */
export function requesterRefusal(
  { groupRules }: EngineParts,
  { group, job }: { group: GroupEntry; job: Pick<GrantJob, 'requestedBy'> },
): JobError | null {
  const refused = judgeRequester(groupRules.limitsOf(group), job.requestedBy);
  return refused === null ? null : policyError(refused);
}

/** Whether the local policy lets the membership of that group last that long. */
export function endRefusal(
  { policy, groupRules }: EngineParts,
  { group, heldSince, expiresAt, at }: { group: GroupEntry; heldSince: Instant; expiresAt: Instant; at: Instant },
): JobError | null {
  if (expiresAt <= at) return jobError('job_expired', `the grant would end at ${formatInstant(expiresAt)}, which is past`);
  const refused = judgeLength(groupRules.limitsOf(group), { heldSince, expiresAt, maxGrantMs: policy.maxGrantMs });
  return refused === null ? null : policyError(refused);
}
