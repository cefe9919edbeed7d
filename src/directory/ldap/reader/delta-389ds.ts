import { and, equality } from '../../../access/filter.ts';
import type { EntryId } from '../../../access/ids.ts';
import { shownAddress } from '../endpoint.ts';
import { entryAt } from '../place.ts';
import type { DeltaWay, NoDelta } from './delta.ts';
import { numberedDelta } from './delta-numbered.ts';
import type { Line } from './line.ts';
import { onLine, type Reading, rootValues } from './reading.ts';
import { scanIds } from './scan.ts';

/** Of the database that a server is delivered with, or of all of them (`nsslapd-entryusn-global`). */
const LAST_USN = ['lastusn;userroot', 'lastusn'] as const;
const TOMBSTONE = equality('objectClass', 'nsTombstone');

/** 389 Directory Server: the numbers of the plug-in USN, and the tombstones that it leaves. */
export async function ds389Delta(reading: Reading, signal: AbortSignal): Promise<DeltaWay | NoDelta> {
  const root = await rootValues(reading.session, [...LAST_USN, 'netscapemdsuffix'], signal);
  const [last] = LAST_USN.flatMap((name) => root[name]).filter((text) => /^\d{1,18}$/.test(text));
  if (last === undefined) return { name: null, reason: 'the root DSE shows no lastusn: the plug-in USN is off' };
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
      const seesAll = await seesTombstones(reading, stop);
      const deleted = async (line: Line, found: (id: EntryId) => void, until: AbortSignal) =>
        await scanIds(reading, { line, base: reading.landscape.baseDn, filter: and(TOMBSTONE, since) }, { found, signal: until });
      return await numberedDelta(reading, { since, next: last, deleted: seesAll ? deleted : null }, { sink, signal: stop });
    },
  };
}

/**
 * Whether the account sees the numbers everywhere and tombstones in every scope. None at all may be because there is none, or
 * because it must not see them, and that is not told apart.
 */
async function seesTombstones(reading: Reading, signal: AbortSignal): Promise<boolean> {
  const { session, landscape, usersScopes, groupsScopes } = reading;
  const number = { kind: 'present', attribute: 'entryusn' } as const;
  if ((await entryAt({ session }, { dn: landscape.baseDn, filter: number, attributes: ['1.1'] }, signal)) === null) return false;
  return await onLine(reading, async (line) => {
    for (const base of new Set([...usersScopes, ...groupsScopes])) {
      let sees = false;
      const asked = { base, scope: 'sub', filter: TOMBSTONE, attributes: [], sizeLimit: 1, controls: [] } as const;
      await line.search(asked, { entry: () => void (sees = true) }, signal);
      if (!sees) return false;
    }
    return true;
  });
}
