import type { Clock, Random } from '../../access/clock.ts';
import { type Instant, later } from '../../access/instant.ts';
import type { Logger } from '../../observability/logger.ts';
import { DirectoryError } from '../directory.ts';
import type { BindGate } from './bind-refusal.ts';
import { type Endpoint, shownAddress } from './endpoint.ts';
import { ANY_ENTRY } from './entry.ts';
import type { SessionOpener } from './opener.ts';
import type { Session } from './session.ts';

/** Whether there is a session. `connecting`: a lasting one has just ended, or the first is being opened; operations wait. */
export type KeeperState<Facts> =
  | { readonly state: 'connecting'; readonly last: Facts | null }
  | { readonly state: 'up'; readonly session: Session; readonly facts: Facts }
  | { readonly state: 'down'; readonly error: DirectoryError; readonly nextAttemptAt: Instant }
  | { readonly state: 'closed' };

export interface SessionKeeper<Facts> {
  start(): void;
  state(): KeeperState<Facts>;
  /** The session and what was learnt on it; waits while connecting, rejects at once while down. */
  current(signal: AbortSignal | null): Promise<{ session: Session; facts: Facts }>;
  close(): Promise<void>;
}

/**
 * A directory that comes back must be used within 3 s, since endings wait for it; so the pause never exceeds 2 s. One
 * attempt at a time every second on average is nothing to a server, and full jitter spreads many connectors.
 */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 2_000;
/** A session that ended sooner counts as a failed attempt, or a server that hangs up after the bind would be dialled in a loop. */
const LASTING_MS = 2_000;
const HEALTH_CHECK_MS = 30_000;

/**
 * Keeps one session open from start to close: there is no limit to the attempts, since a connector without its directory
 * has nothing better to do, and endings that are due depend on it. One loop owns the state; nobody else writes it.
 *
 * `learn` runs on each new session before it is handed out.
 */
