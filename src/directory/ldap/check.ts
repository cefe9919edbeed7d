import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Clock } from '../../access/clock.ts';
import type { Dn } from '../../access/dn.ts';
import type { CheckStep } from '../../access/event.ts';
import { and, type Filter } from '../../access/filter.ts';
import { formatInstant, instant } from '../../access/instant.ts';
import { DirectoryError } from '../directory.ts';
import { codeOf, type Endpoint, troubleOf, unavailable } from './endpoint.ts';
import { ANY_ENTRY, hasId, idOf, type LdapEntry, valuesOf } from './entry.ts';
import { contextBeneath } from './gone.ts';
import { type Landscape, learnLandscape, type Scopes } from './landscape.ts';
import type { Endpoints, OpenStage, SessionOpener } from './opener.ts';
import { pagedSearch } from './paged-search.ts';
import type { Session } from './session.ts';

export interface CheckOptions {
  readonly endpoints: Endpoints;
  readonly opener: SessionOpener;
  readonly scopes: Scopes;
  readonly clock: Clock;
}

/** Small enough for the limits that servers are delivered with. */
const PAGE_SIZE = 500;
const WARN_DAYS = 30;
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * The preflight checks, on sessions of their own. What fails is a step, and what depends on it is left out. Every server of
 * LDAP_URL is connected to; the contents are asked of the first that lets us in.
 */
export async function check(options: CheckOptions, signal: AbortSignal): Promise<readonly CheckStep[]> {
  const { endpoints, scopes } = options;
  const steps: CheckStep[] = [];
  const add = (step: string, status: CheckStep['status'], detail: string) => void steps.push({ step, status, detail });
  let isChecked = false;
  for (const endpoint of endpoints) {
    const session = await connected(options, { endpoint, steps }, signal);
    if (session === null) continue;
    try {
      if (!isChecked) await checkContents(session, { scopes, add, signal });
    } catch (error) {
      add('directory', 'fail', messageOf(error));
    } finally {
      isChecked = true;
      await session.close();
    }
  }
  return steps;
}

/** The steps of one connection; null where it fails. */
async function connected(
  { opener, clock }: CheckOptions,
  { endpoint, steps }: { endpoint: Endpoint; steps: CheckStep[] },
  signal: AbortSignal,
): Promise<Session | null> {
  const add = (step: string, status: CheckStep['status'], detail: string) => void steps.push({ step, status, detail });
  try {
    add('name', 'ok', await resolveName(endpoint));
  } catch (error) {
    add('name', 'fail', messageOf(error));
    return null;
  }
  const reached = new Set<string>();
  const onStage = (stage: OpenStage): void => {
    reached.add(stage.stage);
    steps.push(stageStep(stage, clock));
  };
  try {
    const session = await opener.open(signal, { at: endpoint, onStage });
    if (endpoint.tls === 'none') add('tls', 'warn', 'the connection is not encrypted');
    return session;
  } catch (error) {
    // The stages come in this order, so the first that was not reached is the one that failed.
    const order = endpoint.tls === 'none' ? ['tcp', 'bind'] : ['tcp', 'tls', 'bind'];
    add(order.find((stage) => !reached.has(stage)) ?? 'bind', 'fail', messageOf(error));
    return null;
  }
}

type AddStep = (step: string, status: CheckStep['status'], detail: string) => void;

async function resolveName(endpoint: Endpoint): Promise<string> {
  const { host } = endpoint;
  if (isIP(host) !== 0) return `${host} is an address`;
  const found = await lookup(host, { all: true }).catch((cause: unknown) => {
    throw unavailable(endpoint, { trouble: troubleOf(cause), doing: 'look up the directory', cause });
  });
  return `${host} is ${found.map(({ address }) => address).join(', ')}`;
}

function stageStep(stage: OpenStage, clock: Clock): CheckStep {
  switch (stage.stage) {
    case 'tcp':
      return { step: 'tcp', status: 'ok', detail: `connected to ${stage.address}` };
    case 'tls': {
      const end = instant(Date.parse(stage.validTo));
      const days = Math.floor((end - clock.wall()) / DAY_MS);
      const detail = `${stage.protocol}; certificate of ${stage.subject}, trusted and for this name, ends ${formatInstant(end)} (${days} days left)`;
      return { step: 'tls', status: days < WARN_DAYS ? 'warn' : 'ok', detail };
    }
    case 'bind':
      return { step: 'bind', status: 'ok', detail: `the directory takes us for ${stage.identity}` };
    default:
      return stage satisfies never;
  }
}

