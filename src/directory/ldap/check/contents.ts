import type { Clock } from '../../../access/clock.ts';
import { type Dn, sameDn } from '../../../access/dn.ts';
import { ANY_ENTRY, valuesOf } from '../entry.ts';
import { isInside } from '../kinds.ts';
import { learnLandscape, readRootDse, type Scopes } from '../landscape.ts';
import { pagedSearch } from '../paged-search.ts';
import { entryAt, type Place } from '../place.ts';
import type { Session } from '../session.ts';
import { checkGroupName, checkUserAttributes } from './attributes.ts';
import { checkFlavour } from './flavour.ts';
import type { LoginTried, TryLogin } from './login.ts';
import { checkProtected, checkRuleGroups, type ProtectedAsked } from './protected.ts';
import { checkBase, checkOutside, checkScope } from './reach.ts';
import { checkRights } from './rights.ts';
import { type Finding, findingOf, ok, type Steps, warned } from './steps.ts';
import { checkMemberAttributes, surveyGroups, surveyUsers } from './survey.ts';

/** What there is to look at beside the directory itself. */
export interface CheckAsked extends ProtectedAsked {
  /** Groups of the rules of the policy file, as configured. */
  readonly ruleGroups: readonly string[];
  /** Null for none. */
  readonly login: LoginTried | null;
}

export interface ContentsChecked {
  readonly session: Session;
  readonly scopes: Scopes;
  readonly clock: Clock;
  readonly tryLogin: TryLogin;
  readonly asked: CheckAsked;
  readonly otherServers: 'asked' | 'not_asked';
  readonly list: Steps;
}

/** What is in the directory, as our account sees it, and what it may do there, or that another server must be asked for that. */
export async function checkContents(options: ContentsChecked, signal: AbortSignal): Promise<{ isReferred: boolean }> {
  const { session, list, clock } = options;
  const landscape = await learnLandscape(session, options.scopes);
  const place: Place = { session, landscape, onHybrid: () => undefined };
  const base = await findingOf(() => checkBase(place, signal));
  const root = await readRootDse(session);
  const flavour = checkFlavour({ root, configured: options.scopes.flavour, landscape, base });
  list.add('flavour', flavour);
  // What a server is found to hold by the rules of another kind says nothing.
  if (flavour.status === 'fail') return { isReferred: false };
  list.add('base', base);
  const isBaseThere = base.status !== 'fail';
  const isReferred = await checkEntries({ ...options, place, isBaseThere }, signal);
  if (isBaseThere) await list.run('paging', () => checkPaging(place, signal));
  const serverTime = await readServerTime(session, signal);
  if (serverTime !== null) list.add('clock', clockFinding(serverTime - clock.wall()));
  const { login } = options.asked;
  if (login !== null && !isReferred) await list.run('login', () => options.tryLogin(place, login, signal));
  return { isReferred };
}

/** The users and groups, and the rights to them; true where another server must be asked for these. */
async function checkEntries(
  { place, isBaseThere, list, asked, otherServers }: ContentsChecked & { place: Place; isBaseThere: boolean },
  signal: AbortSignal,
): Promise<boolean> {
  const { baseDn, usersScope, groupsScope } = place.landscape;
  const readable = async (step: string, scopes: readonly Dn[]): Promise<readonly Dn[]> => {
    const those: Dn[] = [];
    for (const scope of scopes) {
      // One cause is one line: that of a base that is not there has been said.
      if (!isBaseThere && sameDn(scope, baseDn)) continue;
      if ((await list.run(step, () => checkScope(place, scope, signal))) !== null) those.push(scope);
    }
    return those;
  };
  const seen = {
    usersScope: await readable('users scope', usersScope),
    groupsScope: await readable('groups scope', groupsScope),
  };
  if (isBaseThere && !isInside(baseDn, [...usersScope, ...groupsScope]))
    await list.run('outside the scopes', () => checkOutside(place, signal));
  const within: Place = { ...place, landscape: { ...place.landscape, ...seen } };
  const users = seen.usersScope.length === 0 ? null : await list.run('users', () => surveyUsers(within, signal));
  const groups = seen.groupsScope.length === 0 ? null : await list.run('groups', () => surveyGroups(within, signal));
  if (users !== null && users.count > 0) await checkUserAttributes(within, list, signal);
  if (groups !== null && groups.count > 0) {
    await checkGroupName(within, list, signal);
    list.add('member attributes', checkMemberAttributes(groups, within.landscape));
  }
  // Groups are looked for by name beneath the base, and which are protected decides where rights are wanted.
  if (!isBaseThere) return false;
  const guarded = await list.run('protected groups', () => checkProtected(place, asked, signal));
  if (asked.ruleGroups.length > 0) await list.run('policy rules', () => checkRuleGroups(place, asked.ruleGroups, signal));
  if (groups === null) return false;
  const checked = { users: users?.sample ?? [], groups: groups.sample, spared: guarded?.names ?? [], otherServers };
  return (await checkRights({ ...checked, place, list }, signal)).isReferred;
}

/** Two pages of one entry each: lists of any length are read by pages. */
async function checkPaging({ session, landscape }: Place, signal: AbortSignal): Promise<Finding> {
  const { flavour } = landscape;
  const seen = new Set<Dn>();
  const request = { base: landscape.baseDn, scope: 'sub', filter: flavour.users, attributes: ['1.1'], pageSize: 1 } as const;
  for await (const page of pagedSearch(session, request, signal)) {
    for (const { dn } of page) seen.add(dn);
    if (seen.size >= 2) return ok('lists are read in pages (RFC 2696)');
  }
  return ok('the server answers in pages (RFC 2696); there are too few users for a second one');
}

/** Active Directory's clock, in its root DSE; no other server shows its own to any account. */
async function readServerTime(session: Session, signal: AbortSignal): Promise<number | null> {
  const entry = await entryAt({ session }, { dn: '', filter: ANY_ENTRY, attributes: ['currentTime'] }, signal);
  const [text = ''] = entry === null ? [] : valuesOf(entry, 'currentTime');
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:[.,]\d+)?Z$/.exec(text) ?? [];
  const [year, month, day, hour, minute, second] = parts.map(Number);
  if (year === undefined || month === undefined) return null;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

const MOST_SKEW_MS = 60_000;

function clockFinding(skewMs: number): Finding {
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  const where = skewMs > 0 ? 'ahead of' : 'behind';
  if (Math.abs(skewMs) <= MOST_SKEW_MS) return ok(`the directory's is ${seconds} s ${where} this machine's`);
  return warned(`the directory's is ${seconds} s ${where} this machine's: correct the wrong one (NTP), grants end by this one`);
}
