import { type Dn, isBeneath, leafRdn, parentDn, parseDn } from '../../src/access/dn.ts';
import type { Filter, FilterValue } from '../../src/access/filter.ts';
import type { EntryId } from '../../src/access/ids.ts';
import type { AdAttributes } from './fake-ad-messages.ts';
import type { FakeEntry, FakeTree } from './fake-tree.ts';
import { withDenial } from './security-descriptor.ts';

/** The entries of a domain as Active Directory shows them: a tree, and what more a test wants to be read of an entry. */
export interface AdEntries {
  readonly tree: FakeTree;
  readonly baseDn: Dn;
  readonly domain: string;
  /** Groups whose members the account must neither read nor search. */
  readonly membersHidden: ReadonlySet<Dn>;
  /** What an assertion about them comes to: as the RFC has it, or, as on Samba, as if there were none. */
  readonly traits: { readonly hiddenMembers: 'undefined' | 'false' };
  /** A text that is the same for every spelling of a name; a text that is no name is its own. */
  readonly fold: (text: string) => string;
  /** Attributes beside those that every entry of its kind has, or instead of them. */
  readonly more: ReadonlyMap<EntryId, Readonly<Record<string, readonly (string | Buffer)[]>>>;
}

type Syntax = 'name' | 'bytes' | 'text' | 'exact' | 'number';

/** What the schema knows; an assertion about any other attribute is undefined (RFC 4511 §4.5.1.7). */
const SCHEMA: ReadonlyMap<string, Syntax> = new Map(
  Object.entries({
    name: 'member memberOf uniqueMember managedBy manager distinguishedName',
    bytes: 'objectGUID objectSid',
    text: 'objectClass objectCategory cn ou name sn displayName description title sAMAccountName userPrincipalName mail proxyAddresses uid allowedAttributesEffective isCriticalSystemObject',
    exact: 'memberUid',
    number:
      'groupType sAMAccountType userAccountControl primaryGroupID primaryGroupToken accountExpires instanceType adminCount gidNumber uidNumber',
  }).flatMap(([syntax, names]) => names.split(' ').map((name) => [name.toLowerCase(), syntax as Syntax] as const)),
);
/** Only shown where they are asked for by name. */
const CONSTRUCTED: ReadonlySet<string> = new Set([
  'ntsecuritydescriptor',
  'tokengroups',
  'primarygrouptoken',
  'allowedattributeseffective',
]);
const DOMAIN_USERS = 513;
const GLOBAL_SECURITY_GROUP = '-2147483646';
const NORMAL_ACCOUNT = '512';
/** schemaIDGUID of `member` ([MS-ADA2] §2.43). */
const MEMBER_GUID = 'bf9679c0-0de6-11d0-a285-00aa003049e2';

