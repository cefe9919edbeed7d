import { randomUUID } from 'node:crypto';
import { type Dn, parseDn, sameDn } from '../../../access/dn.ts';
import { valuesOf } from '../entry.ts';
import { type AbsentValue, memberValue } from '../flavours/rights.ts';
import { isInside } from '../kinds.ts';
import { memberStyle } from '../member-style.ts';
import { entryAt, type Place } from '../place.ts';
import { probe } from '../probe.ts';
import { type Finding, failed, firstOf, ok, type Steps, warned } from './steps.ts';
import type { SampleGroup } from './survey.ts';

export interface RightsChecked {
  readonly place: Place;
  readonly list: Steps;
  readonly users: readonly Dn[];
  readonly groups: readonly SampleGroup[];
  /** Groups that are never written to, so that the account may well have no right to. */
  readonly spared: readonly Dn[];
  /** Whether another server of LDAP_URL is asked where this one refers to it. */
  readonly otherServers: 'asked' | 'not_asked';
}

/** How many groups outside the scopes are looked through for one to try. */
const MOST_LOOKED_THROUGH = 200;
/** How many of them are asked what else may be done to them. */
const MOST_GROUPS = 3;
const ADVICE = 'latchkey acl prints the rights that the account needs, and no more';

/** Whether the account may do what it must, and no more. Nothing is changed: see the flavours for how each server is asked. */
export async function checkRights(checked: RightsChecked, signal: AbortSignal): Promise<{ isReferred: boolean }> {
  const { list, place, spared, otherServers } = checked;
  let isReferred = false;
  const groups = checked.groups.filter(({ dn }) => !spared.some((one) => sameDn(one, dn)));
  const absent = absentValue(place.landscape.baseDn);
  if (groups.length === 0)
    list.add('rights to write', warned('there is no group in scope that can be granted, to try them with'));
  else {
    await list.run('rights to read', () => checkReading({ place, groups, absent }, signal));
    const writing = await list.run('rights to write', () => checkWriting({ place, groups, absent, otherServers }, signal));
    isReferred = writing?.isReferred === true;
  }
  if (!isReferred) await list.run('rights beyond that', () => checkBeyond({ ...checked, groups, absent }, signal));
  return { isReferred };
}

/** 122 random bits: it is nowhere. */
function absentValue(baseDn: Dn): AbsentValue {
  const text = `latchkey-check-${randomUUID()}`;
  const dn = parseDn(`cn=${text},${baseDn}`);
  if (!dn.ok) throw new Error(dn.problem);
  return { dn: dn.value, text };
}

interface MembersChecked {
  readonly place: Place;
  readonly groups: readonly SampleGroup[];
  readonly absent: AbsentValue;
}

/** Whether an absence can be proved, which takes the right to search and to read the members. */
async function checkReading({ place, groups, absent }: MembersChecked, signal: AbortSignal): Promise<Finding> {
  const hidden: string[] = [];
  for (const { dn, attribute } of groups) {
    const values = [memberValue(attribute, absent)];
    const [presence] = await probe(place, { group: dn, attribute, values, likely: 'absent' }, signal);
    if (presence !== 'absent') hidden.push(`${attribute} of "${dn}"`);
  }
  if (hidden.length === 0) return ok(`who is in a group can be read; tried with ${counted(groups)}`);
  return failed(`of ${counted(groups)}, the account must not search and read ${firstOf(hidden)}: ${ADVICE}`);
}

function counted(groups: readonly SampleGroup[]): string {
  return `${groups.length} ${groups.length === 1 ? 'group' : 'groups'} of all kinds and places`;
}

async function checkWriting(
  { place, groups, absent, otherServers }: MembersChecked & Pick<RightsChecked, 'otherServers'>,
  signal: AbortSignal,
): Promise<Finding & { isReferred: boolean }> {
  const { session, landscape } = place;
  const refused: string[] = [];
  const unsaid: string[] = [];
  for (const { dn, attribute } of groups) {
    const right = await landscape.flavour.rights.members(session, { group: dn, attribute, absent }, signal);
    if (right.verdict === 'referred') return { ...referred(right.said, otherServers), isReferred: true };
    if (right.verdict === 'allowed') continue;
    (right.verdict === 'refused' ? refused : unsaid).push(`${attribute} of "${dn}" (${right.said})`);
  }
  return { ...verdictOn({ groups, refused, unsaid }), isReferred: false };
}

