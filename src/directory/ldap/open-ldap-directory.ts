import { connect } from 'node:net';
import type { Clock, Random } from '../../access/clock.ts';
import type { FailPoints } from '../../access/fail-point.ts';
import { type Instant, instant } from '../../access/instant.ts';
import type { KeyPin } from '../../access/key-pin.ts';
import type { Logger } from '../../observability/logger.ts';
import { type Directory, DirectoryError, type DirectoryStatus } from '../directory.ts';
import { type BindGate, type BindRefusals, bindGate } from './bind-refusal.ts';
import { accountOf } from './bind-session.ts';
import { check } from './check/check.ts';
import type { CheckAsked } from './check/contents.ts';
import { loginTrial } from './check/login.ts';
import { peerExplainer } from './check/peer.ts';
import type { BindWay, Credential } from './credential.ts';
import { type OpenSocket, type ReadCertificate, trustOf } from './dial.ts';
import { parseEndpoints, shownAddress } from './endpoint.ts';
import { sightGone } from './gone.ts';
import { hybridGroups } from './hybrid-groups.ts';
import { type KeeperState, sessionKeeper } from './keeper.ts';
import { groups, users } from './kinds.ts';
import { type KeepBase, knownBase } from './known-base.ts';
import { type Landscape, learnLandscape, type Scopes, viewOf } from './landscape.ts';
import { groupsNamed, locate, locateAll, occupant } from './locate.ts';
import { protectorOf } from './nesting.ts';
import { type SessionMetrics, sessionOpener } from './opener.ts';
import type { Place } from './place.ts';
import { change, probe } from './probe.ts';
import { findGroup, findUser } from './resolve.ts';
import type { Session } from './session.ts';

/** How the directory is connected to, and where in it to look: the same for all that is done with it. */
export interface LdapConnectionOptions extends Scopes {
  /** `ldaps://` and `ldap://` URLs, separated by blanks; the first is tried first, the others where it cannot be connected to. */
  readonly url: string;
  readonly startTls: boolean;
  /** The only authorities to trust, PEM; null: those of Node.js and of the system. */
  readonly ca: string | null;
  /** Keys of which each server must have one, beside a certificate that is trusted; left out: any. */
  readonly pins?: readonly KeyPin[];
  /** Asked anew at each connection; null where we show none. */
  readonly clientCertificate: (() => Promise<ReadCertificate>) | null;
  readonly bind: BindWay;
  readonly allowCleartext: boolean;
  readonly referrals: 'ignore' | 'follow';
  /** TCP, TLS and bind together, at one server. */
  readonly connectTimeoutMs: number;
  /** One operation. */
  readonly readTimeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly bindRefusals: BindRefusals;
  /** How long a refused password is not tried again. */
  readonly bindRefusalWaitMs?: number;
  readonly openSocket?: OpenSocket;
  readonly metrics?: SessionMetrics | undefined;
}

export interface LdapDirectoryOptions extends LdapConnectionOptions {
  readonly random: Random;
  /** Shared with whoever else binds with the same account; left out where nobody does. */
  readonly gate?: BindGate;
  /** Where the base that recorded ids are of is kept; left out where nothing is recorded. */
  readonly keepBase?: KeepBase;
  /**
   * Remembers the server in use: told the one of each new session, it says since when that has been in use and no other. Where it is
   * left out, nobody knows what an earlier process wrote to.
   */
  readonly keepServer?: (server: string) => Promise<Instant>;
  readonly failPoints?: FailPoints;
  /** What `check` looks at beside the directory itself; nothing where it is left out. */
  readonly checked?: CheckAsked;
}

/** Lock-out policies count a handful of failures within minutes to half an hour: one in 15 minutes stays below. */
const BIND_REFUSAL_WAIT_MS = 15 * 60 * 1000;

/** Replication that lags for longer is no longer a delay but a fault of its own, which monitoring of the servers finds. */
const FAILOVER_DOUBT_MS = 15 * 60 * 1000;

/**
 * A walk through nested groups may take as long as so many operations that just end in time: an ending of the same grant may wait for
 * it. One more than the first, so that one which is never answered ends its session.
 */
const WALK_OPERATIONS = 2;

type WhereAccepted = Pick<LdapConnectionOptions, 'url' | 'startTls' | 'ca' | 'pins' | 'bind'>;

/** A credential that was accepted, and where: in memory alone. */
export interface AcceptedBind {
  readonly where: string;
  readonly credential: Credential;
}

/** Decides whether the account's password may be tried. One for all who bind with it; `before` is what another has had accepted. */
export function directoryGate(
  options: WhereAccepted & Pick<LdapConnectionOptions, 'bindRefusals' | 'bindRefusalWaitMs' | 'clock'>,
  before: AcceptedBind | null = null,
): BindGate {
  const { bind, bindRefusals: refusals, bindRefusalWaitMs: waitMs = BIND_REFUSAL_WAIT_MS, clock } = options;
  const accepted = before?.where === whereOf(options) ? before.credential : null;
  return bindGate({ refusals, waitMs, account: accountOf(bind), clock, accepted });
}

/** What was accepted last, for whoever takes this one's place in the same process; null where nothing was. */
export function acceptedBind(gate: BindGate, options: WhereAccepted): AcceptedBind | null {
  const credential = gate.lastAccepted();
  return credential === null ? null : { where: whereOf(options), credential };
}

/** No password is ever shown to another server than that which has accepted it, or in another way, or for another account. */
function whereOf({ url, startTls, ca, pins = [], bind }: WhereAccepted): string {
  return JSON.stringify([url, startTls, ca, pins, bind.mechanism, accountOf(bind)]);
}

