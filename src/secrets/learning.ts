import type { ClientCertificateSource } from './client-certificate.ts';
import type { Learn, SecretSource } from './secret-source.ts';

/** A source whose secrets no log line can show from the moment they are read. */
export function learning(source: SecretSource, learn: Learn): SecretSource {
  return async () => {
    const secret = await source(learn);
    learn(secret);
    return secret;
  };
}

/** The same for the key of a client certificate. */
export function learningKey(source: ClientCertificateSource | null, learn: Learn): ClientCertificateSource | null {
  if (source === null) return null;
  return async () => {
    const read = await source();
    if (read.ok) learn(read.value.key);
    return read;
  };
}

/** The same for `user:password` (RFC 7617 §2), and for the password alone. */
export function learningCredentials(source: SecretSource | null, learn: Learn): SecretSource | null {
  if (source === null) return null;
  return async () => {
    const secret = await source();
    learn(secret);
    learn({ reveal: () => secret.reveal().replace(/^[^:]*:/, '') });
    return secret;
  };
}
