import { type Dn, sameDn } from '../../../access/dn.ts';
import { and, equality, type Filter, or } from '../../../access/filter.ts';
import { halves } from '../../batch.ts';
import type { GroupAbove } from '../../directory.ts';
import { idOf, valuesOf } from '../entry.ts';
import { isInside } from '../kinds.ts';
import { groupsNamed } from '../locate.ts';
import { nestingAttributes } from '../met-group.ts';
import { pagedSearch } from '../paged-search.ts';
import { entryAt, type Place } from '../place.ts';
import { type Finding, failed, firstOf, ok, warned } from './steps.ts';

/** Groups of the base that are looked for in protected ones, and names in one filter: a check shall not take minutes. */
const MOST_LOOKED_FOR = 2_000;
const ASKED_TOGETHER = 100;
const PAGE_SIZE = 500;

/** What is protected, as it is configured. */
export interface ProtectedAsked {
  /** DNs, names or ids of groups. */
  readonly protectedGroups: readonly string[];
  /** Whether a group that rules over its directory is protected; where it is left out, each of them is. */
  readonly isProtected?: (group: GroupAbove) => boolean;
}

/** Which groups are protected and which are nested in them. With the names of those that are configured, which are never written to. */
export async function checkProtected(place: Place, asked: ProtectedAsked, signal: AbortSignal) {
  const { protectedGroups: configured, isProtected = () => true } = asked;
  const { names, missing } = await groupsOf(place, configured, signal);
  if (missing.length > 0) {
    const detail = `${missing.join(', ')} of LATCHKEY_PROTECTED_GROUPS is no group that this account can see; correct it, or give the account the right to read it`;
    return { ...failed(detail), names };
  }
  const ruling = await rulingGroups(place, isProtected, signal);
  const byKind = place.landscape.flavour.ruling === null ? '' : 'those that rule over the domain, and ';
  const named = configured.length === 0 ? 'none of LATCHKEY_PROTECTED_GROUPS' : shown(names);
  const nested = await nestedBeneath(place, [...names, ...ruling], signal);
  return { ...protectedFinding(`${byKind}${named}`, nested), names };
}

/** Whether each group of a rule of the policy file is there. */
export async function checkRuleGroups(place: Place, configured: readonly string[], signal: AbortSignal): Promise<Finding> {
  const { missing, names } = await groupsOf(place, configured, signal);
  return missing.length > 0
    ? failed(
        `${missing.join(', ')} of LATCHKEY_POLICY_FILE is no group that this account can see; correct it, or give the account the right to read it`,
      )
    : ok(shown(names));
}

async function groupsOf(place: Place, configured: readonly string[], signal: AbortSignal) {
  const names: Dn[] = [];
  const missing: string[] = [];
  for (const one of configured) {
    const found = await groupsNamed(place, one, signal);
    names.push(...found.map(({ dn }) => dn));
    if (found.length === 0) missing.push(`"${one}"`);
  }
  return { names, missing };
}

function protectedFinding(which: string, { names, isWhole }: NestedGroups): Finding {
  const more = isWhole ? '' : `, of the first ${MOST_LOOKED_FOR} that were looked at`;
  if (names.length === 0) return ok(`${which}${isWhole ? '' : `; no group in scope is nested in them${more}`}`);
  const [are, they] = names.length === 1 ? ['group in LDAP_GROUPS_SCOPE is', 'it'] : ['groups in LDAP_GROUPS_SCOPE are', 'they'];
  return warned(
    `${which}; ${names.length} ${are} nested in one of them${more}, and never granted either: ${shown(names)}. Take the nesting out if ${they} shall be`,
  );
}

function shown(names: readonly Dn[]): string {
  return firstOf(names.map((dn) => `"${dn}"`));
}

/** Groups in scope that are in one of the protected groups. */
interface NestedGroups {
  readonly names: readonly Dn[];
  /** False where there may be more: there are more groups than are looked for. */
  readonly isWhole: boolean;
}

/**
 * The groups in scope that are in one of these, at any depth: by the server's rule, or by asking each of these, and each that is found in
 * one, for all others. It needs no right but to search; what must not be searched is not found.
 */
