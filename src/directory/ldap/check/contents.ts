import type { Clock } from '../../../access/clock.ts';
import { type Dn, isBeneath, sameDn } from '../../../access/dn.ts';
import { and, equality, type Filter, or } from '../../../access/filter.ts';
import { DirectoryError } from '../../directory.ts';
import { ANY_ENTRY, bytesOf, hasId, idOf, type LdapEntry, valuesOf } from '../entry.ts';
import { contextBeneath } from '../gone.ts';
import { isInside } from '../kinds.ts';
import { learnLandscape, type Scopes } from '../landscape.ts';
import { groupsNamed } from '../locate.ts';
import { pagedSearch } from '../paged-search.ts';
import { asUnreadable, entryAt, type Place } from '../place.ts';
import type { Session } from '../session.ts';
import type { LoginTried, TryLogin } from './login.ts';
import { checkRights } from './rights.ts';
import { type Finding, failed, firstOf, ok, type Steps, warned } from './steps.ts';
import { checkMemberAttributes, surveyGroups, surveyUsers } from './survey.ts';

/** What there is to look at beside the directory itself. */
export interface CheckAsked {
  /** DNs, names or ids of groups, as configured. */
  readonly protectedGroups: readonly string[];
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
  const { session, asked, list, clock } = options;
  const landscape = await learnLandscape(session, options.scopes);
  const place: Place = { session, landscape, onHybrid: () => undefined };
  const { flavour, usersScope, groupsScope, vendor, version } = landscape;
  list.add('flavour', ok(`${flavour.name} (${[vendor, version].filter((text) => text !== undefined).join(' ')})`));
  await list.run('base', () => checkBase(place, signal));
  for (const [step, scopes] of [
    ['users scope', usersScope],
    ['groups scope', groupsScope],
  ] as const) {
    for (const scope of scopes) await list.run(step, () => checkScope(place, scope, signal));
  }
  if (!isInside(landscape.baseDn, [...usersScope, ...groupsScope]))
    await list.run('outside the scopes', () => checkOutside(place, signal));
  const users = await list.run('users', () => surveyUsers(place, signal));
  const groups = await list.run('groups', () => surveyGroups(place, signal));
  await list.run('e-mail attribute', () => checkEmail(place, signal));
  if (groups !== null) list.add('member attributes', checkMemberAttributes(groups));
  const guarded = await list.run('protected groups', () => checkProtected(place, asked.protectedGroups, signal));
  let isReferred = false;
  if (groups !== null) {
    const spared = guarded?.names ?? [];
    const { otherServers } = options;
    const checked = { place, list, users: users?.sample ?? [], groups: groups.sample, spared, otherServers };
    isReferred = (await checkRights(checked, signal)).isReferred;
  }
  await list.run('paging', () => checkPaging(place, signal));
  const serverTime = await readServerTime(session, signal);
  if (serverTime !== null) list.add('clock', clockFinding(serverTime - clock.wall()));
  const { login } = asked;
  if (login !== null && !isReferred) await list.run('login', () => options.tryLogin(place, login, signal));
  return { isReferred };
}

/** The base is there, and the whole of it can be searched by id: else nothing that leaves the scopes could be followed. */
async function checkBase({ session, landscape }: Place, signal: AbortSignal): Promise<Finding> {
  const { baseDn, namingContexts, flavour } = landscape;
  const attributes = [flavour.id.attribute];
  const at = await session
    .search({ base: baseDn, scope: 'base', filter: ANY_ENTRY, attributes, sizeLimit: 1 }, signal)
    .catch((error: unknown) => {
      throw asUnreadable(error, baseDn);
    });
  const [entry] = at.entries;
  if (entry === undefined) throw unreadable(baseDn);
  const filter = hasId(idOf(entry, flavour.id), flavour.id);
  const found = await session.search({ base: baseDn, scope: 'sub', filter, attributes: ['1.1'], sizeLimit: 2 }, signal);
  if (found.entries.length !== 1)
    throw new DirectoryError(
      'refused',
      `A search of "${baseDn}" by ${flavour.id.attribute} finds ${found.entries.length} entries where it must find one; give the account the right to search the whole base by it.`,
    );
  const detail = `${baseDn} can be searched by ${flavour.id.attribute}`;
  const elsewhere = found.references.filter((uri) => contextBeneath(baseDn, { uri, namingContexts }) === undefined);
  if (elsewhere.length === 0) return ok(detail);
  return warned(
    `${detail}, but not the parts of it on other servers (${elsewhere.join(', ')}): nobody there is found, and no deletion can be proved; name a server in LDAP_URL that has them, or set LDAP_BASE_DN beneath`,
  );
}

function unreadable(dn: Dn): DirectoryError {
  return new DirectoryError(
    'refused',
    `"${dn}" cannot be read: check that it is spelled as in the directory, and give the account the right to read it, latchkey acl says how.`,
  );
}

