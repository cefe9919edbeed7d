import { type BerWriter, Control } from 'ldapts';
import type { Dn } from '../../../access/dn.ts';
import type { MemberAttribute } from '../../../access/membership.ts';
import { ANY_ENTRY, bytesOf } from '../entry.ts';
import { entryAt } from '../place.ts';
import type { Session } from '../session.ts';
import type { MemberRights } from './flavour.ts';

/**
 * LDAP_SERVER_SD_FLAGS_OID ([MS-ADTS] §3.1.1.3.4.1.11): without it, only whoever may read the auditing part gets any. Its value is
 * SEQUENCE { flags INTEGER }, DACL_SECURITY_INFORMATION.
 */
const ONLY_ACCESS_LIST = {
  type: '1.2.840.113556.1.4.801',
  critical: true,
  value: Buffer.from([0x30, 0x03, 0x02, 0x01, 0x04]),
} as const;
const LIST = 'nTSecurityDescriptor';
const ACCOUNTS = 'tokenGroups';

class OnlyAccessList extends Control {
  constructor() {
    super(ONLY_ACCESS_LIST.type, { critical: ONLY_ACCESS_LIST.critical });
  }

  override writeControl(writer: BerWriter): void {
    writer.writeBuffer(ONLY_ACCESS_LIST.value, 0x04);
  }
}

/** schemaIDGUIDs of the attributes, and the attributeSecurityGUID of the property set Membership, as bytes on the wire. */
const MEMBERSHIP = '40c20abca979d011902000c04fc2d4cf';
const GUIDS: Readonly<Record<MemberAttribute, readonly string[]>> = {
  member: ['c07996bfe60dd011a28500aa003049e2', MEMBERSHIP],
  memberUid: ['36b2da032e67614fab64f77d2dc2ffab'],
  uniqueMember: [],
};

/**
 * Whether this session may read the members of a group. Samba answers a filter as if an attribute that must not be read were
 * not there, so that a negation is true of every member: only with the right to read it is that an absence.
 *
 * A value that is shown proves the right. Where none is, since the group is empty or its members are hidden, the entry's own
 * access list is judged, as the server does, by the security ids of this session.
 */
export async function mayReadMembers(
  session: Session,
  { group, attribute }: { group: Dn; attribute: MemberAttribute },
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const first = attribute === 'memberUid' ? attribute : `${attribute};range=0-0`;
  const shown = await entryAt({ session }, { dn: group, filter: ANY_ENTRY, attributes: [first] }, signal);
  if (shown === null) return false;
  if (bytesOf(shown, first).length > 0) return true;
  const control = new OnlyAccessList();
  const [lists, ids] = await Promise.all([
    entryAt({ session }, { dn: group, filter: ANY_ENTRY, attributes: [LIST], control }, signal),
    entryAt({ session }, { dn: '', filter: ANY_ENTRY, attributes: [ACCOUNTS] }, signal),
  ]);
  const [descriptor] = lists === null ? [] : bytesOf(lists, LIST);
  const sids = new Set(ids === null ? [] : bytesOf(ids, ACCOUNTS).map(hex));
  return descriptor !== undefined && grantsReading(Buffer.from(descriptor), { sids, guids: new Set(GUIDS[attribute]) });
}

/** What {@link mayReadMembers} judges, where it is asked of many groups that came without a value. */
export const MEMBER_RIGHTS: MemberRights = {
  list: LIST,
  control: ONLY_ACCESS_LIST,
  accounts: ACCOUNTS,
  mayRead: (list, { accounts, attribute }) => grantsReading(list, { sids: accounts, guids: new Set(GUIDS[attribute]) }),
};

const ALLOWED = 0x0;
const DENIED = 0x1;
const ALLOWED_OBJECT = 0x5;
const DENIED_OBJECT = 0x6;
/** Conditional entries that deny ([MS-DTYP] §2.4.4.16 and on); those that allow are passed over. */
const DENIED_CALLBACKS: ReadonlySet<number> = new Set([0xa, 0xc]);
/** INHERIT_ONLY_ACE: concerns what is beneath. */
const INHERIT_ONLY = 0x8;
/** RIGHT_DS_READ_PROPERTY, GENERIC_READ and GENERIC_ALL. */
const READING = [0x10, 0x80000000, 0x10000000];

/**
 * Whether a security descriptor lets one of the accounts read an attribute: the first entry of its list that speaks of both
 * decides ([MS-DTYP] §2.5.3.2). What cannot be read grants nothing.
 */
export function grantsReading(
  descriptor: Buffer,
  { sids, guids }: { sids: ReadonlySet<string>; guids: ReadonlySet<string> },
): boolean {
  if (descriptor.length < 20) return false;
  const at = descriptor.readUInt32LE(16);
  if (at === 0 || at + 8 > descriptor.length) return false;
  const count = descriptor.readUInt16LE(at + 4);
  let entryAtByte = at + 8;
  for (let i = 0; i < count; i += 1) {
    if (entryAtByte + 8 > descriptor.length) return false;
    const size = descriptor.readUInt16LE(entryAtByte + 2);
    const entry = descriptor.subarray(entryAtByte, entryAtByte + size);
    if (size < 16 || entry.length < size) return false;
    const verdict = verdictOf(entry, { sids, guids });
    if (verdict !== null) return verdict;
    entryAtByte += size;
  }
  return false;
}

/** What one entry of the list says; null where it speaks of somebody or something else. */
function verdictOf(entry: Buffer, { sids, guids }: { sids: ReadonlySet<string>; guids: ReadonlySet<string> }): boolean | null {
  const type = entry.readUInt8(0);
  const mask = entry.readUInt32LE(4);
  if ((entry.readUInt8(1) & INHERIT_ONLY) !== 0 || !READING.some((right) => (mask & right) !== 0)) return null;
  // Whom a conditional denial concerns is beyond us: it is taken for us.
  if (DENIED_CALLBACKS.has(type)) return false;
  const isObject = type === ALLOWED_OBJECT || type === DENIED_OBJECT;
  if (!isObject && type !== ALLOWED && type !== DENIED) return null;
  const flags = isObject ? entry.readUInt32LE(8) : 0;
  const [hasObject, hasInherited] = [(flags & 1) !== 0, (flags & 2) !== 0];
  if (hasObject && !guids.has(hex(entry.subarray(12, 28)))) return null;
  const sid = entry.subarray(isObject ? 12 + (hasObject ? 16 : 0) + (hasInherited ? 16 : 0) : 8);
  return sids.has(hex(sid)) ? type === ALLOWED || type === ALLOWED_OBJECT : null;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
