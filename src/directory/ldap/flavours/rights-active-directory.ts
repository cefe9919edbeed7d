import type { Dn } from '../../../access/dn.ts';
import { MEMBER_ATTRIBUTES } from '../../../access/membership.ts';
import { ANY_ENTRY, bytesOf, valuesOf } from '../entry.ts';
import { entryAt } from '../place.ts';
import type { Session } from '../session.ts';
import type { RightsTest } from './rights.ts';
import { privilegedGroup, readSecurityId } from './security-id.ts';

/** Of long lists, so many are named. */
const NAMED = 3;
/** OWNER_SECURITY_INFORMATION and DACL_SECURITY_INFORMATION ([MS-ADTS] §3.1.1.4.5.4). */
const MAY_CHANGE_RIGHTS = 0x1 | 0x4;

/** The constructed attributes that say what this session may do to an entry ([MS-ADTS] §3.1.1.4.5). */
export const RIGHTS_OF_ACTIVE_DIRECTORY: RightsTest = {
  async members(session, { group, attribute }, signal) {
    const effective = await readEffective(session, group, signal);
    if (effective === null) return { verdict: 'unknown', said: 'it cannot be read' };
    if (effective.attributes.some((name) => name.toLowerCase() === attribute.toLowerCase())) return { verdict: 'allowed' };
    return { verdict: 'refused', said: `allowedAttributesEffective does not name ${attribute}` };
  },
  async others(session, { dn }, signal) {
    const effective = await readEffective(session, dn, signal);
    if (effective === null) return [];
    const members: ReadonlySet<string> = new Set(MEMBER_ATTRIBUTES.map((name) => name.toLowerCase()));
    const written = effective.attributes.filter((name) => !members.has(name.toLowerCase()));
    return [
      ...(written.length === 0 ? [] : [`change ${named(written)}`]),
      ...(effective.children.length === 0 ? [] : [`create ${named(effective.children)} beneath it`]),
      ...((effective.descriptor & MAY_CHANGE_RIGHTS) === 0 ? [] : ['change who has rights to it']),
    ];
  },
  async standing(session, signal) {
    const root = await entryAt({ session }, { dn: '', filter: ANY_ENTRY, attributes: ['tokenGroups'] }, signal);
    const ids = root === null ? [] : bytesOf(root, 'tokenGroups').map(readSecurityId);
    const groups = new Set(ids.flatMap((id) => (id === null ? [] : (privilegedGroup(id) ?? []))));
    return [...groups].map((group) => `a member of ${group}`);
  },
  untested: 'whether it may delete or rename entries was not tested: no attribute of this server says so',
};

async function readEffective(session: Session, dn: Dn, signal: AbortSignal) {
  const attributes = ['allowedAttributesEffective', 'allowedChildClassesEffective', 'sDRightsEffective'];
  const entry = await entryAt({ session }, { dn, filter: ANY_ENTRY, attributes }, signal);
  if (entry === null) return null;
  return {
    attributes: valuesOf(entry, 'allowedAttributesEffective'),
    children: valuesOf(entry, 'allowedChildClassesEffective'),
    descriptor: Number(valuesOf(entry, 'sDRightsEffective')[0] ?? 0),
  };
}

function named(names: readonly string[]): string {
  const more = names.length - NAMED;
  return `${names.slice(0, NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