async function checkScope({ session }: Place, scope: Dn, signal: AbortSignal): Promise<Finding> {
  const request = { base: scope, scope: 'base', filter: ANY_ENTRY, attributes: ['1.1'], sizeLimit: 1 } as const;
  const at = await session.search(request, signal).catch((error: unknown) => {
    throw asUnreadable(error, scope);
  });
  if (at.entries.length === 0) throw unreadable(scope);
  return ok(scope);
}

/** How many entries are looked through for one that is outside of the scopes. */
const MOST_LOOKED_THROUGH = 200;

/**
 * What left the scopes must still be found by its id, or no grant of it could be ended. It is tried with our own entry, which is
 * known to be there, or with another that is neither a user nor a group.
 */
async function checkOutside(place: Place, signal: AbortSignal): Promise<Finding> {
  const { session, landscape } = place;
  const { baseDn, flavour } = landscape;
  const own = isOutside(place, session.account) ? await readId(place, session.account, signal) : null;
  const entry = own ?? (await anyOutside(place, signal));
  const needed = `entry, objectClass and ${flavour.id.attribute} must be readable beneath the whole base, or a grant to somebody who leaves the scopes could not be ended; latchkey acl prints the right`;
  if (entry === null) return failed(`no entry outside of them can be found by ${flavour.id.attribute}: ${needed}`);
  const filter = and(ANY_ENTRY, hasId(idOf(entry, flavour.id), flavour.id));
  const found = await session.search({ base: baseDn, scope: 'sub', filter, attributes: ['1.1'], sizeLimit: 2 }, signal);
  if (found.entries.length !== 1) return failed(`"${entry.dn}" is not found by its ${flavour.id.attribute}: ${needed}`);
  return ok(`an entry outside of them is found by ${flavour.id.attribute} (tried with "${entry.dn}")`);
}

function isOutside({ landscape }: Place, dn: Dn | null): dn is Dn {
  const { baseDn, usersScope, groupsScope } = landscape;
  return dn !== null && isBeneath(dn, baseDn) && !sameDn(dn, baseDn) && !isInside(dn, [...usersScope, ...groupsScope]);
}

/** The entry with its id; null where either cannot be read. */
async function readId({ session, landscape }: Place, dn: Dn, signal: AbortSignal): Promise<LdapEntry | null> {
  const { attribute } = landscape.flavour.id;
  const entry = await entryAt({ session }, { dn, filter: ANY_ENTRY, attributes: [attribute] }, signal);
  return entry !== null && bytesOf(entry, attribute).length > 0 ? entry : null;
}

/** What is neither a user nor a group, and is in every tree. */
const CONTAINERS: Filter = or(
  ...['organizationalUnit', 'organization', 'container', 'organizationalRole'].map((name) => equality('objectClass', name)),
);

async function anyOutside(place: Place, signal: AbortSignal): Promise<LdapEntry | null> {
  const { baseDn, flavour } = place.landscape;
  const attributes = [flavour.id.attribute];
  const request = { base: baseDn, scope: 'sub', filter: CONTAINERS, attributes, sizeLimit: MOST_LOOKED_THROUGH } as const;
  const { entries } = await place.session.search(request, signal);
  return entries.find((entry) => isOutside(place, entry.dn) && bytesOf(entry, flavour.id.attribute).length > 0) ?? null;
}

async function checkEmail({ session, landscape }: Place, signal: AbortSignal): Promise<Finding> {
  const { usersScope, flavour, userFilter, emailAttribute } = landscape;
  const filter = and(flavour.users, ...(userFilter === null ? [] : [userFilter]), { kind: 'present', attribute: emailAttribute });
  for (const base of usersScope) {
    const request = { base, scope: 'sub', filter, attributes: ['1.1'], sizeLimit: 1 } as const;
    if ((await session.search(request, signal)).entries.length > 0) return ok(`users have ${emailAttribute}`);
  }
  return warned(`no user has ${emailAttribute}: check LDAP_USER_EMAIL_ATTRIBUTE, and that the account may search it`);
}

/** With the names of the groups, which are never written to. */
async function checkProtected(place: Place, configured: readonly string[], signal: AbortSignal) {
  const names: Dn[] = [];
  const missing: string[] = [];
  for (const one of configured) {
    const found = await groupsNamed(place, one, signal);
    names.push(...found.map(({ dn }) => dn));
    if (found.length === 0) missing.push(`"${one}"`);
  }
  const byKind = place.landscape.flavour.name === 'active-directory' ? 'those that rule over the domain, and ' : '';
  const detail =
    missing.length > 0
      ? `${missing.join(', ')} of LATCHKEY_PROTECTED_GROUPS is no group that this account can see; correct it, or give the account the right to read it`
      : configured.length === 0
        ? `${byKind}none of LATCHKEY_PROTECTED_GROUPS`
        : `${byKind}${firstOf(names.map((dn) => `"${dn}"`))}`;
  return { ...(missing.length > 0 ? failed(detail) : ok(detail)), names };
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
