import { type Dn, parentDn, sameDn } from '../../../access/dn.ts';
import type { Filter } from '../../../access/filter.ts';
import type { MemberAttribute } from '../../../access/membership.ts';
import { type LdapEntry, valuesOf } from '../entry.ts';
import { groups as groupKind, type Kind, users as userKind, wholeFilter } from '../kinds.ts';
import { memberStyle } from '../member-style.ts';
import { pagedSearch } from '../paged-search.ts';
import { asUnreadable, type Place } from '../place.ts';
import { type Finding, firstOf, ok, warned } from './steps.ts';

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
  /** Why the first of them that is refused is. */
  refusal: string | null;
  count: number;
}

export interface SurveyedUsers extends Finding {
  readonly sample: readonly Dn[];
}

export interface SurveyedGroups extends Finding {
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
  return { ...summary('users', counted), sample };
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
        const { used, allowed } = await memberStyle(flavour, objectClasses, landscape.schema);
        const forced = landscape.memberAttribute;
        found = { attribute: forced ?? used, isHybrid: forced === null && allowed.length > 1, refusal: null, count: 0 };
        if (classes.size < MOST_KINDS) classes.set(shown, found);
      }
      found.count += 1;
      if (refusal !== null) found.refusal ??= refusal;
      // But for those that nobody is granted.
      if (found.attribute === null || refusal !== null || builtIn !== null) return;
      const key = `${shown}\0${parentDn(entry.dn) ?? ''}`;
      if (!firsts.has(key) && firsts.size < MOST_SAMPLED.groups) firsts.set(key, { dn: entry.dn, attribute: found.attribute });
      else if (others.length < MOST_SAMPLED.groups) others.push({ dn: entry.dn, attribute: found.attribute });
    },
    signal,
  );
  return { ...summary('groups', counted), classes, sample: [...firsts.values(), ...others].slice(0, MOST_SAMPLED.groups) };
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

function summary(what: string, { count: total, names }: Counted): Finding {
  if (total === 0) return warned(`no ${what} found: check the scope and the filter, and that the account may read them`);
  return ok(`${total} ${what}: ${names.join(', ')}${total > names.length ? ', …' : ''}`);
}

/** Where the members are of each kind of group that was found. */
export function checkMemberAttributes({ classes }: SurveyedGroups): Finding {
  if (classes.size === 0) return warned('there are no groups');
  const known = [...classes].map(([shown, { attribute, isHybrid, count: total, refusal }]) => {
    const where = attribute ?? (refusal === null ? 'unknown' : 'none');
    return `${shown}: ${where}${isHybrid ? ' of several possible' : ''} (${total})`;
  });
  const unknown = [...classes].filter(([, { attribute, refusal }]) => attribute === null && refusal === null);
  const refused = [...classes.values()].flatMap(({ refusal }) => (refusal === null ? [] : [refusal]));
  const also = refused.length === 0 ? '' : `; never granted: ${refused[0]}`;
  const detail = `${firstOf(known, 10)}${also}`;
  if (unknown.length === 0) return ok(detail);
  return warned(
    `${detail}; where ${unknown[0]?.[0]} holds its members is unknown: set LDAP_MEMBER_ATTRIBUTE, or leave these groups out by LDAP_GROUP_FILTER`,
  );
}
