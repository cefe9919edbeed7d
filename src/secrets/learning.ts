import type { ClientCertificateSource } from './client-certificate.ts';
import type { Learn, SecretSource } from './secret-source.ts';

/** Whom a secret is told, and which it is: the variable that it belongs to. */
interface Learning {
  readonly learn: Learn;
  readonly kind: string;
}

/** A source whose secrets no log line can show from the moment they are read. */
export function learning(source: SecretSource, { learn, kind }: Learning): SecretSource {
  return async () => {
    const secret = await source((onTheWay) => learn(onTheWay, `${kind}, on the way`));
    learn(secret, kind);
    return secret;
  };
}

/** The same for the key of a client certificate. */
export function learningKey(source: ClientCertificateSource | null, { learn, kind }: Learning): ClientCertificateSource | null {
  if (source === null) return null;
  return async () => {
    const read = await source();
    if (read.ok) learn(read.value.key, kind);
    return read;
  };
}

/** The same for `user:password` (RFC 7617 §2), and for the password alone. */
export function learningCredentials(source: SecretSource | null, { learn, kind }: Learning): SecretSource | null {
  if (source === null) return null;
  return async () => {
    const secret = await source();
    learn(secret, kind);
    learn({ reveal: () => secret.reveal().replace(/^[^:]*:/, '') }, `${kind}, password`);
    return secret;
  };
}
