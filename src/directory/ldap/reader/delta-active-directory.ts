import { type Dn, isBeneath, sameDn } from '../../../access/dn.ts';
import { and, equality } from '../../../access/filter.ts';
import type { EntryId } from '../../../access/ids.ts';
import { ANY_ENTRY, bytesOf } from '../entry.ts';
import { entryAt } from '../place.ts';
import type { DeltaWay, NoDelta } from './delta.ts';
import { numberedDelta, unsearchable } from './delta-numbered.ts';
import { idAt } from './facts-entry.ts';
import type { Line } from './line.ts';
import { columns } from './mapping.ts';
import { readPages } from './pages.ts';
import { onLine, type Reading, rootValues } from './reading.ts';

/** LDAP_SERVER_SHOW_DELETED_OID ([MS-ADTS] §3.1.1.3.4.1.14). */
const SHOW_DELETED = { type: '1.2.840.113556.1.4.417', critical: true, value: null } as const;
const DELETED = equality('isDeleted', 'TRUE');

/** Active Directory: the update sequence numbers of this one of its servers, and the deleted objects where they may be seen. */
export async function activeDirectoryDelta(reading: Reading, signal: AbortSignal): Promise<DeltaWay | NoDelta> {
  const { session, baseId } = reading;
  const root = await rootValues(session, ['highestCommittedUSN', 'dsServiceName'], signal);
  const [[highest], [service]] = [root.highestCommittedUSN, root.dsServiceName];
  if (highest === undefined || service === undefined || !/^\d{1,18}$/.test(highest))
    return { name: null, reason: 'the root DSE shows no highestCommittedUSN or dsServiceName' };
  // It changes when a domain controller is restored ([MS-DRSR] §5.208), and the numbers of then say nothing.
  const settings = await entryAt({ session }, { dn: service, filter: ANY_ENTRY, attributes: ['invocationId'] }, signal);
  const [invocation] = settings === null ? [] : bytesOf(settings, 'invocationId');
  if (invocation === undefined) return { name: null, reason: `invocationId of "${service}" cannot be read` };
  const problem = await unsearchable(reading, 'uSNChanged', signal);
  if (problem !== null) return { name: null, reason: problem };
  return {
    name: 'uSNChanged',
    reason: 'the server numbers all changes',
    server: [baseId, service, Buffer.from(invocation).toString('hex')].join(' '),
    state: highest,
    async changes(state, sink, stop) {
      if (!/^\d{1,18}$/.test(state)) return { told: 'full_needed', reason: 'the cursor cannot be read' };
      if (BigInt(state) > BigInt(highest)) return { told: 'full_needed', reason: 'the server counts from anew: it was restored' };
      const since = { kind: 'greaterOrEqual', attribute: 'uSNChanged', value: String(BigInt(state) + 1n) } as const;
      // Who is moved out of a base within the domain is not deleted, and is found changed outside of it only: what is still there tells.
      const isWhole = sameDn(reading.landscape.baseDn, partition(reading));
      const seesAll = isWhole && (await seesDeleted(reading, stop));
      const deleted = async (line: Line, found: (id: EntryId) => void, until: AbortSignal) => {
        const { id: stableId } = reading.landscape.flavour;
        const { wanted, place } = columns({ bytes: [stableId.attribute] });
        const at = { place: place(stableId.attribute), stableId };
        const { pageSize } = reading.mapping;
        const asked = {
          base: partition(reading),
          scope: 'sub',
          filter: and(DELETED, since),
          attributes: wanted,
          pageSize,
        } as const;
        await readPages(line, { ...asked, controls: [SHOW_DELETED] }, { entry: (entry) => found(idAt(entry, at)) }, until);
      };
      return await numberedDelta(reading, { since, next: highest, deleted: seesAll ? deleted : null }, { sink, signal: stop });
    },
  };
}

/** The part of the forest that the base is in: deleted objects are kept at its top. */
function partition({ landscape }: Reading): Dn {
  const { baseDn, namingContexts } = landscape;
  return namingContexts.filter((context) => isBeneath(baseDn, context)).toSorted((a, b) => b.length - a.length)[0] ?? baseDn;
}

/** Whether the account is shown any deleted object: by default only an administrator is, and none may be there. */
async function seesDeleted(reading: Reading, signal: AbortSignal): Promise<boolean> {
  return await onLine(reading, async (line) => {
    let sees = false;
    const asked = {
      base: partition(reading),
      scope: 'sub',
      filter: DELETED,
      attributes: [],
      sizeLimit: 1,
      controls: [SHOW_DELETED],
    } as const;
    // The container of deleted objects is itself one of them.
    await line.search(asked, { entry: ({ dn }) => void (sees ||= !/^cn=deleted objects,/i.test(dn)) }, signal);
    return sees;
  });
}
