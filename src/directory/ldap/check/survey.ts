import { type Dn, parentDn, sameDn } from '../../../access/dn.ts';
import type { Filter } from '../../../access/filter.ts';
import type { MemberAttribute } from '../../../access/membership.ts';
import { ANY_ENTRY, type LdapEntry, valuesOf } from '../entry.ts';
import { groups as groupKind, type Kind, users as userKind, wholeFilter } from '../kinds.ts';
import type { Landscape } from '../landscape.ts';
import { memberStyle } from '../member-style.ts';
import { pagedSearch } from '../paged-search.ts';
import { asUnreadable, entryAt, type Place } from '../place.ts';
import { type Finding, failed, firstOf, ok, warned } from './steps.ts';

/** Small enough for the limits that servers are delivered with. */
const PAGE_SIZE = 500;
/** How many users and groups rights are tried with. */
const MOST_SAMPLED = { users: 2, groups: 12 };
/** How many kinds of groups are told apart. */
const MOST_KINDS = 100;

export interface SampleGroup {
  readonly dn: Dn;
  readonly attribute: MemberAttribute;
}

/** Groups of the same object classes. */
interface GroupClass {
  readonly attribute: MemberAttribute | null;
  readonly isHybrid: boolean;
  /** False where the schema lets such a group have no forced attribute; null where that cannot be told. */
  readonly takesForced: boolean | null;
  /** Why the first of them that is refused is. */
  refusal: string | null;
  count: number;
}

export interface SurveyedUsers extends Finding {
  readonly count: number;
  readonly sample: readonly Dn[];
}

export interface SurveyedGroups extends Finding {
  readonly count: number;
  readonly sample: readonly SampleGroup[];
  /** By their object classes, as they are shown. */
  readonly classes: ReadonlyMap<string, GroupClass>;
}

/** Counts the users in scope, page by page. */
export async function surveyUsers(place: Place, signal: AbortSignal): Promise<SurveyedUsers> {
  const { usernameAttribute } = place.landscape;
  const { account } = place.session;
  const sample: Dn[] = [];
  const counted = await count(
    place,
    { kind: userKind(place), name: usernameAttribute },
    async ({ dn }) => {
      // To itself an account may do what it may do to nobody else.
      if (sample.length < MOST_SAMPLED.users && (account === null || !sameDn(dn, account))) sample.push(dn);
    },
    signal,
  );
  return { ...summary('user', counted), count: counted.count, sample };
}

/** Counts the groups in scope, says what they are, and takes some from every place. */
export async function surveyGroups(place: Place, signal: AbortSignal): Promise<SurveyedGroups> {
  const { landscape } = place;
  const { flavour, groupNameAttribute } = landscape;
  const classes = new Map<string, GroupClass>();
  /** One of each kind at each place, since rights are given by place. */
  const firsts = new Map<string, SampleGroup>();
  const others: SampleGroup[] = [];
  const counted = await count(
    place,
    { kind: groupKind(place), name: groupNameAttribute },
    async (entry) => {
      const objectClasses = valuesOf(entry, 'objectClass').filter((name) => name.toLowerCase() !== 'top');
      const shown = objectClasses.toSorted().join(' + ');
      const { refusal, builtIn } = flavour.group.facts(entry);
      let found = classes.get(shown);
      if (found === undefined) {
        found = { ...(await whereMembersAre(place, { dn: entry.dn, objectClasses }, signal)), refusal: null, count: 0 };
        if (classes.size < MOST_KINDS) classes.set(shown, found);
      }
      found.count += 1;
      if (refusal !== null) found.refusal ??= refusal;
      // But for those that nobody is or can be granted.
      if (found.attribute === null || found.takesForced === false || refusal !== null || builtIn !== null) return;
      const key = `${shown}\0${parentDn(entry.dn) ?? ''}`;
      if (!firsts.has(key) && firsts.size < MOST_SAMPLED.groups) firsts.set(key, { dn: entry.dn, attribute: found.attribute });
      else if (others.length < MOST_SAMPLED.groups) others.push({ dn: entry.dn, attribute: found.attribute });
    },
    signal,
  );
  const sample = [...firsts.values(), ...others].slice(0, MOST_SAMPLED.groups);
  return { ...summary('group', counted), count: counted.count, classes, sample };
}

