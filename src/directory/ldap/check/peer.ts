import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock } from '../../../access/clock.ts';
import { DirectoryError } from '../../directory.ts';
import { nameOf, namesIn, type OpenSocket, settled, startTls, tcpConnected } from '../dial.ts';
import { type Endpoint, type Trouble, troubleOf } from '../endpoint.ts';
import type { OpenStage } from '../opener.ts';
import { firstOf } from './steps.ts';

export interface PeerOptions {
  readonly openSocket: OpenSocket;
  /** The only authorities that are trusted, PEM; null: those of Node.js and of the system. */
  readonly ca: string | null;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
}

export interface FailedConnection {
  readonly endpoint: Endpoint;
  readonly stage: OpenStage['stage'];
  readonly error: unknown;
}

/** A sentence, or nothing, on what a server shows with which no connection came about. */
export type ExplainPeer = (failure: FailedConnection, signal: AbortSignal) => Promise<string>;

/** What is looked at for each trouble; null where nothing that the server shows would say more. */
const LOOKED_AT: Readonly<Record<Trouble, 'certificate' | 'protocol' | null>> = {
  name_not_found: null,
  name_lookup_failed: null,
  refused: null,
  unreachable: null,
  timed_out: 'protocol',
  reset: 'protocol',
  closed: 'protocol',
  tls_untrusted: 'certificate',
  tls_wrong_name: 'certificate',
  tls_wrong_pin: null,
  tls_dates: null,
  tls_revoked: null,
  tls_too_old: null,
  tls_client_refused: null,
  tls_not_agreed: null,
  tls_failed: 'protocol',
  own_side: null,
  other: 'protocol',
};

/**
 * Looks at a server once more, on a connection of its own on which nothing is said and nothing trusted: a certificate that was
 * refused is named with its authorities, and a port that speaks TLS where it should not, or not where it should, is told.
 */
export function peerExplainer(options: PeerOptions): ExplainPeer {
  return async ({ endpoint, stage, error }, signal) => {
    if (!(error instanceof DirectoryError) || error.fault !== 'unavailable' || error.ldap !== null) return '';
    // From the bind on, TLS is there where it is wanted.
    if (stage !== (endpoint.tls === 'none' ? 'bind' : 'tls')) return '';
    const looked = LOOKED_AT[troubleOf(error.cause)];
    switch (looked) {
      case null:
        return '';
      case 'certificate': {
        const peer = await lookAt(options, endpoint, signal);
        return peer?.speaks === 'tls' ? ` ${shownCertificate(peer.certificate, options.ca)}` : '';
      }
      case 'protocol': {
        const tls = endpoint.tls === 'implicit' ? 'start_tls' : 'implicit';
        const peer = await lookAt(options, { ...endpoint, tls }, signal);
        return peer === null ? '' : ` ${otherProtocol(endpoint, peer)}`;
      }
      default:
        return looked satisfies never;
    }
  };
}

interface ShownCertificate {
  readonly subject: string;
  readonly names: readonly string[];
  readonly issuers: readonly string[];
}

type Peer =
  | { readonly speaks: 'tls'; readonly certificate: ShownCertificate }
  /** LDAP in clear, and no StartTLS. */
  | { readonly speaks: 'ldap' };

/** Null where it does not speak like this, or not in time. */
async function lookAt(
  { openSocket, clock, connectTimeoutMs }: PeerOptions,
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<Peer | null> {
  const deadline = new AbortController();
  const cancelTimer = clock.timer(connectTimeoutMs, () => deadline.abort());
  const within = AbortSignal.any([deadline.signal, signal]);
  const tcp = openSocket({ host: endpoint.host, port: endpoint.port });
  tcp.on('error', () => undefined);
  try {
    await tcpConnected(endpoint, tcp, within);
    if (endpoint.tls === 'start_tls') await startTls(endpoint, tcp, within);
    const servername = isIP(endpoint.host) === 0 ? endpoint.host : '';
    // Not to be trusted but to be shown to a person, who may know by it which authority is missing. It is closed unused.
    const tls = connectTls({ socket: tcp, servername, rejectUnauthorized: false });
    tls.on('error', () => undefined);
    await settled({ endpoint, socket: tls, event: 'secureConnect', doing: 'look at the certificate' }, within);
    return { speaks: 'tls', certificate: namesIn(tls.getPeerCertificate(true)) };
  } catch (error) {
    return error instanceof DirectoryError && error.ldap !== null ? { speaks: 'ldap' } : null;
  } finally {
    cancelTimer();
    tcp.destroy();
  }
}

function shownCertificate({ subject, names, issuers }: ShownCertificate, ca: string | null): string {
  const given = ca === null ? null : authoritiesIn(ca);
  const top = issuers.at(-1) ?? subject;
  const isNamesake = given?.includes(top) === true;
  const trusted =
    given === null
      ? 'LDAP_CA_FILE is not set, so the authorities of the system were asked'
      : `LDAP_CA_FILE has ${firstOf(given)}${isNamesake ? ', which bears the same name' : ''}`;
  const issued = issuers.length === 0 ? 'signed by itself' : `issued by ${issuers.join(', by ')}`;
  return `The server shows a certificate of ${subject}${names.length === 0 ? '' : ` for ${firstOf(names, 10)}`}, ${issued}; ${trusted}.`;
}

/** The names of the certificates in a file, as far as they can be read. */
function authoritiesIn(pem: string): readonly string[] {
  const blocks = pem.match(/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----[^-]+-----END [A-Z0-9 ]*CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => {
    try {
      return nameOf(new X509Certificate(block).toLegacyObject().subject);
    } catch {
      return 'one that cannot be read';
    }
  });
}

function otherProtocol({ tls }: Endpoint, peer: Peer): string {
  if (tls !== 'implicit')
    return 'That port speaks TLS from the first byte: write ldaps:// in LDAP_URL, and leave LDAP_START_TLS out, or name the port for ldap:// (389 where none was chosen).';
  const plain = 'That port speaks LDAP without TLS: name the port for ldaps:// in LDAP_URL (636 where none was chosen)';
  return peer.speaks === 'ldap' ? `${plain}.` : `${plain}, or write ldap:// with LDAP_START_TLS=true.`;
}
