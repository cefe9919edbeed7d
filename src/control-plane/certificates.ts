import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import { isIP, SocketAddress } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { bitString, boolean, integer, objectIdentifier, octetString, sequence, setOf, time, tlv, utf8String } from './der.ts';
import { readIfThere, replaceFile } from './state-file.ts';

/** What a TLS server needs, and the file of the authority that its clients must trust. */
export interface ServerCertificate {
  readonly caFile: string;
  readonly cert: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;
const LIFE_MS = 365 * DAY_MS;
/** A certificate with less time left is replaced at start. */
const RENEW_BELOW_MS = 30 * DAY_MS;

const ECDSA_WITH_SHA256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'));

/** Takes the certificate kept beside the state file, or makes an authority and a server certificate for the host. */
export async function keepCertificate(options: { stateFile: string; host: string; nowMs: number }): Promise<ServerCertificate> {
  const { stateFile, host, nowMs } = options;
  const file = (name: string) => join(dirname(stateFile), name);
  const [caFile, certFile, keyFile] = [
    file('control-plane-ca.pem'),
    file('control-plane-cert.pem'),
    file('control-plane-key.pem'),
  ];
  const names = namesOf(host);
  const [ca, cert, key] = await Promise.all([caFile, certFile, keyFile].map(readIfThere));
  if (ca !== undefined && cert !== undefined && key !== undefined && isUsable({ ca, cert, key, names, nowMs })) {
    return { caFile, cert, key };
  }
  const made = makeCertificate(names, nowMs);
  await replaceFile(caFile, made.ca, 0o644);
  await replaceFile(certFile, made.cert, 0o644);
  await replaceFile(keyFile, made.key);
  return { caFile, cert: made.cert, key: made.key };
}

/** The names under which a server that listens on the host is reached. */
function namesOf(host: string): readonly string[] {
  const everywhere = host === '0.0.0.0' || host === '::';
  const addresses = Object.values(networkInterfaces()).flatMap((found) => (found ?? []).map(({ address }) => address));
  const own = everywhere ? [hostname(), ...addresses.filter((address) => !address.includes('%'))] : [host];
  return [...new Set(['localhost', '127.0.0.1', '::1', ...own])];
}

function isUsable(kept: { ca: string; cert: string; key: string; names: readonly string[]; nowMs: number }): boolean {
  try {
    const cert = new X509Certificate(kept.cert);
    return (
      cert.verify(new X509Certificate(kept.ca).publicKey) &&
      cert.checkPrivateKey(createPrivateKey(kept.key)) &&
      cert.validToDate.getTime() - kept.nowMs > RENEW_BELOW_MS &&
      kept.names.every((name) => (isIP(name) === 0 ? cert.checkHost(name) : cert.checkIP(name)) !== undefined)
    );
  } catch {
    return false;
  }
}

/**
 * Makes a certificate authority and a server certificate (EC P-256, RFC 5280, a year), PEM. The authority's key is
 * forgotten at once, so that nobody can sign with it later.
 */
export function makeCertificate(names: readonly string[], nowMs: number): { ca: string; cert: string; key: string } {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = commonName(`Latchkey control-plane stub ${randomBytes(4).toString('hex')}`);
  const common = { issuer, nowMs, signingKey: authority.privateKey };
  const ca = certificate({
    ...common,
    subject: issuer,
    publicKey: authority.publicKey,
    extensions: [
      extension('2.5.29.19', sequence(boolean(true)), 'critical'),
      // keyCertSign and cRLSign (RFC 5280 §4.2.1.3).
      extension('2.5.29.15', bitString(Buffer.from([0x06]), 1), 'critical'),
      extension('2.5.29.14', octetString(keyIdentifier(authority.publicKey))),
    ],
  });
  const cert = certificate({
    ...common,
    subject: commonName('Latchkey control-plane stub'),
    publicKey: server.publicKey,
    extensions: [
      extension('2.5.29.19', sequence(), 'critical'),
      // digitalSignature, all that TLS with an EC key asks for.
      extension('2.5.29.15', bitString(Buffer.from([0x80]), 7), 'critical'),
      extension('2.5.29.37', sequence(objectIdentifier('1.3.6.1.5.5.7.3.1'))),
      extension('2.5.29.35', sequence(tlv(0x80, keyIdentifier(authority.publicKey)))),
      extension('2.5.29.17', sequence(...names.map(generalName))),
    ],
  });
  return { ca: pem(ca), cert: pem(cert), key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }) };
}

function certificate(of: {
  issuer: Buffer;
  subject: Buffer;
  publicKey: KeyObject;
  signingKey: KeyObject;
  extensions: readonly Buffer[];
  nowMs: number;
}): Buffer {
  const toBeSigned = sequence(
    tlv(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ECDSA_WITH_SHA256,
    of.issuer,
    // A day earlier, for clients whose clock is behind.
    sequence(time(of.nowMs - DAY_MS), time(of.nowMs + LIFE_MS)),
    of.subject,
    of.publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...of.extensions)),
  );
  return sequence(toBeSigned, ECDSA_WITH_SHA256, bitString(sign('sha256', toBeSigned, of.signingKey)));
}

function commonName(text: string): Buffer {
  return sequence(setOf(sequence(objectIdentifier('2.5.4.3'), utf8String(text))));
}

function extension(oid: string, value: Buffer, critical?: 'critical'): Buffer {
  return sequence(objectIdentifier(oid), ...(critical === undefined ? [] : [boolean(true)]), octetString(value));
}

/** RFC 7093 §2, method 1. */
function keyIdentifier(publicKey: KeyObject): Buffer {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 20);
}

/** A subject alternative name (RFC 5280 §4.2.1.6): dNSName or iPAddress. */
function generalName(name: string): Buffer {
  return isIP(name) === 0 ? tlv(0x82, Buffer.from(name, 'ascii')) : tlv(0x87, addressBytes(name));
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  const plain = new SocketAddress({ address, family: 'ipv6' }).address;
  // An IPv4 tail (::ffff:1.2.3.4) as two groups.
  const text = plain.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_whole, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = '', tail] = text.split('::');
  const groups = (half: string) => (half === '' ? [] : half.split(':'));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => '0'), ...after];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