/** The bytes of an objectGUID: the first three fields are little-endian (RFC 4122 §4.1.2 as Microsoft stores it). */
export function guidBytes(id: EntryId): Buffer {
  const bytes = Buffer.from(id.replaceAll('-', ''), 'hex');
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

/** Every attribute that the account may read of an entry. */
export function attributesOf(entries: AdEntries, entry: FakeEntry): AdAttributes {
  const own = ownAttributes(entries, entry);
  const more = Object.entries(entries.more.get(entry.id) ?? {});
  const replaced = new Set(more.map(([name]) => name.toLowerCase()));
  return [...own.filter(([name]) => !replaced.has(name.toLowerCase())), ...more].filter(([, values]) => values.length > 0);
}

function ownAttributes({ tree, membersHidden, baseDn, domain }: AdEntries, entry: FakeEntry): AdAttributes {
  const named = leafRdn(entry.dn).map(({ type, value }) => [type.toLowerCase(), [String(value)]] as const);
  const [[, name] = ['', []]] = named;
  const category = (schemaClass: string) => [`CN=${schemaClass},CN=Schema,CN=Configuration,${baseDn}`];
  const common: AdAttributes = [
    ...named,
    ['name', name],
    ['distinguishedName', [entry.dn]],
    ['objectGUID', [guidBytes(entry.id)]],
    ['instanceType', ['4']],
  ];
  switch (entry.kind) {
    case 'container':
      return [...common, ['objectClass', ['top', 'organizationalUnit']], ['objectCategory', category('Organizational-Unit')]];
    case 'user':
      return [
        ...common,
        ['objectClass', ['top', 'person', 'organizationalPerson', 'user']],
        ['objectCategory', category('Person')],
        ['sAMAccountName', entry.uids.slice(0, 1)],
        ['uid', entry.uids],
        ['userPrincipalName', entry.uids.slice(0, 1).map((uid) => `${uid}@${domain}`)],
        ['mail', entry.mails.slice(0, 1)],
        ['proxyAddresses', entry.mails.map((mail, index) => `${index === 0 ? 'SMTP' : 'smtp'}:${mail}`)],
        ['userAccountControl', [NORMAL_ACCOUNT]],
        ['primaryGroupID', [String(DOMAIN_USERS)]],
        ['sAMAccountType', ['805306368']],
        ['objectSid', [sidBytes(ridOf(entry.id))]],
      ];
    case 'group':
      return [
        ...common,
        ['objectClass', ['top', 'group']],
        ['objectCategory', category('Group')],
        ['sAMAccountName', [entry.name]],
        ['groupType', [GLOBAL_SECURITY_GROUP]],
        ['sAMAccountType', ['268435456']],
        ['objectSid', [sidBytes(ridOf(entry.id))]],
        ['primaryGroupToken', [String(ridOf(entry.id))]],
        ['memberOf', tree.holding(entry.dn).map(({ dn }) => dn)],
        ['allowedAttributesEffective', ['member']],
        ['nTSecurityDescriptor', [membersHidden.has(entry.dn) ? MEMBERS_DENIED : READ_BY_ALL]],
        ...(membersHidden.has(entry.dn) ? [] : [[entry.attribute ?? 'member', entry.values] as const]),
      ];
    default:
      return entry satisfies never;
  }
}

/** The security identifier of an entry: that of a domain which is always the same, and the entry's own number. */
export function sidBytes(rid: number): Buffer {
  const bytes = Buffer.alloc(28);
  bytes.set([1, 5, 0, 0, 0, 0, 0, 5]);
  [21, 1, 2, 3, rid].forEach((part, index) => bytes.writeUInt32LE(part, 8 + 4 * index));
  return bytes;
}

/** RIGHT_DS_READ_PROPERTY for Domain Users, and the same denied for `member` ([MS-DTYP] §2.4.6). */
const READ_BY_ALL = descriptorFor(sidBytes(DOMAIN_USERS));
const MEMBERS_DENIED = withDenial(READ_BY_ALL, { sid: sidBytes(DOMAIN_USERS), attribute: MEMBER_GUID });

function descriptorFor(sid: Buffer): Buffer {
  const descriptor = Buffer.alloc(20 + 8 + 8 + sid.length);
  // Self-relative, with an access list of one entry that allows, right behind the header.
  descriptor.set([1, 0, 0x04, 0x80]);
  descriptor.writeUInt32LE(20, 16);
  descriptor.set([4, 0, descriptor.length - 20, 0, 1, 0, 0, 0, 0, 0, 8 + sid.length, 0, 0x10], 20);
  descriptor.set(sid, 36);
  return descriptor;
}

/** What numbers an entry in its domain: those below 1,000 are taken. */
export function ridOf(id: EntryId): number {
  return 1_000 + Number.parseInt(id.slice(0, 7), 16);
}

/** The attributes that a search asks for: all but the constructed ones for none or `*`, and none for `1.1`. */
export function selected(attributes: AdAttributes, asked: readonly string[]): AdAttributes {
  const names = new Map(asked.map((text) => [text.toLowerCase(), text]));
  const isAll = asked.length === 0 || names.has('*');
  return attributes.flatMap(([name, values]) => {
    const key = name.toLowerCase();
    const isAsked = names.has(key) || (isAll && !CONSTRUCTED.has(key));
    return isAsked ? [[names.get(key) ?? name, values] as const] : [];
  });
}

/**
 * The members as a domain controller gives them (MaxValRange): so many at a time, by `member;range=0-1499`, asked or not,
 * and beside it a `member` that is empty. A range that is asked for begins where it says.
 */
export function ranged(
  attributes: AdAttributes,
  options: { asked: readonly string[]; all: AdAttributes; most: number },
): AdAttributes {
  const { asked, all, most } = options;
  const members = all.find(([name]) => name === 'member')?.[1] ?? [];
  const range = asked.map((text) => /^member;range=(\d+)-(\d+|\*)$/i.exec(text)).find((match) => match !== null);
  if (range === undefined || range === null) {
    return attributes.flatMap(([name, values]) =>
      name.toLowerCase() !== 'member' || values.length <= most
        ? [[name, values] as const]
        : [[name, []] as const, [`member;range=0-${most - 1}`, values.slice(0, most)] as const],
    );
  }
  const from = Number(range[1]);
  const wanted = range[2] === '*' ? members.length : Number(range[2]) + 1;
  const values = members.slice(from, Math.min(wanted, from + most));
  const end = from + values.length >= members.length ? '*' : String(from + values.length - 1);
  return [...attributes, [`member;range=${from}-${end}`, values]];
}

type Truth = boolean | undefined;

/** An entry as a search looks at it. */
export interface Candidate {
  readonly entry: FakeEntry;
  readonly attributes: AdAttributes;
  /** Its members, folded. */
  readonly members: () => ReadonlySet<string>;
}

/** The entries that a search looks at. */
export function candidates(
  entries: AdEntries,
  { base, scope }: { base: FakeEntry; scope: 'base' | 'one' | 'sub' },
): readonly Candidate[] {
  const { tree, fold } = entries;
  const beneath = scope === 'base' ? [base] : tree.visible().filter((entry) => isBeneath(entry.dn, base.dn));
  const isChild = ({ dn }: FakeEntry) => tree.sameDn(parentDn(dn) ?? ('' as Dn), base.dn);
  return (scope === 'one' ? beneath.filter(isChild) : beneath).map((entry) => {
    let members: ReadonlySet<string> | undefined;
    const values = entry.kind === 'group' && entry.attribute === 'member' ? entry.values : [];
    return { entry, attributes: attributesOf(entries, entry), members: () => (members ??= new Set(values.map(fold))) };
  });
}

/** Whether an entry matches: true, false, or undefined where that cannot be said, which a negation does not make true. */
export function matches(entries: AdEntries, candidate: Candidate, filter: Filter): Truth {
  switch (filter.kind) {
    case 'and':
      return every(filter.filters.map((one) => matches(entries, candidate, one)));
    case 'or':
      return negated(every(filter.filters.map((one) => negated(matches(entries, candidate, one)))));
    case 'not':
      return negated(matches(entries, candidate, filter.filter));
    case 'extensible':
      return isInChain(entries, candidate, filter);
    case 'present':
    case 'equality':
    case 'approx':
    case 'greaterOrEqual':
    case 'lessOrEqual':
    case 'substrings':
      return asserted(entries, candidate, filter);
    default:
      return filter satisfies never;
  }
}

/** LDAP_MATCHING_RULE_TRANSITIVE_EVAL ([MS-ADTS] §3.1.1.3.4.4.3), upwards and downwards. */
function isInChain({ tree }: AdEntries, { entry }: Candidate, filter: Extract<Filter, { kind: 'extensible' }>): Truth {
  if (filter.rule !== '1.2.840.113556.1.4.1941') return undefined;
  const [from, to] = [entry.dn, textOf(filter.value) as Dn];
  switch (filter.attribute.toLowerCase()) {
    case 'member':
      return isBelow(tree, to, from);
    case 'memberof':
      return isBelow(tree, from, to);
    default:
      return undefined;
  }
}

function isBelow(tree: FakeTree, lower: Dn, upper: Dn): boolean {
  const met = new Set<Dn>([lower]);
  for (const name of met)
    for (const { dn } of tree.holding(name)) {
      if (tree.sameDn(dn, upper)) return true;
      met.add(dn);
    }
  return false;
}

function every(truths: readonly Truth[]): Truth {
  if (truths.includes(false)) return false;
  return truths.includes(undefined) ? undefined : true;
}

function negated(truth: Truth): Truth {
  return truth === undefined ? undefined : !truth;
}

type Assertion = Exclude<Filter, { kind: 'and' | 'or' | 'not' | 'extensible' }>;

function asserted(entries: AdEntries, { entry, attributes, members }: Candidate, filter: Assertion): Truth {
  const name = filter.attribute.toLowerCase();
  const syntax = SCHEMA.get(name);
  if (syntax === undefined) return undefined;
  if (name.startsWith('member') && entries.membersHidden.has(entry.dn))
    return entries.traits.hiddenMembers === 'false' ? false : undefined;
  if (name === 'member' && filter.kind === 'equality') {
    const value = textOf(filter.value);
    return parseDn(value).ok ? members().has(entries.fold(value)) : undefined;
  }
  const [, values = []] = attributes.find(([known]) => known.toLowerCase() === name) ?? [];
  if (filter.kind === 'present') return values.length > 0;
  if (filter.kind === 'substrings')
    return syntax === 'text' ? values.some((value) => hasParts(String(value), filter)) : undefined;
  const { value } = filter;
  // A class may be named where its category is meant.
  if (name === 'objectcategory' && !textOf(value).includes('=')) {
    const meant = textOf(value).toLowerCase() === 'user' ? 'person' : textOf(value).toLowerCase();
    return values.some((one) => String(one).toLowerCase().startsWith(`cn=${meant},`));
  }
  if (filter.kind === 'greaterOrEqual' || filter.kind === 'lessOrEqual') {
    const sign = filter.kind === 'greaterOrEqual' ? 1 : -1;
    return syntax === 'number' ? values.some((one) => sign * (Number(one) - Number(textOf(value))) >= 0) : undefined;
  }
  return values.some((one) => areEqual(entries, { syntax, one, other: value }));
}

function areEqual({ fold }: AdEntries, options: { syntax: Syntax; one: string | Buffer; other: FilterValue }): boolean {
  const { syntax, one, other } = options;
  switch (syntax) {
    case 'bytes':
      return Buffer.from(one).equals(Buffer.from(other));
    case 'name':
      return fold(String(one)) === fold(textOf(other));
    case 'exact':
      return String(one) === textOf(other);
    case 'number':
    case 'text':
      return caseless(String(one)) === caseless(textOf(other));
    default:
      return syntax satisfies never;
  }
}

function hasParts(text: string, { initial, any, final }: Extract<Filter, { kind: 'substrings' }>): boolean {
  let rest = caseless(text);
  if (!rest.startsWith(caseless(textOf(initial)))) return false;
  rest = rest.slice(caseless(textOf(initial)).length);
  for (const part of any.map((one) => caseless(textOf(one)))) {
    const at = rest.indexOf(part);
    if (at < 0) return false;
    rest = rest.slice(at + part.length);
  }
  return rest.endsWith(caseless(textOf(final)));
}

function caseless(text: string): string {
  return text.normalize('NFC').toLowerCase();
}

function textOf(value: FilterValue): string {
  return typeof value === 'string' ? value : Buffer.from(value).toString('utf8');
}