async function checkContents(session: Session, options: { scopes: Scopes; add: AddStep; signal: AbortSignal }): Promise<void> {
  const { add, signal } = options;
  const landscape = await learnLandscape(session, options.scopes);
  const {
    flavour,
    usersScope,
    groupsScope,
    userFilter,
    groupFilter,
    emailAttribute,
    usernameAttribute,
    groupNameAttribute,
    vendor,
  } = landscape;
  add('flavour', 'ok', `${flavour.name} (${vendor})`);
  const run = async (step: string, work: () => Promise<{ status: 'ok' | 'warn'; detail: string }>) => {
    try {
      const { status, detail } = await work();
      add(step, status, detail);
    } catch (error) {
      add(step, 'fail', messageOf(error));
    }
  };
  await run('base', () => checkBase({ session, landscape }, signal));
  for (const [step, scopes] of [
    ['users scope', usersScope],
    ['groups scope', groupsScope],
  ] as const) {
    for (const scope of scopes) await run(step, () => checkScope({ session, scope }, signal));
  }
  const users: Counted = { session, scopes: usersScope, filters: [flavour.users, userFilter], name: usernameAttribute };
  const groups: Counted = {
    session,
    scopes: groupsScope,
    filters: [flavour.groups, groupFilter],
    name: groupNameAttribute,
  };
  await run('users', () => checkFound('users', users, signal));
  await run('groups', () => checkFound('groups', groups, signal));
  await run('e-mail attribute', () => checkEmail({ ...users, emailAttribute }, signal));
}

/** The base is there, and the whole of it can be searched by id: else nothing that leaves the scopes could be followed. */
async function checkBase({ session, landscape }: { session: Session; landscape: Landscape }, signal: AbortSignal) {
  const { baseDn, namingContexts, flavour } = landscape;
  const attributes = [flavour.id.attribute];
  const at = await session.search({ base: baseDn, scope: 'base', filter: ANY_ENTRY, attributes, sizeLimit: 1 }, signal);
  const [entry] = at.entries;
  if (entry === undefined) throw new DirectoryError('refused', `"${baseDn}" is there but cannot be read.`);
  const filter = hasId(idOf(entry, flavour.id), flavour.id);
  const found = await session.search({ base: baseDn, scope: 'sub', filter, attributes: ['1.1'], sizeLimit: 2 }, signal);
  if (found.entries.length !== 1)
    throw new DirectoryError(
      'refused',
      `A search of "${baseDn}" by ${flavour.id.attribute} finds ${found.entries.length} entries where it must find one; give the account the right to search the whole base by it.`,
    );
  const detail = `${baseDn} can be searched by ${flavour.id.attribute}`;
  const elsewhere = found.references.filter((uri) => contextBeneath(baseDn, { uri, namingContexts }) === undefined);
  if (elsewhere.length === 0) return { status: 'ok' as const, detail };
  return {
    status: 'warn' as const,
    detail: `${detail}, but not the parts of it on other servers (${elsewhere.join(', ')}): nobody there is found, and no deletion can be proved; name a server in LDAP_URL that has them, or set LDAP_BASE_DN beneath`,
  };
}

async function checkScope({ session, scope }: { session: Session; scope: Dn }, signal: AbortSignal) {
  const at = await session.search({ base: scope, scope: 'base', filter: ANY_ENTRY, attributes: ['1.1'], sizeLimit: 1 }, signal);
  if (at.entries.length === 0) throw new DirectoryError('refused', `"${scope}" is there but cannot be read.`);
  return { status: 'ok' as const, detail: scope };
}

interface Counted {
  readonly session: Session;
  readonly scopes: readonly Dn[];
  readonly filters: readonly (Filter | null)[];
  readonly name: string;
}

async function checkFound(what: string, { session, scopes, filters, name }: Counted, signal: AbortSignal) {
  const filter = and(...filters.filter((one) => one !== null));
  const seen: string[] = [];
  let count = 0;
  for (const base of scopes) {
    for await (const page of pagedSearch(
      session,
      { base, scope: 'sub', filter, attributes: [name], pageSize: PAGE_SIZE },
      signal,
    )) {
      count += page.length;
      seen.push(...page.slice(0, Math.max(0, 3 - seen.length)).map((entry) => shownName(entry, name)));
    }
  }
  if (count === 0) return { status: 'warn' as const, detail: `no ${what} found; check the scope and the filter` };
  return { status: 'ok' as const, detail: `${count} ${what}: ${seen.join(', ')}${count > seen.length ? ', …' : ''}` };
}

function shownName(entry: LdapEntry, attribute: string): string {
  return valuesOf(entry, attribute)[0] ?? entry.dn;
}

async function checkEmail(
  { session, scopes, filters, emailAttribute }: Counted & { emailAttribute: string },
  signal: AbortSignal,
) {
  const filter = and(...filters.filter((one) => one !== null), { kind: 'present', attribute: emailAttribute });
  for (const base of scopes) {
    const request = { base, scope: 'sub', filter, attributes: ['1.1'], sizeLimit: 1 } as const;
    if ((await session.search(request, signal)).entries.length > 0)
      return { status: 'ok' as const, detail: `users have ${emailAttribute}` };
  }
  return { status: 'warn' as const, detail: `no user has ${emailAttribute}; check LDAP_USER_EMAIL_ATTRIBUTE` };
}

function messageOf(error: unknown): string {
  if (error instanceof DirectoryError) return error.message;
  const code = codeOf(error);
  return error instanceof Error ? error.message + (code === undefined ? '' : ` (${code})`) : 'it failed';
}