async function nestedBeneath(place: Place, uppers: readonly Dn[], signal: AbortSignal): Promise<NestedGroups> {
  if (uppers.length === 0) return { names: [], isWhole: true };
  const found =
    place.landscape.flavour.inChain === null ? await byAsking(place, uppers, signal) : await byRule(place, uppers, signal);
  const names = found.names.filter((dn) => isInside(dn, place.landscape.groupsScope) && !uppers.some((one) => sameDn(one, dn)));
  return { ...found, names };
}

async function byRule(place: Place, uppers: readonly Dn[], signal: AbortSignal): Promise<NestedGroups> {
  const { flavour } = place.landscape;
  const rule = flavour.inChain ?? '';
  const names = new Set<Dn>();
  for (let from = 0; from < uppers.length; from += ASKED_TOGETHER) {
    const above = uppers
      .slice(from, from + ASKED_TOGETHER)
      .map((value): Filter => ({ kind: 'extensible', attribute: 'memberOf', rule, value }));
    const some = await listed(place, and(flavour.groups, or(...above)), signal);
    for (const dn of some.names) names.add(dn);
    if (!some.isWhole) return { names: [...names], isWhole: false };
  }
  return { names: [...names], isWhole: true };
}

async function byAsking(place: Place, uppers: readonly Dn[], signal: AbortSignal): Promise<NestedGroups> {
  const all = await listed(place, place.landscape.flavour.groups, signal);
  const found = new Set<Dn>();
  const waiting = [...uppers];
  // Each is asked once, however they are in one another.
  for (let upper = waiting.shift(); upper !== undefined; upper = waiting.shift()) {
    const others = all.names.filter((dn) => !found.has(dn) && !uppers.some((one) => sameDn(one, dn)));
    for (let from = 0; from < others.length; from += ASKED_TOGETHER) {
      for (const dn of await membersAmong(place, { upper, names: others.slice(from, from + ASKED_TOGETHER) }, signal)) {
        found.add(dn);
        waiting.push(dn);
      }
    }
  }
  return { names: [...found], isWhole: all.isWhole };
}

/** Which of the names are members of the group: nearly always none, which one search tells of all. */
async function membersAmong(
  place: Place,
  { upper, names }: { upper: Dn; names: readonly Dn[] },
  signal: AbortSignal,
): Promise<readonly Dn[]> {
  const attributes = nestingAttributes(place.landscape.flavour);
  const filter = or(...names.flatMap((value) => attributes.map((attribute) => equality(attribute, value))));
  if (names.length === 0 || (await entryAt(place, { dn: upper, filter, attributes: ['1.1'] }, signal)) === null) return [];
  if (names.length === 1) return names;
  const members: Dn[] = [];
  for (const half of halves(names)) members.push(...(await membersAmong(place, { upper, names: half }, signal)));
  return members;
}

async function listed(place: Place, filter: Filter, signal: AbortSignal): Promise<NestedGroups> {
  const { session, landscape } = place;
  const names: Dn[] = [];
  const request = { base: landscape.baseDn, scope: 'sub', filter, attributes: ['1.1'], pageSize: PAGE_SIZE } as const;
  for await (const page of pagedSearch(session, request, signal)) {
    names.push(...page.map(({ dn }) => dn));
    if (names.length > MOST_LOOKED_FOR) return { names: names.slice(0, MOST_LOOKED_FOR), isWhole: false };
  }
  return { names, isWhole: true };
}

/** The groups that rule over the directory by nature and are not released, of those that the account may see. */
async function rulingGroups(
  { session, landscape }: Place,
  isProtected: (group: GroupAbove) => boolean,
  signal: AbortSignal,
): Promise<readonly Dn[]> {
  const { baseDn: base, flavour, groupNameAttribute } = landscape;
  if (flavour.ruling === null) return [];
  const attributes = [...new Set([flavour.id.attribute, groupNameAttribute, ...flavour.group.attributes])];
  const request = { base, scope: 'sub', filter: flavour.ruling, attributes, pageSize: PAGE_SIZE } as const;
  const names: Dn[] = [];
  for await (const page of pagedSearch(session, request, signal))
    for (const entry of page) {
      const { builtIn } = flavour.group.facts(entry);
      const name = valuesOf(entry, groupNameAttribute)[0] ?? entry.dn;
      if (builtIn !== null && isProtected({ id: idOf(entry, flavour.id), dn: entry.dn, name, builtIn })) names.push(entry.dn);
    }
  return names;
}
