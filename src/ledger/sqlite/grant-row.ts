import { z } from 'zod';
import type { Dn } from '../../access/dn.ts';
import type { ActiveGrant, EndedGrant, EndingGrant, FailedGrant, Grant, PendingGrant } from '../../access/grant.ts';
import type { EntryId } from '../../access/ids.ts';
import { JOB_ERROR_CODES } from '../../access/outcome.ts';
import type { Pair } from '../../access/reference.ts';
import {
  dnColumn,
  endCauseColumn,
  endedMembershipColumn,
  entryIdColumn,
  grantIdColumn,
  instantColumn,
  standingColumn,
} from './columns.ts';
import type { StatementValues } from './database.ts';
import { requestedEndColumn } from './job-column.ts';

/** The columns of a grant, in the order in which they are selected. */
export const GRANT_COLUMNS = `grant_id, state, user_id, user_dn, group_id, group_dn, requested_end, deadline, standing,
  activated_at, expires_at, cause, since, membership, code, over_at`;

const unused = z.null();
/** What every grant has, and nothing else. */
const ofNoState = {
  grant_id: grantIdColumn,
  requested_end: unused,
  deadline: unused,
  standing: unused,
  activated_at: unused,
  expires_at: unused,
  cause: unused,
  since: unused,
  membership: unused,
  code: unused,
  over_at: unused,
};
const maybePair = {
  user_id: entryIdColumn.nullable(),
  user_dn: dnColumn.nullable(),
  group_id: entryIdColumn.nullable(),
  group_dn: dnColumn.nullable(),
};

/** The columns of a pair that is known. */
export const pairColumns = { user_id: entryIdColumn, user_dn: dnColumn, group_id: entryIdColumn, group_dn: dnColumn };

const ofHeld = {
  ...ofNoState,
  ...pairColumns,
  standing: standingColumn,
  activated_at: instantColumn,
  expires_at: instantColumn,
};

interface PairColumns {
  readonly user_id: EntryId | null;
  readonly user_dn: Dn | null;
  readonly group_id: EntryId | null;
  readonly group_dn: Dn | null;
}

/** Reads a pair out of its columns. */
export function pairOf(row: z.output<z.ZodObject<typeof pairColumns>>): Pair {
  return { user: { id: row.user_id, dn: row.user_dn }, group: { id: row.group_id, dn: row.group_dn } };
}

function maybePairOf({ user_id, user_dn, group_id, group_dn }: PairColumns): Pair | null {
  if (user_id === null || user_dn === null || group_id === null || group_dn === null) return null;
  return pairOf({ user_id, user_dn, group_id, group_dn });
}

/** A pair as the values of its columns. */
export function pairParameters(pair: Pair): StatementValues {
  return { userId: pair.user.id, userDn: pair.user.dn, groupId: pair.group.id, groupDn: pair.group.dn };
}

export const pendingRow = z
  .strictObject({
    ...ofNoState,
    ...maybePair,
    state: z.literal('pending'),
    requested_end: requestedEndColumn,
    deadline: instantColumn,
    // Since when it is cancelled.
    since: instantColumn.nullable(),
  })
  .transform(
    (row): PendingGrant => ({
      state: row.state,
      grantId: row.grant_id,
      pair: maybePairOf(row),
      end: row.requested_end,
      deadline: row.deadline,
      ...(row.since === null ? {} : { cancelledAt: row.since }),
    }),
  );

export const activeRow = z
  .strictObject({ ...ofHeld, state: z.literal('active') })
  .transform((row): ActiveGrant => ({ state: row.state, ...held(row) }));

export const endingRow = z
  .strictObject({
    ...ofHeld,
    state: z.literal('ending'),
    cause: endCauseColumn,
    since: instantColumn,
    over_at: instantColumn.nullable(),
  })
  .transform(
    (row): EndingGrant => ({
      state: row.state,
      ...held(row),
      cause: row.cause,
      since: row.since,
      ...(row.over_at === null ? {} : { endedBefore: row.over_at }),
    }),
  );

export const endedRow = z
  .strictObject({
    ...ofHeld,
    state: z.literal('ended'),
    cause: endCauseColumn,
    membership: endedMembershipColumn,
    over_at: instantColumn,
  })
  .transform(
    (row): EndedGrant => ({
      state: row.state,
      ...held(row),
      cause: row.cause,
      membership: row.membership,
      endedAt: row.over_at,
    }),
  );

const failedRow = z
  .strictObject({
    ...ofNoState,
    ...maybePair,
    state: z.literal('failed'),
    code: z.enum(JOB_ERROR_CODES),
    over_at: instantColumn,
  })
  .transform(
    (row): FailedGrant => ({
      state: row.state,
      grantId: row.grant_id,
      pair: maybePairOf(row),
      code: row.code,
      failedAt: row.over_at,
    }),
  );

export const liveRow = z.discriminatedUnion('state', [activeRow, endingRow]);
export const grantRow = z.discriminatedUnion('state', [activeRow, pendingRow, endingRow, endedRow, failedRow]);

function held(
  row: Pick<
    z.output<z.ZodObject<typeof ofHeld>>,
    keyof typeof pairColumns | 'grant_id' | 'standing' | 'activated_at' | 'expires_at'
  >,
): Omit<ActiveGrant, 'state'> {
  return {
    grantId: row.grant_id,
    pair: pairOf(row),
    standing: row.standing,
    activatedAt: row.activated_at,
    expiresAt: row.expires_at,
  };
}

const NOTHING: StatementValues = {
  userId: null,
  userDn: null,
  groupId: null,
  groupDn: null,
  requestedEnd: null,
  deadline: null,
  standing: null,
  activatedAt: null,
  expiresAt: null,
  cause: null,
  since: null,
  membership: null,
  code: null,
  overAt: null,
};

/** A grant as the values of all its columns. */
export function grantParameters(grant: Grant): StatementValues {
  const { grantId, state } = grant;
  const common = { ...NOTHING, ...(grant.pair === null ? {} : pairParameters(grant.pair)), grantId, state };
  switch (grant.state) {
    case 'pending':
      return { ...common, requestedEnd: JSON.stringify(grant.end), deadline: grant.deadline, since: grant.cancelledAt ?? null };
    case 'active':
      return { ...common, ...heldParameters(grant) };
    case 'ending':
      return { ...common, ...heldParameters(grant), cause: grant.cause, since: grant.since };
    case 'ended':
      return {
        ...common,
        ...heldParameters(grant),
        cause: grant.cause,
        membership: grant.membership,
        overAt: grant.endedAt,
      };
    case 'failed':
      return { ...common, code: grant.code, overAt: grant.failedAt };
    default:
      return grant satisfies never;
  }
}

function heldParameters({ standing, activatedAt, expiresAt }: ActiveGrant | EndingGrant | EndedGrant): StatementValues {
  return { standing: String(standing), activatedAt, expiresAt };
}
