import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import {
  bitString,
  boolean,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
  time,
  tlv,
  utf8String,
} from '../../src/control-plane/der.ts';

const DAY_MS = 86_400_000;
const ECDSA_WITH_SHA256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'));
const PURPOSES = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const;

/** A certificate with its key; `chain` is PEM, it and whatever stands between it and its root. */
export interface Issued {
  readonly chain: string;
  readonly key: string;
}

export interface Leaf {
  readonly name: string;
  /** Names and addresses (RFC 5280 §4.2.1.6). */
  readonly hosts?: readonly string[];
  readonly purpose: keyof typeof PURPOSES;
  readonly expiresAtMs?: number;
}

export interface Authority {
  readonly pem: string;
  issue(leaf: Leaf): Issued;
  /** An authority beneath this one, whose certificates come with its own. */
  intermediate(name: string): Authority;
}

/** A root authority, with everything that a chain may be made of (RFC 5280). */
export function certificateAuthority(name: string): Authority {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const made = certificate({
    name,
    publicKey: keys.publicKey,
    issuer: { name, key: keys.privateKey },
    extensions: asAuthority(keys.publicKey),
  });
  return authority({ name, keys, pem: made, between: '' });
}

/** A server's certificate that only itself vouches for. */
export function selfSigned(leaf: Leaf): Issued {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = { name: leaf.name, key: keys.privateKey };
  return { chain: leafCertificate(leaf, keys.publicKey, issuer), key: pemOf(keys.privateKey) };
}

interface Issuer {
  readonly name: string;
  readonly key: KeyObject;
}

function authority(of: {
  name: string;
  keys: { publicKey: KeyObject; privateKey: KeyObject };
  pem: string;
  /** What the certificates of this authority are followed by. */
  between: string;
}): Authority {
  const issuer: Issuer = { name: of.name, key: of.keys.privateKey };
  return {
    pem: of.pem,
    issue(leaf) {
      const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      return { chain: leafCertificate(leaf, keys.publicKey, issuer) + of.between, key: pemOf(keys.privateKey) };
    },
    intermediate(name) {
      const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const pem = certificate({ name, publicKey: keys.publicKey, issuer, extensions: asAuthority(keys.publicKey) });
      return authority({ name, keys, pem, between: pem + of.between });
    },
  };
}

function leafCertificate(leaf: Leaf, publicKey: KeyObject, issuer: Issuer): string {
  const { name, hosts = [], purpose, expiresAtMs } = leaf;
  const extensions = [
    extension('2.5.29.19', sequence(), true),
    // digitalSignature (RFC 5280 §4.2.1.3).
    extension('2.5.29.15', bitString(Buffer.from([0x80]), 7), true),
    extension('2.5.29.37', sequence(objectIdentifier(PURPOSES[purpose]))),
    ...(hosts.length === 0 ? [] : [extension('2.5.29.17', sequence(...hosts.map(generalName)))]),
  ];
  return certificate({ name, publicKey, issuer, extensions, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) });
}

function asAuthority(publicKey: KeyObject): readonly Buffer[] {
  const keyIdentifier = createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
  return [
    extension('2.5.29.19', sequence(boolean(true)), true),
    // keyCertSign and cRLSign.
    extension('2.5.29.15', bitString(Buffer.from([0x06]), 1), true),
    extension('2.5.29.14', octetString(keyIdentifier)),
  ];
}

function certificate(of: {
  name: string;
  publicKey: KeyObject;
  issuer: Issuer;
  extensions: readonly Buffer[];
  expiresAtMs?: number;
}): string {
  const expiresAtMs = of.expiresAtMs ?? Date.now() + DAY_MS;
  const toBeSigned = sequence(
    tlv(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ECDSA_WITH_SHA256,
    commonName(of.issuer.name),
    sequence(time(expiresAtMs - 2 * DAY_MS), time(expiresAtMs)),
    commonName(of.name),
    of.publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...of.extensions)),
  );
  const der = sequence(toBeSigned, ECDSA_WITH_SHA256, bitString(sign('sha256', toBeSigned, of.issuer.key)));
  return new X509Certificate(der).toString();
}

function commonName(text: string): Buffer {
  return sequence(setOf(sequence(objectIdentifier('2.5.4.3'), utf8String(text))));
}

function extension(oid: string, value: Buffer, isCritical = false): Buffer {
  return sequence(objectIdentifier(oid), ...(isCritical ? [boolean(true)] : []), octetString(value));
}

function generalName(name: string): Buffer {
  if (isIP(name) === 0) return tlv(0x82, Buffer.from(name, 'ascii'));
  return tlv(0x87, isIP(name) === 4 ? Buffer.from(name.split('.').map(Number)) : addressBytes(name));
}

/** The sixteen bytes of an IPv6 address without an IPv4 tail. */
function addressBytes(address: string): Buffer {
  const [head = '', tail] = address.split('::');
  const groups = (part: string) => part.split(':').filter((group) => group !== '');
  const [before, behind] = [groups(head), groups(tail ?? '')];
  const filled = [...before, ...Array.from({ length: 8 - before.length - behind.length }, () => '0'), ...behind];
  return Buffer.from(filled.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' });
}
