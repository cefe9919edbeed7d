import { shownAddress } from '../endpoint.ts';
import type { DeltaWay, NoDelta } from './delta.ts';
import { numberedDelta, unsearchable } from './delta-numbered.ts';
import { type Reading, rootValues } from './reading.ts';

/** Of all databases (`nsslapd-entryusn-global`), or of the one that a server is delivered with. */
const LAST_USN = ['lastusn', 'lastusn;userroot'] as const;

/**
 * 389 Directory Server: the numbers of the plug-in USN. The tombstones that it leaves are shown to the Directory Manager only,
 * whatever the access rules say (seen on 2.3.1), so what has gone is found by what is still there.
 */
export async function ds389Delta(reading: Reading, signal: AbortSignal): Promise<DeltaWay | NoDelta> {
  const root = await rootValues(reading.session, [...LAST_USN, 'netscapemdsuffix'], signal);
  const { namingContexts } = reading.landscape;
  // Each database counts for itself, and which of them the base is in is not shown: by another's count, changes would be missed.
  if (root.lastusn.length === 0 && namingContexts.length > 1)
    return {
      name: null,
      reason: `each database has numbers of its own, and there are ${namingContexts.length}: set nsslapd-entryusn-global to on in cn=config`,
    };
  const [last] = LAST_USN.flatMap((name) => root[name]).filter((text) => /^\d{1,18}$/.test(text));
  if (last === undefined) return { name: null, reason: 'the root DSE shows no lastusn: the plug-in USN is off' };
  const problem = await unsearchable(reading, 'entryusn', signal);
  if (problem !== null) return { name: null, reason: problem };
  const { session, baseId } = reading;
  return {
    name: 'entryusn',
    reason: 'the plug-in USN numbers all changes',
    // Each server counts for itself.
    server: [baseId, shownAddress(session.endpoint), ...root.netscapemdsuffix].join(' '),
    state: last,
    async changes(state, sink, stop) {
      if (!/^\d{1,18}$/.test(state)) return { told: 'full_needed', reason: 'the cursor cannot be read' };
      if (BigInt(state) > BigInt(last)) return { told: 'full_needed', reason: 'the server counts from anew: it was restored' };
      const since = { kind: 'greaterOrEqual', attribute: 'entryusn', value: String(BigInt(state) + 1n) } as const;
      return await numberedDelta(reading, { since, next: last, deleted: null }, { sink, signal: stop });
    },
  };
}
