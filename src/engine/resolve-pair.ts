import type { GrantJob } from '../access/job.ts';
import { isOurs, type MemberAttribute, memberValueOf } from '../access/membership.ts';
import { type JobError, jobError } from '../access/outcome.ts';
import type { GroupRef, Pair, UserRef } from '../access/reference.ts';
import type { Directory, GroupEntry, Resolution, UserEntry } from '../directory/directory.ts';
import type { PairState } from '../ledger/ledger.ts';

/** The entries that a job names, or the error that it earns (PROTOCOL, Which error). */
export type ResolvedPair =
  | { readonly ok: true; readonly user: UserEntry; readonly group: GroupEntry; readonly pair: Pair }
  | { readonly ok: false; readonly error: JobError };

/** Looks up both references. `own` is the pair of the grant that the job changes, whose entries resolve wherever they are. */
export async function resolvePair(
  { directory, job, own }: { directory: Directory; job: Pick<GrantJob, 'user' | 'group'>; own: Pair | null },
  signal: AbortSignal,
): Promise<ResolvedPair> {
  const [user, group] = await Promise.all([
    directory.findUser(job.user, own?.user ?? null, signal),
    directory.findGroup(job.group, own?.group ?? null, signal),
  ]);
  const named = { user: shownUser(job.user), group: shownGroup(job.group) };
  if (user.kind === 'out_of_scope') return outOfScope(`user ${named.user}`, 'LDAP_USERS_SCOPE');
  if (group.kind === 'out_of_scope') return outOfScope(`group ${named.group}`, 'LDAP_GROUPS_SCOPE');
  if (user.kind !== 'found') return { ok: false, error: unresolved(user, 'user', named.user) };
  if (group.kind !== 'found') return { ok: false, error: unresolved(group, 'group', named.group) };
  return {
    ok: true,
    user: user.entry,
    group: group.entry,
    pair: { user: { id: user.entry.id, dn: user.entry.dn }, group: { id: group.entry.id, dn: group.entry.dn } },
  };
}

function outOfScope(what: string, variable: string): ResolvedPair {
  return {
    ok: false,
    error: jobError('out_of_scope', `${what} is not beneath ${variable}; widen the scope on the connector if it should be`),
  };
}

function unresolved(
  resolution: Exclude<Resolution<unknown>, { kind: 'found' | 'out_of_scope' }>,
  what: 'user' | 'group',
  named: string,
): JobError {
  if (resolution.kind === 'ambiguous') {
    return jobError(
      `${what}_ambiguous`,
      `${resolution.count} ${what}s in scope answer to ${named}; name the one that is meant by id or dn`,
    );
  }
  return jobError(
    `${what}_not_found`,
    `no ${what} in scope answers to ${named}; check the spelling, the scope and the filters of the connector`,
  );
}

function shownUser(ref: UserRef): string {
  switch (ref.by) {
    case 'dn':
      return `dn "${ref.dn}"`;
    case 'id':
      return `id ${ref.id}`;
    case 'email':
      return `email "${ref.email}"`;
    case 'username':
      return `username "${ref.username}"`;
    default:
      return ref satisfies never;
  }
}

function shownGroup(ref: GroupRef): string {
  switch (ref.by) {
    case 'dn':
      return `dn "${ref.dn}"`;
    case 'id':
      return `id ${ref.id}`;
    case 'name':
      return `name "${ref.name}"`;
    default:
      return ref satisfies never;
  }
}

/** How the user is written into the group, or why it cannot be. */
export type Writable =
  | { readonly ok: true; readonly attribute: MemberAttribute; readonly value: string }
  | { readonly ok: false; readonly error: JobError };

/**
 * The attribute that a membership of ours is kept in, or may be. It stays there until it ends, whatever the group's object classes
 * or LDAP_MEMBER_ATTRIBUTE say by now: written into another as well, nothing would remember the first.
 */
export function attributeHeld({ period, intent }: Pick<PairState, 'period' | 'intent'>): MemberAttribute | null {
  if (intent?.kind === 'add') return intent.memberAttribute;
  return period !== null && isOurs(period) ? period.memberAttribute : null;
}

/** The member attribute and value for these entries. */
export function writableValue(
  { user, group }: { user: UserEntry; group: GroupEntry },
  held: Pick<PairState, 'period' | 'intent'>,
): Writable {
  const attribute = attributeHeld(held) ?? group.memberAttribute;
  if (attribute === null) {
    return {
      ok: false,
      error: jobError(
        'policy_denied',
        `the object classes of "${group.dn}" allow none of member, uniqueMember and memberUid as far as this account can see, so its members cannot be written`,
      ),
    };
  }
  const value = memberValueOf(attribute, user);
  switch (value.kind) {
    case 'value':
      return { ok: true, attribute, value: value.value };
    case 'ambiguous':
      return {
        ok: false,
        error: jobError(
          'user_ambiguous',
          `"${user.dn}" has ${value.count} uid values and none is in its name, so memberUid of "${group.dn}" cannot name it`,
        ),
      };
    case 'none':
      return {
        ok: false,
        error: jobError(
          'policy_denied',
          `"${user.dn}" has no uid of ASCII characters, which memberUid of "${group.dn}" needs; add one to the user's entry`,
        ),
      };
    default:
      return value satisfies never;
  }
}

/** The same entries as they are now, by their ids; null where one cannot be found. */
export async function entriesNow(
  { directory, signal }: { directory: Directory; signal: AbortSignal },
  { user, group }: { user: UserEntry; group: GroupEntry },
): Promise<{ readonly user: UserEntry; readonly group: GroupEntry; readonly pair: Pair } | null> {
  const userNow = await directory.locateUser(user.id, signal);
  const groupNow = await directory.locateGroup(group.id, signal);
  if (userNow === null || groupNow === null) return null;
  return {
    user: userNow,
    group: groupNow,
    pair: { user: { id: userNow.id, dn: userNow.dn }, group: { id: groupNow.id, dn: groupNow.dn } },
  };
}