async function whereMembersAre(
  place: Place,
  { dn, objectClasses }: { dn: Dn; objectClasses: readonly string[] },
  signal: AbortSignal,
): Promise<Pick<GroupClass, 'attribute' | 'isHybrid' | 'takesForced'>> {
  const { flavour, schema, memberAttribute } = place.landscape;
  const { used, allowed } = await memberStyle(flavour, objectClasses, schema);
  if (memberAttribute === null) return { attribute: used, isHybrid: allowed.length > 1, takesForced: null };
  const takesForced =
    allowed.includes(memberAttribute) || (await mayHave(place, { dn, objectClasses, attribute: memberAttribute }, signal));
  return { attribute: memberAttribute, isHybrid: false, takesForced };
}

/** Whether the schema lets an entry of these object classes have an attribute; null where that cannot be told. */
async function mayHave(
  { session, landscape }: Place,
  { dn, objectClasses, attribute }: { dn: Dn; objectClasses: readonly string[]; attribute: string },
  signal: AbortSignal,
): Promise<boolean | null> {
  const isNamed = (names: Iterable<string>) => [...names].some((name) => name.toLowerCase() === attribute.toLowerCase());
  // It may have any (RFC 4512 §4.3).
  if (objectClasses.some((name) => name.toLowerCase() === 'extensibleobject')) return true;
  // Active Directory gives classes more than their descriptions say, and tells it of each entry ([MS-ADTS] §3.1.1.4.5).
  const entry = await entryAt({ session }, { dn, filter: ANY_ENTRY, attributes: ['allowedAttributes'] }, signal);
  const told = entry === null ? [] : valuesOf(entry, 'allowedAttributes');
  if (told.length > 0) return isNamed(told);
  const described = (await landscape.schema()).attributesOf(objectClasses);
  return described.size === 0 ? null : isNamed(described);
}

interface Counted {
  readonly count: number;
  readonly names: readonly string[];
}

async function count<Entry>(
  { session }: Place,
  { kind, name }: { kind: Kind<Entry>; name: string },
  each: (entry: LdapEntry) => Promise<void>,
  signal: AbortSignal,
): Promise<Counted> {
  const filter: Filter = wholeFilter(kind);
  const attributes = [...new Set([...kind.attributes, name])];
  const names: string[] = [];
  let found = 0;
  for (const base of kind.scopes) {
    try {
      for await (const page of pagedSearch(session, { base, scope: 'sub', filter, attributes, pageSize: PAGE_SIZE }, signal)) {
        for (const entry of page) {
          found += 1;
          if (names.length < 3) names.push(valuesOf(entry, name)[0] ?? entry.dn);
          await each(entry);
        }
      }
    } catch (error) {
      throw asUnreadable(error, base);
    }
  }
  return { count: found, names };
}

function summary(what: 'user' | 'group', { count: total, names }: Counted): Finding {
  if (total === 0) return warned(`no ${what}s found: check the scope and the filter, and that the account may read them`);
  return ok(`${total} ${what}${total === 1 ? '' : 's'}: ${names.join(', ')}${total > names.length ? ', …' : ''}`);
}

/** Where the members are of each kind of group that was found. */
export function checkMemberAttributes(
  { classes }: Pick<SurveyedGroups, 'classes'>,
  { memberAttribute }: Pick<Landscape, 'memberAttribute'>,
): Finding {
  const known = [...classes].map(([shown, { attribute, isHybrid, count: total, refusal }]) => {
    const where = attribute ?? (refusal === null ? 'unknown' : 'none');
    return `${shown}: ${where}${isHybrid ? ' of several possible' : ''} (${total})`;
  });
  const unknown = [...classes].filter(([, { attribute, refusal }]) => attribute === null && refusal === null);
  const refused = [...classes.values()].flatMap(({ refusal }) => (refusal === null ? [] : [refusal]));
  const also = refused.length === 0 ? '' : `; never granted: ${refused[0]}`;
  const detail = `${firstOf(known, 10)}${also}`;
  const granted = [...classes].filter(([, { refusal }]) => refusal === null);
  const without = granted.filter(([, { takesForced }]) => takesForced === false).map(([shown]) => shown);
  if (without.length > 0) {
    const cause = `LDAP_MEMBER_ATTRIBUTE is ${memberAttribute}, which the schema of this server does not allow in groups of the classes ${firstOf(without.map((name) => `"${name}"`))}`;
    const todo = 'leave it out, so that the object classes of each group decide';
    // Where others can be granted, that these are not may be meant.
    if (without.length === granted.length) return failed(`${cause}: ${todo}`);
    return warned(`${cause}, so nobody can be granted them: ${todo}, or leave these groups out by LDAP_GROUP_FILTER`);
  }
  if (unknown.length === 0) return ok(detail);
  return warned(
    `${detail}; where ${unknown[0]?.[0]} holds its members is unknown: set LDAP_MEMBER_ATTRIBUTE, or leave these groups out by LDAP_GROUP_FILTER`,
  );
}
