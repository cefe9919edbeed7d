import { X509Certificate } from 'node:crypto';
import type { Parsed } from '../access/brand.ts';
import { readBoundedFile } from './bounded-file.ts';

const MAX_CERTIFICATE_FILE_BYTES = 1_048_576;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM file (RFC 7468), each of which can be parsed, and nothing else of it. The problem begins with a verb. */
export function readCertificateFile(path: string): Parsed<string> {
  const read = readBoundedFile(path, MAX_CERTIFICATE_FILE_BYTES);
  if (!read.ok) return read;
  const certificates = read.value.toString('utf8').match(PEM_CERTIFICATE) ?? [];
  if (certificates.length === 0) return { ok: false, problem: 'holds no PEM certificate' };
  const broken = certificates.findIndex((pem) => !isCertificate(pem));
  if (broken >= 0) return { ok: false, problem: `holds a certificate, number ${broken + 1}, that cannot be parsed` };
  return { ok: true, value: `${certificates.join('\n')}\n` };
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
