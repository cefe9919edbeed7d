import { explainWrongPin, type KeyPin } from '../access/key-pin.ts';
import { closeVerdict, refusalVerdict, type Verdict } from './close-codes.ts';
import { networkAdvice } from './network-faults.ts';
import { type ProxyFault, proxyVerdict } from './proxy-faults.ts';

/** How a connection, or the attempt to make one, ended. Text of the peer has been made fit to show. */
export type Ending =
  /** There was nothing to authenticate with. */
  | { readonly kind: 'no_token'; readonly problem: string }
  /** There was never a client certificate to show. */
  | { readonly kind: 'no_certificate'; readonly problem: string }
  /** The proxy gave no way through to the control plane. Both are `host:port`. */
  | { readonly kind: 'proxy'; readonly proxy: string; readonly target: string; readonly fault: ProxyFault }
  /** DNS, TCP or TLS, before or during the connection. */
  | { readonly kind: 'network'; readonly code: string }
  /** Its certificate is trusted, and its public key is none of those that are pinned. */
  | { readonly kind: 'wrong_pin'; readonly found: KeyPin; readonly expected: readonly KeyPin[] }
  /** 10 s passed. */
  | { readonly kind: 'timed_out'; readonly awaited: 'handshake' | 'welcome' }
  /** The upgrade was answered with another HTTP status than 101. */
  | { readonly kind: 'refused'; readonly status: number }
  /** The upgrade was answered with 101, but not as a server of latchkey.v1 does. */
  | { readonly kind: 'bad_peer'; readonly code: string }
  | { readonly kind: 'closed'; readonly by: 'us' | 'peer'; readonly code: number; readonly reason: string }
  /** Nothing was heard for two heartbeats. */
  | { readonly kind: 'silent' }
  /** What we sent was not taken for two heartbeats. */
  | { readonly kind: 'stalled' }
  /** Our own side could not go on: the ledger did not answer. */
  | { readonly kind: 'failed'; readonly problem: string }
  /** The ledger took a new id; hello is said again. */
  | { readonly kind: 'replaced' }
  | { readonly kind: 'stopped' };

/** An ending in words, with what follows from it. `at_once`: the next attempt needs no waiting. */
export interface Explained {
  readonly pace: Verdict['pace'] | 'at_once';
  readonly reason: string;
}

/** Endings that something between the two sides may be the cause of. */
const ON_THE_WAY: Record<Ending['kind'], boolean> = {
  network: true,
  wrong_pin: true,
  timed_out: true,
  refused: true,
  bad_peer: true,
  closed: true,
  silent: true,
  stalled: true,
  proxy: false,
  no_token: false,
  no_certificate: false,
  failed: false,
  replaced: false,
  stopped: false,
};

/** Says what an ending means; `proxy` is the `host:port` of the one between, null where there is none. Total. */
export function explainEnding(ending: Ending, proxy: string | null = null): Explained {
  const { pace, reason } = explain(ending);
  return { pace, reason: proxy !== null && ON_THE_WAY[ending.kind] ? `${reason} (by way of the proxy ${proxy})` : reason };
}

function explain(ending: Ending): Explained {
  switch (ending.kind) {
    case 'no_token':
      return { pace: 'backoff', reason: `the token of the control plane cannot be read: ${ending.problem}` };
    case 'no_certificate':
      return { pace: 'backoff', reason: `there is no client certificate: ${ending.problem}` };
    case 'proxy': {
      const { pace, advice } = proxyVerdict(ending.fault, ending.target);
      return { pace, reason: `the proxy ${ending.proxy} ${advice}` };
    }
    case 'network':
      return { pace: 'backoff', reason: `no connection (${ending.code}): ${networkAdvice(ending.code)}` };
    // Only a person can change it.
    case 'wrong_pin':
      return { pace: 'cap', reason: `the control plane ${explainWrongPin(ending, 'LATCHKEY_CONTROL_PLANE_PIN')}` };
    case 'timed_out':
      return { pace: 'backoff', reason: `the control plane did not answer within 10 s (${ending.awaited})` };
    case 'refused': {
      const { pace, advice } = refusalVerdict(ending.status);
      return { pace, reason: `the control plane refused the connection with HTTP ${ending.status}: ${advice}` };
    }
    case 'bad_peer':
      return {
        pace: 'backoff',
        reason: `the other side is not a control plane that speaks latchkey.v1 (${ending.code}): check LATCHKEY_CONTROL_PLANE_URL`,
      };
    case 'closed': {
      const { pace, advice } = closeVerdict(ending.code);
      const who = ending.by === 'us' ? 'the connector closed the connection' : 'the control plane closed the connection';
      const why = ending.reason === '' ? '' : ` ("${ending.reason}")`;
      return { pace, reason: `${who} with ${ending.code}${why}: ${advice}` };
    }
    case 'silent':
      return { pace: 'backoff', reason: 'the control plane was silent for two heartbeats' };
    case 'stalled':
      return { pace: 'backoff', reason: 'the control plane did not take what was sent for two heartbeats' };
    case 'failed':
      return { pace: 'backoff', reason: `the connector could not go on with the connection: ${ending.problem}` };
    case 'replaced':
      return { pace: 'at_once', reason: 'the ledger has a new id; hello is said again' };
    case 'stopped':
      return { pace: 'at_once', reason: 'the connector stops' };
    default:
      return ending satisfies never;
  }
}
