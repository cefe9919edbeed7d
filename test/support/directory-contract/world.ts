import assert from 'node:assert/strict';
import { type AttributeTypeAndValue, type Dn, formatDn, parseRdns } from '../../../src/access/dn.ts';
import { type EntryId, parseEntryId } from '../../../src/access/ids.ts';
import { MEMBER_ATTRIBUTES, type MemberAttribute } from '../../../src/access/membership.ts';
import type { Directory, DirectoryFault, Resolution } from '../../../src/directory/directory.ts';

export interface NewUser {
  readonly dn: Dn;
  readonly uids: readonly string[];
  readonly mails: readonly string[];
}

/** What somebody with all rights does to the directory, beside the adapter under test. */
export interface DirectoryAdmin {
  addUser(user: NewUser): Promise<void>;
  addUsers(users: readonly NewUser[]): Promise<void>;
  addGroup(group: { dn: Dn; name: string; attribute: MemberAttribute; values: readonly string[] }): Promise<void>;
  rename(dn: Dn, newDn: Dn): Promise<void>;
  delete(dn: Dn): Promise<void>;
  idOf(dn: Dn): Promise<EntryId>;
  members(group: Dn): Promise<readonly string[]>;
  change(group: Dn, change: { attribute: MemberAttribute; add?: readonly string[]; remove?: readonly string[] }): Promise<void>;
  /** The connector's account sees nothing at and beneath the name. */
  hide(dn: Dn): Promise<void>;
  /** The connector's account may not search or read the members of that group. */
  hideMembers(dn: Dn): Promise<void>;
  showAll(): Promise<void>;
}

/** In what servers differ that the contract has to know. Everything else is the same for all. */
export interface ServerDifferences {
  /** What a user is named by. */
  readonly userRdn: 'uid' | 'cn' | 'CN';
  /** It takes no changes, and names the server that does (RFC 4511 §4.1.10). */
  readonly isReadOnly: boolean;
  /** Where a group can hold members, and which of them its object class tells. */
  readonly memberAttributes: readonly MemberAttribute[];
  readonly styles: readonly MemberAttribute[];
  /** Member values that are names follow a rename and go with a deletion. */
  readonly hasReferentialIntegrity: boolean;
  /** Such a value needs an entry at its other end. */
  readonly refusesUnknown: boolean;
  /** A group must not lose its last member that is a name (result 65). */
  readonly demandsMember: boolean;
  /** How the deletion of a name that is not there is answered. */
  readonly absentName: DirectoryFault;
  /** How a change of a group that is not there is answered. */
  readonly missingGroup: DirectoryFault;
  /** A user may have several e-mail addresses in the attribute that is configured. */
  readonly hasSeveralMails: boolean;
  /** A name in another normal form of Unicode is the same name (RFC 4518 §2.3). */
  readonly normalisesNames: boolean;
  /** Nesting beyond any bound is found all the same: by a rule of the server's, or since entries say all that they are in. */
  readonly findsAnyDepth: boolean;
}

/** As the RFCs have it, and OpenLDAP. */
export const RFC_DIFFERENCES: ServerDifferences = {
  userRdn: 'uid',
  isReadOnly: false,
  memberAttributes: MEMBER_ATTRIBUTES,
  styles: MEMBER_ATTRIBUTES,
  hasReferentialIntegrity: false,
  refusesUnknown: false,
  demandsMember: true,
  absentName: 'already_absent',
  missingGroup: 'gone',
  hasSeveralMails: true,
  normalisesNames: true,
  findsAnyDepth: false,
};

export interface DirectoryUnderTest {
  /** Started and up. It looks for users beneath `usersScope`, for groups beneath `groupsScope`. */
  readonly directory: Directory;
  readonly admin: DirectoryAdmin;
  readonly baseDn: Dn;
  readonly usersScope: Dn;
  readonly groupsScope: Dn;
  /** A container beneath the base and outside both scopes. */
  readonly elsewhere: Dn;
  /** The answer to the next request is lost after the directory has acted on it. */
  loseNextAnswer(): void;
  /** Resolves when the directory can be used again after a lost answer. */
  untilUp(): Promise<void>;
  close(): Promise<void>;
}

/** The server of a suite, once it runs, and how it differs. */
export interface World extends DirectoryUnderTest {
  readonly differences: ServerDifferences;
}
export type Get = () => World;