function verdictOn(found: { groups: readonly SampleGroup[]; refused: readonly string[]; unsaid: readonly string[] }): Finding {
  const { groups, refused, unsaid } = found;
  const tried = counted(groups);
  if (refused.length > 0) return failed(`of ${tried}, the account must not write ${firstOf(refused)}: ${ADVICE}`);
  if (unsaid.length > 0) return failed(`of ${tried}, the server does not take a change of ${firstOf(unsaid)}`);
  const attributes = [...new Set(groups.map(({ attribute }) => attribute))].join(', ');
  return ok(`${attributes} can be written; tried with ${tried}, and nothing was changed`);
}

/** A replica that is only read. */
function referred(said: string, otherServers: RightsChecked['otherServers']): Finding {
  const why = `this server takes no changes: ${said}`;
  if (otherServers === 'asked')
    return ok(`${why}; with LDAP_REFERRALS=follow they are made there, and the rights tried there too`);
  return failed(`${why}. Put the server that does into LDAP_URL, alone, or with LDAP_REFERRALS=follow beside this one`);
}

async function checkBeyond(
  { place, users, groups, absent }: RightsChecked & { absent: AbsentValue },
  signal: AbortSignal,
): Promise<Finding> {
  const { session, landscape } = place;
  const { rights, ownerAttribute } = landscape.flavour;
  const entriesBy = new Map<string, Dn[]>();
  const note = (may: string, dn: Dn) => void entriesBy.set(may, [...(entriesBy.get(may) ?? []), dn]);
  const others = async (dn: Dn, attributes: readonly string[]) => {
    for (const may of await rights.others(session, { dn, attributes, absent }, signal)) note(may, dn);
  };
  for (const { dn } of groups.slice(0, MOST_GROUPS)) await others(dn, ['description', ownerAttribute]);
  for (const dn of landscape.groupsScope) await others(dn, []);
  for (const dn of users) {
    // What is seen is not asked for: the answer to a question about rights may hold it.
    const isSeen = await seesPassword(place, dn, signal);
    if (isSeen) note('see userPassword', dn);
    await others(dn, isSeen ? [landscape.emailAttribute] : [landscape.emailAttribute, 'userPassword']);
  }
  const outside = await groupOutside(place, signal);
  if (outside !== null) {
    const right = await rights.members(session, { group: outside.dn, attribute: outside.attribute, absent }, signal);
    if (right.verdict === 'allowed') note('change who is in a group outside of the scopes', outside.dn);
  }
  const standing = (await rights.standing(session, signal)).map((one) => `it is ${one}`);
  const may = [...entriesBy].map(
    ([what, dns]) =>
      `it may ${what} (${firstOf(
        dns.map((dn) => `"${dn}"`),
        1,
      )})`,
  );
  const beyond = [...standing, ...may].join('; ');
  const untested = rights.untested === null ? '' : `; ${rights.untested}`;
  if (beyond === '') return ok(`none found${untested}`);
  return warned(`the account can do more than it needs: ${beyond}. ${ADVICE}${untested}`);
}

async function seesPassword({ session }: Place, dn: Dn, signal: AbortSignal): Promise<boolean> {
  const filter = { kind: 'present', attribute: 'userPassword' } as const;
  return (await entryAt({ session }, { dn, filter, attributes: ['1.1'] }, signal)) !== null;
}

/** A group that must not be written to; a privileged one first. Null where none is seen. */
async function groupOutside({ session, landscape }: Place, signal: AbortSignal): Promise<SampleGroup | null> {
  const { flavour, baseDn, groupsScope } = landscape;
  if (isInside(baseDn, groupsScope)) return null;
  const attributes = ['objectClass', ...flavour.group.attributes];
  const request = { base: baseDn, scope: 'sub', filter: flavour.groups, attributes, sizeLimit: MOST_LOOKED_THROUGH } as const;
  const { entries } = await session.search(request, signal);
  const outside = entries.filter(({ dn }) => !isInside(dn, groupsScope));
  const entry = outside.find((one) => flavour.group.facts(one).builtIn !== null) ?? outside[0];
  if (entry === undefined) return null;
  const { used } = await memberStyle(flavour, valuesOf(entry, 'objectClass'), landscape.schema);
  const attribute = landscape.memberAttribute ?? used;
  return attribute === null ? null : { dn: entry.dn, attribute };
}