export function sessionKeeper<Facts>(options: {
  opener: SessionOpener;
  gate: BindGate;
  learn: (session: Session) => Promise<Facts>;
  /** Which server that was, beyond its address: a name, such as that of an Active Directory domain, may lead to another each time. */
  serverOf: (facts: Facts) => string | null;
  /** Since when that server has been in use, in earlier processes too; null where nobody remembers. */
  inUseSince: (facts: Facts) => Instant | null;
  clock: Clock;
  random: Random;
  logger: Logger;
  onChange: (state: KeeperState<Facts>) => void;
  /**
   * Called when the session that has just become `up` is with another server than the last one was, and for the first session, since
   * an earlier process may have used another; with since when it has been in use. Where nobody remembers that, the first session is
   * told only where there are several.
   */
  onFailover: (since: Instant | null) => void;
}): SessionKeeper<Facts> {
  const { opener, gate, learn, serverOf, inUseSince, clock, random, logger, onChange, onFailover } = options;
  const stopping = new AbortController();
  let state: KeeperState<Facts> = { state: 'connecting', last: null };
  let changed = Promise.withResolvers<void>();
  let loop: Promise<void> | undefined;
  let told: 'up' | 'down' | undefined;
  let warned: string | undefined;
  let server: { readonly at: Endpoint; readonly name: string | null } | undefined;

  const become = (next: KeeperState<Facts>): void => {
    state = next;
    changed.resolve();
    changed = Promise.withResolvers<void>();
    if ((next.state === 'up' || next.state === 'down') && next.state !== told) {
      told = next.state;
      onChange(next);
    }
  };

  const pause = async (error: DirectoryError, failures: number): Promise<void> => {
    const delayMs = Math.round(random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10)));
    const next = later(clock.wall(), delayMs);
    const barredUntil = error.fault === 'bind_refused' ? gate.waitsUntil() : null;
    const nextAttemptAt = barredUntil !== null && barredUntil > next ? barredUntil : next;
    // Said once for each reason; the attempts that meet it again are only for whoever looks closely.
    if (error.message !== warned) logger.warn({ event: 'directory.down', fault: error.fault, ldap: error.ldap }, error.message);
    else logger.debug({ event: 'directory.attempt-failed', attempts: failures, fault: error.fault }, error.message);
    warned = error.message;
    become({ state: 'down', error, nextAttemptAt });
    await sleep(delayMs);
  };

  const sleep = async (delayMs: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = clock.timer(delayMs, resolve);
    const stop = () => resolve();
    stopping.signal.addEventListener('abort', stop, { once: true });
    if (stopping.signal.aborted) stop();
    await promise;
    cancel();
    stopping.signal.removeEventListener('abort', stop);
  };

  const openOne = async (): Promise<{ session: Session; facts: Facts } | DirectoryError> => {
    try {
      const session = await opener.open(stopping.signal);
      try {
        return { session, facts: await learn(session) };
      } catch (error) {
        await session.close();
        // It let us in and does not serve; an answer that we do not like would be the same elsewhere.
        if (error instanceof DirectoryError && error.ldap === null) opener.passOver(session.endpoint);
        throw error;
      }
    } catch (error) {
      if (error instanceof DirectoryError) return error;
      return new DirectoryError('unavailable', 'The connection to the directory failed for a reason of our own.', {
        cause: error,
      });
    }
  };

  const keep = async (): Promise<void> => {
    let failures = 0;
    while (!stopping.signal.aborted) {
      const opened = await openOne();
      if (stopping.signal.aborted) {
        if (!(opened instanceof DirectoryError)) await opened.session.close();
        break;
      }
      if (opened instanceof DirectoryError) {
        failures += 1;
        await pause(opened, failures);
        continue;
      }
      const openedAtMs = clock.monotonicMs();
      warned = undefined;
      // A session that only takes the place of one that the server let go is no news.
      const { endpoint } = opened.session;
      logger[told === 'up' ? 'debug' : 'info'](
        { event: 'directory.up', server: shownAddress(endpoint), attempts: failures + 1 },
        'connected to the directory',
      );
      const from = server;
      server = { at: endpoint, name: serverOf(opened.facts) };
      become({ state: 'up', ...opened });
      const since = inUseSince(opened.facts);
      const isOther = from !== undefined && (from.at !== endpoint || from.name !== server.name);
      if (isOther) sayFailover(from, server);
      if (isOther || (from === undefined && (since !== null || opener.isOneOfSeveral()))) onFailover(since);
      const why = await watched(opened.session);
      if (stopping.signal.aborted) break;
      const hasLasted = clock.monotonicMs() - openedAtMs >= LASTING_MS;
      failures = hasLasted ? 0 : failures + 1;
      logger.debug({ event: 'directory.session-ended' }, why.message);
      if (!hasLasted) opener.passOver(endpoint);
      if (hasLasted) become({ state: 'connecting', last: opened.facts });
      else await pause(why, failures);
    }
    become({ state: 'closed' });
  };

  const sayFailover = (from: NonNullable<typeof server>, to: NonNullable<typeof server>): void => {
    const shown = ({ at, name }: typeof from) => `${shownAddress(at)}${name === null ? '' : ` (${name})`}`;
    logger.warn(
      { event: 'directory.failover', from: shownAddress(from.at), to: shownAddress(to.at), servers: [from.name, to.name] },
      `the directory is asked at ${shown(to)} from now on, until now it was at ${shown(from)}`,
    );
  };

  /** Resolves when the session has ended; an idle one is asked now and then, so that a dead one is noticed. */
  const watched = async (session: Session): Promise<DirectoryError> => {
    let cancel: () => void = () => undefined;
    const check = (): void => {
      const idleMs = clock.monotonicMs() - session.lastUsedMs;
      if (idleMs >= HEALTH_CHECK_MS) {
        // A failure without an answer ends the session by itself, and an answer of any kind is life.
        session.search({ base: '', scope: 'base', filter: ANY_ENTRY, attributes: ['1.1'], sizeLimit: 1 }).catch(() => undefined);
      }
      cancel = clock.timer(idleMs >= HEALTH_CHECK_MS ? HEALTH_CHECK_MS : HEALTH_CHECK_MS - idleMs, check);
    };
    check();
    const stop = () => void session.close();
    stopping.signal.addEventListener('abort', stop, { once: true });
    try {
      return await session.ended;
    } finally {
      cancel();
      stopping.signal.removeEventListener('abort', stop);
    }
  };

  const waitForChange = async (signal: AbortSignal | null): Promise<void> => {
    if (signal === null) return await changed.promise;
    const { promise, reject } = Promise.withResolvers<never>();
    const aborted = () =>
      reject(new DirectoryError('unavailable', 'Given up while connecting to the directory.', { cause: signal.reason }));
    signal.addEventListener('abort', aborted, { once: true });
    if (signal.aborted) aborted();
    try {
      await Promise.race([changed.promise, promise]);
    } finally {
      signal.removeEventListener('abort', aborted);
    }
  };

  return {
    start() {
      loop ??= keep();
    },
    state: () => state,
    async current(signal) {
      if (loop === undefined) throw new DirectoryError('unavailable', 'The directory has not been started.');
      // Each turn waits for a change of state, and every attempt has a deadline.
      for (;;) {
        switch (state.state) {
          case 'up':
            if (!state.session.isOver) return state;
            break;
          case 'down':
            throw new DirectoryError(state.error.fault, state.error.message, { ldap: state.error.ldap, cause: state.error });
          case 'closed':
            throw new DirectoryError('unavailable', 'The directory has been closed.');
          case 'connecting':
            break;
          default:
            state satisfies never;
        }
        await waitForChange(signal);
      }
    },
    async close() {
      stopping.abort();
      if (loop === undefined) become({ state: 'closed' });
      else await loop;
    },
  };
}
