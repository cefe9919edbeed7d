import { X509Certificate } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import type { Parsed } from '../access/brand.ts';

const MAX_CERTIFICATE_FILE_BYTES = 1_048_576;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM file (RFC 7468), each of which can be parsed, and nothing else of it. The problem begins with a verb. */
export function readCertificateFile(path: string): Parsed<string> {
  let file: number | undefined;
  try {
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const status = fstatSync(file);
    if (!status.isFile()) return { ok: false, problem: 'is not a regular file' };
    if (status.size > MAX_CERTIFICATE_FILE_BYTES) return { ok: false, problem: `is a file of ${status.size} bytes` };
    const certificates = readFileSync(file, 'utf8').match(PEM_CERTIFICATE) ?? [];
    if (certificates.length === 0) return { ok: false, problem: 'holds no PEM certificate' };
    const broken = certificates.findIndex((pem) => !isCertificate(pem));
    if (broken >= 0) return { ok: false, problem: `holds a certificate, number ${broken + 1}, that cannot be parsed` };
    return { ok: true, value: `${certificates.join('\n')}\n` };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    return { ok: false, problem: code === 'ENOENT' ? 'does not exist' : `cannot be read (${String(code)})` };
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
