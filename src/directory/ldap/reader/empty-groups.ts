import { and, type Filter, not, or } from '../../../access/filter.ts';
import type { EntryId } from '../../../access/ids.ts';
import type { MemberAttribute } from '../../../access/membership.ts';
import { DirectoryError } from '../../directory.ts';
import { ANY_ENTRY, hasId } from '../entry.ts';
import { idAt } from './facts-entry.ts';
import type { Line } from './line.ts';
import { columns } from './mapping.ts';
import { incomplete, readPages } from './pages.ts';
import { filterOf, type Reading } from './reading.ts';

/** A group that came without a single member value. */
export interface EmptyGroup {
  readonly id: EntryId;
  readonly dn: string;
  readonly attribute: MemberAttribute;
}

/** So few are asked about by their ids; more by one search of the whole scope. */
const FEW = 100;
const SUCCESS = 0;
const NO_SUCH_OBJECT = 32;

/**
 * Rejects where a group came without members that the account must not read: told as empty, it would take everybody out of it. A
 * filter about what must not be read is neither true nor false (RFC 4511 §4.5.1.7), so that a group is proved empty by the negation;
 * where a server answers as if what is hidden were not there, its access list has to allow the reading, too.
 */
export async function proveEmpty(
  reading: Reading,
  { line, base, groups }: { line: Line; base: string; groups: readonly EmptyGroup[] },
  signal: AbortSignal,
): Promise<void> {
  for (const attribute of new Set(groups.map((group) => group.attribute))) {
    const empty = groups.filter((group) => group.attribute === attribute);
    const proved = await provedEmpty(reading, { line, base, attribute, ids: empty.map(({ id }) => id) }, signal);
    for (const group of empty) {
      if (proved.has(group.id)) continue;
      const found = await lookAgain(line, group, signal);
      if (found === 'members' || found === 'gone') continue;
      const again = await provedEmpty(reading, { line, base, attribute, ids: [group.id] }, signal);
      if (!again.has(group.id)) throw unreadable(group);
    }
  }
}

/** Of the groups beneath a base, those that are shown to have no value of an attribute which the account may read. */
async function provedEmpty(
  reading: Reading,
  { line, base, attribute, ids }: { line: Line; base: string; attribute: MemberAttribute; ids: readonly EntryId[] },
  signal: AbortSignal,
): Promise<ReadonlySet<EntryId>> {
  const { id: stableId, memberRights } = reading.landscape.flavour;
  const { wanted, place } = columns({ bytes: [stableId.attribute, ...(memberRights === null ? [] : [memberRights.list])] });
  const listAt = memberRights === null ? null : place(memberRights.list);
  const accounts = memberRights === null ? new Set<string>() : await ownIds(line, memberRights.accounts, signal);
  const at = { place: place(stableId.attribute), stableId };
  const proved = new Set<EntryId>();
  const isEmpty: Filter = and(filterOf(reading, 'group'), not({ kind: 'present', attribute }));
  const filter = ids.length > FEW ? isEmpty : and(isEmpty, or(...ids.map((id) => hasId(id, stableId))));
  const controls = memberRights === null ? [] : [memberRights.control];
  await readPages(
    line,
    { base, scope: 'sub', filter, attributes: wanted, pageSize: reading.mapping.pageSize, controls },
    {
      entry(entry) {
        const [list] = listAt === null ? [] : (entry.bytes[listAt] ?? []);
        const mayRead = memberRights === null || (list !== undefined && memberRights.mayRead(list, { accounts, attribute }));
        if (mayRead) proved.add(idAt(entry, at));
      },
    },
    signal,
  );
  return proved;
}

/** The ids that this connection acts by, as hexadecimal text. */
async function ownIds(line: Line, attribute: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  const asked = {
    base: '',
    scope: 'base',
    filter: ANY_ENTRY,
    attributes: [{ name: attribute, as: 'bytes' }],
    sizeLimit: 0,
  } as const;
  const receiver = {
    entry: ({ bytes: [own = []] }: { bytes: readonly (readonly Buffer[] | undefined)[] }) =>
      own.forEach((id) => ids.add(id.toString('hex'))),
  };
  const result = await line.search({ ...asked, controls: [] }, receiver, signal);
  if (result.resultCode !== SUCCESS) throw incomplete(result, 'read which accounts this connection acts by');
  return ids;
}

/** One that has got members since is told by the next delta. */
async function lookAgain(
  line: Line,
  { dn, attribute }: EmptyGroup,
  signal: AbortSignal,
): Promise<'members' | 'nothing' | 'gone'> {
  let found: 'members' | 'nothing' | 'gone' = 'gone';
  const result = await line.search(
    { base: dn, scope: 'base', filter: ANY_ENTRY, attributes: [{ name: attribute, as: 'parts' }], sizeLimit: 0, controls: [] },
    {
      values: (_, __, values) => void (found = values.length > 0 ? 'members' : found),
      entry: () => void (found = found === 'members' ? found : 'nothing'),
    },
    signal,
  );
  if (result.resultCode === SUCCESS || result.resultCode === NO_SUCH_OBJECT) return found;
  throw incomplete(result, `look at "${dn}" again`);
}

function unreadable({ dn, attribute }: EmptyGroup): DirectoryError {
  return new DirectoryError(
    'refused',
    `The members of "${dn}" are not shown, and nothing proves that it has none: the account must not read or search ${attribute} there. Give it that right (\`latchkey acl\` shows how), or leave the group out with LDAP_GROUP_FILTER. Nothing of this read is used.`,
  );
}
