import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { formatInstant, type Instant, instant } from '../access/instant.ts';
import { readCertificateFile } from './certificate-file.ts';
import { readSecretFile } from './file-secret.ts';
import type { Secret } from './secret.ts';
import { SecretError } from './secret-source.ts';

/** What a TLS client shows to a server that asks who it is. `chain` is PEM, our own certificate first (RFC 8446 §4.4.2). */
export interface ClientCertificate {
  readonly chain: string;
  /** PEM, without a passphrase. */
  readonly key: Secret;
  readonly expiresAt: Instant;
}

/** What reading came to. The problem goes on a sentence that begins with the name of the file, and never holds the key. */
export type ReadClientCertificate =
  | { readonly ok: true; readonly value: ClientCertificate }
  | { readonly ok: false; readonly of: 'certificate' | 'key' | 'dates'; readonly problem: string };

/** Where a client certificate comes from, asked anew at each connection, so that a rotated one is met without a restart. */
export type ClientCertificateSource = () => Promise<ReadClientCertificate>;

/** Paths of PEM files, and the clock that tells whether the certificate has expired. */
export interface ClientCertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly now: () => Instant;
}

export function clientCertificateFiles(files: ClientCertificateFiles): ClientCertificateSource {
  return async () => readClientCertificate(files);
}

/**
 * Reads a certificate and its key, and tells whether they belong together and the certificate has not expired. One that is not
 * valid yet is left to the server, whose clock decides. Never throws.
 */
export function readClientCertificate({ certFile, keyFile, now }: ClientCertificateFiles): ReadClientCertificate {
  const chain = readCertificateFile(certFile);
  if (!chain.ok) return { ok: false, of: 'certificate', problem: chain.problem };
  const key = readKey(keyFile);
  if (typeof key === 'string') return { ok: false, of: 'key', problem: key };
  const certificate = new X509Certificate(chain.value);
  if (!certificate.checkPrivateKey(key.parsed))
    return { ok: false, of: 'key', problem: `is not the key of the first certificate in ${certFile}` };
  const expiresAt = instant(certificate.validToDate.getTime());
  if (expiresAt <= now()) return { ok: false, of: 'dates', problem: `expired at ${formatInstant(expiresAt)}` };
  return { ok: true, value: { chain: chain.value, key: key.secret, expiresAt } };
}

function readKey(path: string): { readonly secret: Secret; readonly parsed: KeyObject } | string {
  try {
    const secret = readSecretFile(path);
    const parsed = parsePrivateKey(secret.reveal());
    return parsed === null ? 'holds no private key in PEM, or one with a passphrase' : { secret, parsed };
  } catch (error) {
    return error instanceof SecretError && error.fault === 'missing' ? 'does not exist' : 'cannot be read';
  }
}

/** Null for what is no private key in PEM, and for one with a passphrase. */
export function parsePrivateKey(pem: string): KeyObject | null {
  try {
    return createPrivateKey({ key: pem, format: 'pem' });
  } catch {
    return null;
  }
}
