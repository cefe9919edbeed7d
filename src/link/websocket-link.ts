import type { Clock, Random } from '../access/clock.ts';
import type { FailPoints } from '../access/fail-point.ts';
import { instant, later } from '../access/instant.ts';
import type { KeyPin } from '../access/key-pin.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { openBackoff } from './backoff.ts';
import { type ClientIdentitySource, keepClientIdentity } from './client-certificate.ts';
import { Connection, type Ended } from './connection.ts';
import { dial } from './dial.ts';
import { type Ending, explainEnding } from './ending.ts';
import type { VerifyJob } from './job-signatures.ts';
import type { Link, LinkListener, LinkStatus } from './link.ts';
import { readMeans } from './means.ts';
import { faultCode } from './network-faults.ts';
import { pause } from './pause.ts';
import { peerText } from './peer-text.ts';
import type { ProxyFault } from './proxy-faults.ts';
import { authority, type LinkProxy } from './tunnel.ts';

export interface WebSocketLinkOptions {
  /** `wss://…`, or `ws://…` to a loopback address. */
  readonly url: string;
  /** Read anew at each dial, so that a token that was replaced is used without a restart. */
  readonly token: () => Promise<{ reveal(): string }>;
  /** PEM; replaces all other authorities. */
  readonly ca: string | null;
  /** Keys of which the control plane must have one; left out: any. */
  readonly pins?: readonly KeyPin[];
  /** Read anew at each dial, as the token; left out where none is shown. */
  readonly clientCertificate?: ClientIdentitySource | null;
  /** Left out where the control plane is reached directly. */
  readonly proxy?: LinkProxy | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly failPoints?: FailPoints;
  /** Left out where jobs are taken without a signature. */
  readonly verifyJob?: VerifyJob | null;
  /** Between two attempts; what the protocol says where it is left out. */
  readonly backoff?: LinkBackoff;
  readonly metrics?: Pick<Metrics, 'certificateSeen'>;
}

export interface LinkBackoff {
  readonly baseMs: number;
  readonly capMs: number;
}

/** PROTOCOL, Transport. */
const BACKOFF: LinkBackoff = { baseMs: 500, capMs: 30_000 };
/** A connection that held for so long was a good one, in milliseconds. */
const HELD_MS = 30_000;
/**
 * The link over WebSocket (RFC 6455). One loop owns the connection: dial, talk until it ends, say why it ended, wait, dial
 * again. It goes on for ever, since a connector that gave up would need a person to come back; it ends only by `stop`.
 * The waiting time grows from 0.5 s to 30 s and starts over only after a connection has held for 30 s, so that a control plane
 * which accepts and drops everyone is not hammered. What only a person can change is retried at 30 s from the start.
 */
