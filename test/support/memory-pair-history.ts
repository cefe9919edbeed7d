import type { PairHistory } from '../../src/access/pair-history.ts';
import { type Pair, pairKey, samePair } from '../../src/access/reference.ts';
import { grantsById, type State } from './memory-ledger-state.ts';

/** What is remembered of the values of a pair. */
export function pairHistory(state: State, pair: Pair): PairHistory {
  const { intents, absences, doubts, metAt, server } = state;
  const ofPair = [...intents.values()].filter(({ intent }) => samePair(intent.pair, pair));
  return {
    additions: ofPair.flatMap(({ intent, closedAt, isReplaced }) => {
      const { intentId, kind, memberAttribute, values, at } = intent;
      const [value] = values;
      return kind !== 'add' || value === undefined ? [] : [{ intentId, memberAttribute, value, at, closedAt, isReplaced }];
    }),
    absences: grantsById(state)
      .filter((grant) => grant.state === 'ended' && samePair(grant.pair, pair))
      .toSorted((one, other) => (one.state === 'ended' && other.state === 'ended' ? one.endedAt - other.endedAt : 0))
      .flatMap(({ grantId }) => absences.get(grantId) ?? []),
    metAt: metAt.get(pairKey(pair)) ?? null,
    isDoubted: ofPair.some(({ intent }) => doubts.has(intent.intentId)),
    serverSince: server.since,
  };
}
