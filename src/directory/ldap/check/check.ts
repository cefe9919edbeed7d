import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Clock } from '../../../access/clock.ts';
import type { CheckStep } from '../../../access/event.ts';
import { formatInstant, instant } from '../../../access/instant.ts';
import { CredentialError } from '../credential.ts';
import { type Endpoint, troubleOf, unavailable } from '../endpoint.ts';
import type { Scopes } from '../landscape.ts';
import type { Endpoints, OpenStage, SessionOpener } from '../opener.ts';
import type { Session } from '../session.ts';
import { type CheckAsked, checkContents } from './contents.ts';
import type { TryLogin } from './login.ts';
import type { ExplainPeer } from './peer.ts';
import { type Finding, failed, messageOf, ok, type Steps, steps, warned } from './steps.ts';

export interface CheckOptions {
  readonly endpoints: Endpoints;
  readonly opener: SessionOpener;
  readonly scopes: Scopes;
  readonly clock: Clock;
  readonly tryLogin: TryLogin;
  readonly explainPeer: ExplainPeer;
  readonly asked: CheckAsked;
  readonly referrals: 'ignore' | 'follow';
}

const WARN_DAYS = 30;
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * The preflight checks, on sessions of their own. What fails is a step, and what depends on it is left out. Every server of
 * LDAP_URL is connected to; the contents are asked of the first that lets us in, and of the next where it only refers to others.
 */
export async function check(options: CheckOptions, signal: AbortSignal): Promise<readonly CheckStep[]> {
  const list = steps();
  const otherServers = options.referrals === 'follow' && options.endpoints.length > 1 ? 'asked' : 'not_asked';
  let isChecked = false;
  for (const endpoint of options.endpoints) {
    const session = await connected(options, { endpoint, list }, signal);
    if (session === null) continue;
    try {
      if (!isChecked) isChecked = !(await checkContents({ ...options, otherServers, session, list }, signal)).isReferred;
    } catch (error) {
      isChecked = true;
      list.add('directory', failed(messageOf(error)));
    } finally {
      await session.close();
    }
  }
  return list.found;
}

/** The steps of one connection; null where it fails. */
async function connected(
  { opener, clock, explainPeer }: CheckOptions,
  { endpoint, list }: { endpoint: Endpoint; list: Steps },
  signal: AbortSignal,
): Promise<Session | null> {
  const resolved = await list.run('name', async () => ok(await resolveName(endpoint)));
  if (resolved === null) return null;
  const reached = new Set<string>();
  const onStage = (stage: OpenStage): void => {
    reached.add(stage.stage);
    list.add(stage.stage, stageFinding(stage, clock));
  };
  try {
    const session = await opener.open(signal, { at: endpoint, onStage, staysOnReferral: true });
    if (endpoint.tls === 'none') list.add('tls', warned('the connection is not encrypted: use ldaps://, or LDAP_START_TLS=true'));
    return session;
  } catch (error) {
    // The server has no part in it, and was not tried.
    if (error instanceof CredentialError) {
      list.add('bind', failed(error.message));
      return null;
    }
    // The stages come in this order, so the first that was not reached is the one that failed.
    const order = endpoint.tls === 'none' ? (['tcp', 'bind'] as const) : (['tcp', 'tls', 'bind'] as const);
    const stage = order.find((one) => !reached.has(one)) ?? 'bind';
    list.add(stage, failed(messageOf(error) + (await explainPeer({ endpoint, stage, error }, signal))));
    return null;
  }
}

async function resolveName(endpoint: Endpoint): Promise<string> {
  const { host } = endpoint;
  if (isIP(host) !== 0) return `${host} is an address`;
  const found = await lookup(host, { all: true }).catch((cause: unknown) => {
    throw unavailable(endpoint, { trouble: troubleOf(cause), doing: 'look up the directory', cause });
  });
  return `${host} is ${found.map(({ address }) => address).join(', ')}`;
}

function stageFinding(stage: OpenStage, clock: Clock): Finding {
  switch (stage.stage) {
    case 'tcp':
      return ok(`connected to ${stage.address}`);
    case 'tls': {
      const end = instant(Date.parse(stage.validTo));
      const days = Math.floor((end - clock.wall()) / DAY_MS);
      const names = stage.names.length === 0 ? '' : ` for ${stage.names.join(', ')}`;
      const chain = stage.issuers.length === 0 ? '' : `, issued by ${stage.issuers.join(', by ')}`;
      const detail = `${stage.protocol}; certificate of ${stage.subject}${names}${chain}, trusted and for this name${stage.pin === null ? '' : `, with the pinned key ${stage.pin}`}, ends ${formatInstant(end)} (${days} days left)`;
      return days < WARN_DAYS ? warned(`${detail}: renew it on the server`) : ok(detail);
    }
    case 'bind':
      return ok(`the directory takes us for ${stage.identity}`);
    default:
      return stage satisfies never;
  }
}
