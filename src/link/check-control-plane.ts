import type { Clock } from '../access/clock.ts';
import type { CheckStep } from '../access/event.ts';
import type { Logger } from '../observability/logger.ts';
import { type ClientIdentitySource, keepClientIdentity } from './client-certificate.ts';
import { dial } from './dial.ts';
import { type Ending, explainEnding } from './ending.ts';
import type { LinkStatus } from './link.ts';
import { type MeansOptions, readMeans } from './means.ts';
import { faultCode } from './network-faults.ts';
import { MAX_SKEW_MS } from './skew.ts';
import { authority } from './tunnel.ts';

export interface ControlPlaneChecked extends Omit<MeansOptions, 'readIdentity'> {
  readonly clientCertificate: ClientIdentitySource | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Connects to the control plane up to where a token is accepted, and leaves again before it says hello: a connector that runs is
 * not disturbed. Where the answer says what time it is there, the clocks are compared.
 */
export async function checkControlPlane(options: ControlPlaneChecked): Promise<readonly CheckStep[]> {
  const { url, clock } = options;
  const { host } = new URL(url);
  const means = await readMeans({ ...options, readIdentity: keepClientIdentity(options.clientCertificate, options.logger) });
  if ('kind' in means) return [{ step: 'control plane', status: 'fail', detail: explainEnding(means).reason }];
  const proxy = options.proxy == null ? null : authority(options.proxy);
  const { ending, date } = await upgraded(means);
  const by = proxy === null ? '' : ` by way of the proxy ${proxy}`;
  const way: CheckStep =
    ending === null
      ? { step: 'control plane', status: 'ok', detail: `${host} accepts the token${by}` }
      : { step: 'control plane', status: 'fail', detail: explainEnding(ending, proxy).reason };
  const time = date === null ? Number.NaN : Date.parse(date);
  return Number.isNaN(time) ? [way] : [way, skewStep(time - clock.wall())];
}

/** The same of a connection that is kept. */
export function linkSteps(status: LinkStatus): readonly CheckStep[] {
  const step = 'control plane';
  switch (status.state) {
    case 'connected':
      return [{ step, status: 'ok', detail: 'connected' }, skewStep(status.skewMs)];
    case 'waiting':
      return [{ step, status: 'fail', detail: status.reason }];
    case 'idle':
    case 'connecting':
    case 'stopped':
      return [{ step, status: 'warn', detail: `not connected at this moment (${status.state})` }];
    default:
      return status satisfies never;
  }
}

function skewStep(skewMs: number): CheckStep {
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  const detail = `the control plane's is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} this machine's`;
  return Math.abs(skewMs) <= MAX_SKEW_MS
    ? { step: 'clock', status: 'ok', detail }
    : { step: 'clock', status: 'warn', detail: `${detail}: correct the wrong one (NTP)` };
}

/** How the upgrade was answered: `ending` is null where it was accepted. The handshake has a deadline of its own. */
async function upgraded(means: Parameters<typeof dial>[0]): Promise<{ ending: Ending | null; date: string | null }> {
  const { promise, resolve } = Promise.withResolvers<Ending | null>();
  let date: string | null = null;
  let isUpgraded = false;
  try {
    const { socket, judged } = dial(means);
    const closed = new Promise((done) => void socket.once('close', done));
    socket.on('upgrade', ({ headers }) => {
      isUpgraded = true;
      date = headers.date ?? null;
    });
    socket.on('unexpected-response', (request, response) => {
      date = response.headers.date ?? null;
      resolve({ kind: 'refused', status: response.statusCode ?? 0 });
      request.destroy();
      socket.terminate();
    });
    socket.on('open', () => {
      resolve(null);
      socket.close(1001);
    });
    socket.on('error', (error) => resolve(faultOf(error, isUpgraded)));
    const ending = await promise;
    await closed;
    return { ending: ending === null ? null : judged(ending), date };
  } catch (error) {
    // Nothing was dialed: ws or TLS did not take an option, a CA that is no PEM for one.
    return { ending: { kind: 'failed', problem: `dial (${faultCode(error)})` }, date };
  }
}

function faultOf(error: Error, isUpgraded: boolean): Ending {
  const code = faultCode(error);
  if (isUpgraded) return { kind: 'bad_peer', code };
  // The library has no code for this one.
  return error.message === 'Opening handshake has timed out'
    ? { kind: 'timed_out', awaited: 'handshake' }
    : { kind: 'network', code };
}
