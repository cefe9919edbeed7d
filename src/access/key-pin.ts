import { createHash, X509Certificate } from 'node:crypto';
import type { Branded, Parsed } from './brand.ts';

/** SHA-256 of a server's SubjectPublicKeyInfo (RFC 7469 §2.4), written as `sha256/` and base64. */
export type KeyPin = Branded<string, 'KeyPin'>;

/** What works out the pin of a certificate in PEM; for people. */
export const PIN_COMMAND =
  'openssl x509 -in server.pem -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | openssl base64';

/** Reads a pin: base64, with or without `sha256/` before it (curl writes two slashes), or hex, with or without colons. */
export function parseKeyPin(text: string): Parsed<KeyPin> {
  const hex = text.replaceAll(':', '');
  if (/^[0-9A-Fa-f]{64}$/.test(hex)) return { ok: true, value: pinOf(Buffer.from(hex, 'hex')) };
  const base64 = text.replace(/^sha256\/{1,2}/, '');
  const bytes = Buffer.from(base64, 'base64');
  // 43 characters and a padding, of which none may say nothing: else two spellings of one pin would differ.
  if (bytes.length === 32 && bytes.toString('base64') === base64) return { ok: true, value: pinOf(bytes) };
  return { ok: false, problem: 'not the SHA-256 of a public key' };
}

function pinOf(digest: Buffer): KeyPin {
  return `sha256/${digest.toString('base64')}` as KeyPin;
}

/** The pin of a certificate in DER. Throws for what is none. */
export function keyPinOf(certificate: Buffer): KeyPin {
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return pinOf(createHash('sha256').update(key).digest());
}

/** A server with a certificate that is trusted, and with another key than those that are expected. */
export class WrongPinError extends Error {
  readonly code = 'ERR_WRONG_PIN';
  readonly found: KeyPin;
  readonly expected: readonly KeyPin[];

  constructor(found: KeyPin, expected: readonly KeyPin[]) {
    super('the server has another public key than the pinned ones');
    this.name = 'WrongPinError';
    this.found = found;
    this.expected = expected;
  }
}

/** Undefined where the key of the certificate (DER) is one of the pins, or there are none. For TLS to ask before anything is sent. */
export function judgePin(pins: readonly KeyPin[], certificate: Buffer): WrongPinError | undefined {
  if (pins.length === 0) return undefined;
  const found = keyPinOf(certificate);
  return pins.includes(found) ? undefined : new WrongPinError(found, pins);
}

/** What a person can do about another key; goes on the name of the server, and names the variable with the pins. */
export function explainWrongPin({ found, expected }: Pick<WrongPinError, 'found' | 'expected'>, variable: string): string {
  return `has the public key ${found}, and ${variable} expects ${expected.join(' or ')}; no secret was sent to it. Somebody may pose as the server. If it has a new key that you can vouch for, add that to ${variable} ("${PIN_COMMAND}" works it out from a certificate)`;
}