export function openWebSocketLink(options: WebSocketLinkOptions): Link {
  const { url, clock, logger, backoff: times = BACKOFF } = options;
  const { host } = new URL(url);
  const proxy = options.proxy == null ? null : authority(options.proxy);
  const readIdentity = keepClientIdentity(options.clientCertificate ?? null, logger);
  const backoff = openBackoff({ ...times, random: options.random });
  const stopping = new AbortController();
  let status: LinkStatus = { state: 'idle', since: clock.wall() };
  let connection: Connection | undefined;
  let running: Promise<void> | undefined;
  let takesJobs = true;

  async function run(listener: LinkListener): Promise<void> {
    let before: Ending['kind'] | undefined;
    while (!stopping.signal.aborted) {
      status = { state: 'connecting', since: clock.wall() };
      logger.debug({ event: 'link.connecting', host }, 'dialing the control plane');
      const { ending, heldMs } = await converse(listener);
      if (stopping.signal.aborted) break;
      if (heldMs !== null && heldMs >= HELD_MS) backoff.reset();
      // A peer for which the ledger is replaced twice in a row is wrong, and must not be dialed in a circle.
      const delayMs = waitingTime(ending, before);
      before = ending.kind;
      await rest({ ending, heldMs, delayMs });
    }
    status = { state: 'stopped', since: clock.wall() };
    logger.info({ event: 'link.stopped', host }, 'the connection to the control plane is closed');
  }

  function waitingTime(ending: Ending, before: Ending['kind'] | undefined): number {
    const { pace } = explainEnding(ending);
    switch (pace) {
      case 'cap':
        return times.capMs;
      case 'at_once':
        return before === ending.kind ? backoff.next() : 0;
      case 'backoff':
        return backoff.next();
      default:
        return pace satisfies never;
    }
  }

  async function rest({ ending, heldMs, delayMs }: { ending: Ending; heldMs: number | null; delayMs: number }): Promise<void> {
    const { pace, reason } = explainEnding(ending, proxy);
    const since = clock.wall();
    status = { state: 'waiting', since, reason, nextAttemptAt: later(since, delayMs) };
    const fields = {
      event: 'link.waiting',
      host,
      ...(proxy === null ? {} : { proxy }),
      ending: ending.kind,
      ...facts(ending),
      heldMs: heldMs === null ? null : Math.round(heldMs),
      retryInMs: Math.round(delayMs),
    };
    const level = pace === 'cap' ? 'error' : pace === 'at_once' ? 'info' : 'warn';
    logger[level](fields, reason);
    await pause(clock, delayMs, stopping.signal);
  }

  async function converse(listener: LinkListener): Promise<Ended> {
    const means = await readMeans({ ...options, readIdentity });
    if ('kind' in means) return ended(means);
    if (stopping.signal.aborted) return ended({ kind: 'stopped' });
    const { token } = means;
    let judged: (ending: Ending) => Ending;
    try {
      const onCertificate = (notAfterMs: number) => options.metrics?.certificateSeen('control_plane', instant(notAfterMs));
      const dialed = dial({ ...means, onCertificate });
      judged = dialed.judged;
      connection = new Connection({
        socket: dialed.socket,
        listener,
        clock,
        logger,
        failPoints: options.failPoints,
        takesJobs: () => takesJobs,
        verifyJob: options.verifyJob ?? null,
        shown: (text) => peerText(text, token),
        opened(skewMs) {
          status = { state: 'connected', since: clock.wall(), skewMs };
          logger.info({ event: 'link.connected', host }, 'connected to the control plane');
        },
      });
    } catch (error) {
      // Nothing was dialed: ws or TLS did not take an option, a CA that is no PEM for one.
      return ended({ kind: 'failed', problem: `dial (${faultCode(error)})` });
    }
    const how = await connection.ended;
    connection = undefined;
    return { ...how, ending: judged(how.ending) };
  }

  return {
    start(listener) {
      if (running !== undefined || stopping.signal.aborted) throw new Error('a link is started once');
      running = run(listener);
    },
    status: () => status,
    stopReading() {
      takesJobs = false;
    },
    async stop() {
      stopping.abort();
      connection?.stop();
      await running;
      if (status.state !== 'stopped') status = { state: 'stopped', since: clock.wall() };
    },
  };
}

function ended(ending: Ending): Ended {
  return { ending, heldMs: null };
}

/** The numbers of an ending, for whoever counts log lines. */
function facts(ending: Ending): Readonly<Record<string, unknown>> {
  switch (ending.kind) {
    case 'closed':
      return { by: ending.by, closeCode: ending.code };
    case 'refused':
      return { httpStatus: ending.status };
    case 'wrong_pin':
      return { found: ending.found };
    case 'network':
    case 'bad_peer':
      return { code: ending.code };
    case 'proxy':
      return proxyFacts(ending.fault);
    case 'no_token':
    case 'no_certificate':
    case 'timed_out':
    case 'silent':
    case 'stalled':
    case 'failed':
    case 'replaced':
    case 'stopped':
      return {};
    default:
      return ending satisfies never;
  }
}

function proxyFacts(fault: ProxyFault): Readonly<Record<string, unknown>> {
  switch (fault.kind) {
    case 'network':
      return { proxyFault: fault.kind, code: fault.code };
    case 'refused':
      return { proxyFault: fault.kind, httpStatus: fault.status };
    case 'silent':
      return { proxyFault: fault.kind };
    default:
      return fault satisfies never;
  }
}