/** Those of the attributes that hold names. */
export function nameAttributes({ memberAttributes }: ServerDifferences): readonly Exclude<MemberAttribute, 'memberUid'>[] {
  return memberAttributes.filter((attribute) => attribute !== 'memberUid');
}

/** Values that need care in names and filters: special characters, blanks, other scripts (RFC 4514 §2.4, RFC 4515 §3). */
export const AWKWARD_NAMES = [
  'Doe, Jane',
  'Research + Development',
  'say "hello"',
  ' leading blank',
  'trailing blank ',
  '#hash first',
  'back\\slash',
  'ends with backslash\\',
  'semi;colon',
  '<angle> = brackets',
  '(paren) * star',
  'slash/and:colon',
  'Zoë Ñandú-Łęcki',
  'ひろし 鈴木',
  '🙂 emoji',
];

/** What an attacker would write into a filter that is made of text. */
export const INJECTIONS = [
  '*',
  '*)(uid=*',
  ')(uid=*',
  '*)(objectClass=*',
  'a\0b',
  '\\2a',
  '(|(uid=*))',
  '\u0000',
  '%2a',
  '&',
  '!',
];

export const NO_SUCH_ID = '00000000-0000-4000-8000-00000000dead';

export const signal = new AbortController().signal;
let serial = 0;

export function unique(prefix: string): string {
  serial += 1;
  return `${prefix}-${serial}`;
}

export function child(rdn: AttributeTypeAndValue, parent: Dn): Dn {
  const above = parseRdns(parent);
  assert.ok(above.ok);
  return formatDn([[rdn], ...above.value]);
}

/** The name of a user of that name, there or not. */
export function userDn({ differences, usersScope }: World, value: string, under = usersScope): Dn {
  return child({ type: differences.userRdn, value }, under);
}

export interface MadeUser {
  readonly id: EntryId;
  readonly dn: Dn;
  readonly uid: string;
  readonly mail: string;
}

export async function makeUser(
  world: World,
  options: { under?: Dn; mail?: string; mails?: readonly string[]; cn?: string } = {},
): Promise<MadeUser> {
  const uid = unique('user');
  const mail = options.mail ?? `${uid}@example.test`;
  const dn =
    options.cn === undefined
      ? userDn(world, uid, options.under)
      : child({ type: 'cn', value: options.cn }, options.under ?? world.usersScope);
  await world.admin.addUser({ dn, uids: [uid], mails: options.mails ?? [mail] });
  return { id: await world.admin.idOf(dn), dn, uid, mail };
}

/** Names of users that can be members: where a member must exist, they do. */
export async function memberNames(world: World, names: readonly string[]): Promise<readonly Dn[]> {
  const dns = names.map((value) => userDn(world, value));
  if (world.differences.refusesUnknown) await world.admin.addUsers(dns.map((dn) => ({ dn, uids: [unique('many')], mails: [] })));
  return dns;
}

export interface MadeGroup {
  readonly id: EntryId;
  readonly dn: Dn;
  readonly name: string;
  readonly attribute: MemberAttribute;
}

export async function makeGroup(
  world: World,
  options: { attribute?: MemberAttribute; values?: readonly string[]; under?: Dn; name?: string } = {},
): Promise<MadeGroup> {
  const { attribute = 'member' } = options;
  const name = options.name ?? unique('group');
  const dn = child({ type: 'cn', value: name }, options.under ?? world.groupsScope);
  await world.admin.addGroup({ dn, name, attribute, values: options.values ?? fillers(world, attribute) });
  return { id: await world.admin.idOf(dn), dn, name, attribute };
}

/** What a group holds that is made with no members: one that stands in where the schema demands one. */
export function fillers(world: World, attribute: MemberAttribute): readonly Dn[] {
  return world.differences.demandsMember && attribute !== 'memberUid' ? [userDn(world, 'filler')] : [];
}

export function found<Entry>(resolution: Resolution<Entry>): Entry {
  assert.equal(resolution.kind, 'found');
  assert.ok(resolution.kind === 'found');
  return resolution.entry;
}

export async function presence(world: World, group: MadeGroup, value: string) {
  const [only] = await world.directory.probe({ group: group.dn, attribute: group.attribute, values: [value] }, signal);
  return only;
}

export function rdns(dn: Dn) {
  const parsed = parseRdns(dn);
  assert.ok(parsed.ok);
  return parsed.value;
}

export function idOf(text: string): EntryId {
  const id = parseEntryId(text);
  assert.ok(id.ok);
  return id.value;
}
