import { createHash } from 'node:crypto';
import type { AccountName } from '../../access/account-name.ts';
import { DirectoryError } from '../directory.ts';
import type { ReadCertificate, ShownCertificate } from './dial.ts';

/** Something that holds a secret and shows it only when asked. */
export interface BindPassword {
  reveal(): string;
}

/** How we prove who we are. A password is asked for anew at each bind; `external` is by the client certificate (RFC 4422 appendix A). */
export type BindWay =
  | { readonly mechanism: 'simple'; readonly name: AccountName; readonly password: () => Promise<BindPassword> }
  | { readonly mechanism: 'external'; readonly name: AccountName | null };

/** What a bind is tried with. The mark tells one credential from another. */
export interface Credential {
  readonly simple: { readonly name: string; readonly password: string } | null;
  readonly certificate: ShownCertificate | null;
  readonly mark: string;
}

/** There is nothing to bind with now; no connection was tried. */
export class CredentialError extends DirectoryError {
  constructor(message: string, cause?: unknown) {
    super('unavailable', message, { cause });
    this.name = 'CredentialError';
  }
}

/** Reads the password and the certificate anew; rejects where there is nothing to bind with. */
export async function readCredential({
  bind: way,
  clientCertificate,
}: {
  readonly bind: BindWay;
  readonly clientCertificate: (() => Promise<ReadCertificate>) | null;
}): Promise<Credential> {
  const certificate = clientCertificate === null ? null : await readCertificate(clientCertificate);
  if (way.mechanism === 'external') {
    const mark = createHash('sha256')
      .update(certificate?.chain ?? '')
      .digest('hex');
    return { simple: null, certificate, mark };
  }
  const name = way.name.text;
  const secret = await way.password().catch((cause: unknown) => {
    // What a source says never holds the secret.
    const why = cause instanceof Error ? cause.message : 'for an unknown reason';
    throw new CredentialError(`The password of ${name} could not be read: ${why}.`, cause);
  });
  const password = secret.reveal();
  // RFC 4513 §5.1.2: some servers answer success to a bind without a password, and treat the connection as nobody's.
  if (password === '') throw new CredentialError(`The password of ${name} is empty, so no bind was tried.`);
  return { simple: { name, password }, certificate, mark: password };
}

const CERTIFICATE_VARIABLE = { certificate: 'LDAP_CERT_FILE', dates: 'LDAP_CERT_FILE', key: 'LDAP_KEY_FILE' } as const;

async function readCertificate(source: () => Promise<ReadCertificate>): Promise<ShownCertificate> {
  const read = await source();
  if (read.ok) return read.value;
  const message = `No connection was tried, since the client certificate cannot be used: the file of ${CERTIFICATE_VARIABLE[read.of]} ${read.problem}.`;
  throw new CredentialError(message);
}
