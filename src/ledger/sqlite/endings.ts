import type { EndingGrant, LiveGrant } from '../../access/grant.ts';
import type { Pair } from '../../access/reference.ts';
import type { EndingState, EndingToBegin, PairState } from '../ledger.ts';
import { writeConsequence } from './consequence.ts';
import type { Database } from './database.ts';
import { liveGrantsOf } from './grants.ts';
import { findOpenIntent } from './intents.ts';
import { readAttachedJobs } from './jobs.ts';
import { findPeriod, findPlaceholder } from './periods.ts';

/** Begins to end a grant that is active and still has this end; false where it is left as it is. */
export function beginEnding(database: Database, { grant, consequence }: EndingToBegin): boolean {
  const { grantId, expiresAt, cause, since } = grant;
  const begun = database.run(
    `UPDATE grants SET state = 'ending', cause = :cause, since = :since
     WHERE grant_id = :grantId AND state = 'active' AND expires_at = :expiresAt`,
    { grantId, expiresAt, cause, since },
  );
  if (begun === 0) return false;
  writeConsequence(database, consequence);
  return true;
}

/** What an attempt to end a grant needs to know; null where it is not ending. */
export function findEndingState(database: Database, { grantId, pair }: Pick<LiveGrant, 'grantId' | 'pair'>): EndingState | null {
  const state = findPairState(database, pair);
  const grant = state.grants.find((one): one is EndingGrant => one.grantId === grantId && one.state === 'ending');
  return grant === undefined ? null : { grant, jobs: readAttachedJobs(database, grantId), pair: state };
}

/** Everything that is known about one user in one group. */
export function findPairState(database: Database, pair: Pair): PairState {
  return {
    period: findPeriod(database, pair),
    grants: liveGrantsOf(database, pair),
    intent: findOpenIntent(database, pair),
    placeholder: findPlaceholder(database, pair.group.id),
  };
}