/** A directory spoken to by LDAP. Nothing is opened before `start`, except by `check`. */
export function openLdapDirectory(options: LdapDirectoryOptions): Directory {
  const { clock, logger, random, failPoints = () => undefined } = options;
  const { checked: asked = { protectedGroups: [], ruleGroups: [], login: null } } = options;
  const endpoints = parseEndpoints(options.url, options.startTls);
  const gate = options.gate ?? directoryGate(options);
  const means = {
    ...options,
    openSocket: options.openSocket ?? ((target) => connect(target)),
    ...trustOf(options),
  };
  const opener = sessionOpener({ ...means, endpoints, gate });
  const failoverListeners: (() => void)[] = [];
  /** Monotonic; until then the server in use may lag behind the one before. */
  let doubtedUntilMs = Number.NEGATIVE_INFINITY;
  const onHybrid = hybridGroups(logger);
  const base = options.keepBase === undefined ? null : knownBase({ keep: options.keepBase, logger });
  const listeners: ((status: DirectoryStatus) => void)[] = [];
  const keeper = sessionKeeper<Learnt>({
    opener,
    gate,
    async learn(session) {
      const landscape = await learnLandscape(session, options);
      await base?.learnt({ session, landscape });
      // Where it cannot be written, the session is not used: nobody would know what to doubt. Nor could anything else be written.
      const server = serverIn(session, landscape);
      const since = await options.keepServer?.(server);
      return { landscape, server, inUseSince: since ?? null };
    },
    serverOf: ({ landscape }) => landscape.server,
    inUseSince: ({ inUseSince }) => inUseSince,
    clock,
    random,
    logger,
    onChange: (state) => {
      for (const listener of listeners) listener(statusOf(state));
    },
    onFailover(since) {
      const agoMs = since === null ? 0 : Math.max(0, clock.wall() - since);
      doubtedUntilMs = clock.monotonicMs() + FAILOVER_DOUBT_MS - agoMs;
      for (const listener of failoverListeners) listener();
    },
  });
  const statusOf = (state: KeeperState<Learnt>): DirectoryStatus => {
    switch (state.state) {
      case 'up':
        return up(state.facts);
      case 'connecting':
        if (state.last !== null) return up(state.last);
        return down('The directory is being connected to.', clock);
      case 'down':
        return { state: 'down', error: state.error, nextAttemptAt: state.nextAttemptAt };
      case 'closed':
        return down('The directory has been closed.', clock);
      default:
        return state satisfies never;
    }
  };
  const place = async (signal: AbortSignal | null): Promise<Place> => {
    const { session, facts } = await keeper.current(signal);
    return { session, landscape: facts.landscape, onHybrid };
  };

  return {
    start: () => keeper.start(),
    status: () => statusOf(keeper.state()),
    onChange: (listener) => void listeners.push(listener),
    onFailover: (listener) => void failoverListeners.push(listener),
    findUser: async (ref, own, signal) => await findUser(await place(signal), { ref, own }, signal),
    findGroup: async (ref, own, signal) => await findGroup(await place(signal), { ref, own }, signal),
    locateUser: async (id, signal) => {
      const here = await place(signal);
      return await locate(here, { kind: users(here), id }, signal);
    },
    locateUsers: async (ids, signal) => {
      const here = await place(signal);
      return await locateAll(here, { kind: users(here), ids }, signal);
    },
    locateGroup: async (id, signal) => {
      const here = await place(signal);
      return await locate(here, { kind: groups(here), id }, signal);
    },
    occupant: async (attribute, value, signal) => await occupant(await place(signal), { attribute, value }, signal),
    groupsNamed: async (nameOrDn, signal) => await groupsNamed(await place(signal), nameOrDn, signal),
    protectorOf: async (question, signal) => {
      const limits = { clock, limitMs: WALK_OPERATIONS * options.readTimeoutMs };
      return await protectorOf(await place(signal), { asked: question, ...limits }, signal);
    },
    probe: async (values, signal) => await probe(await place(signal), values, signal),
    change: async (wanted, probed) => await change(await place(null), { change: wanted, probed, failPoints }),
    async sightGone(missing, signal) {
      // While the kept session is away, another would only be one more attempt.
      await place(signal);
      const session = await opener.open(signal, { at: opener.inUse() });
      try {
        const there = { session, landscape: await learnLandscape(session, options) };
        const isKnown = async () => base === null || (await base.isStill(there));
        const sighting = await sightGone({ ...there, isKnown }, missing, signal);
        // A server that has just taken over may not yet have what its predecessor had.
        return sighting === 'gone' && clock.monotonicMs() < doubtedUntilMs ? 'unproven' : sighting;
      } finally {
        await session.close();
      }
    },
    check: async (signal) =>
      await check(
        {
          endpoints,
          opener,
          scopes: options,
          clock,
          tryLogin: loginTrial(means),
          explainPeer: peerExplainer(means),
          asked,
          referrals: options.referrals,
        },
        signal,
      ),
    close: () => keeper.close(),
  };
}

/** What is learnt on a new session. */
interface Learnt {
  readonly landscape: Landscape;
  readonly server: string;
  readonly inUseSince: Instant | null;
}

/** One address may stand for several servers, as far as those say who they are, and one server may have several. */
function serverIn({ endpoint }: Session, { server }: Landscape): string {
  return server === null ? shownAddress(endpoint) : `${shownAddress(endpoint)} ${server}`;
}

function up({ landscape, server }: Learnt): DirectoryStatus {
  return { state: 'up', view: viewOf(landscape), server };
}

function down(message: string, clock: Clock): DirectoryStatus {
  return { state: 'down', error: new DirectoryError('unavailable', message), nextAttemptAt: instant(clock.wall()) };
}
