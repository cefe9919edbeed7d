import type { Logger } from '../observability/logger.ts';

/** What TLS shows to a control plane that asks; PEM, our own certificate first. */
export interface ClientIdentity {
  readonly chain: string;
  readonly key: { reveal(): string };
}

/** Where the client certificate comes from; a problem is fit to be shown, and goes on the name of what it is `of`. */
export type ClientIdentitySource = () => Promise<
  | { readonly ok: true; readonly value: ClientIdentity }
  | { readonly ok: false; readonly of: 'certificate' | 'key' | 'dates'; readonly problem: string }
>;

const VARIABLE = {
  certificate: 'LATCHKEY_CONTROL_PLANE_CERT_FILE',
  dates: 'LATCHKEY_CONTROL_PLANE_CERT_FILE',
  key: 'LATCHKEY_CONTROL_PLANE_KEY_FILE',
} as const;

/**
 * Reads the client certificate anew at each dial, so that a rotated one is met without a restart. A new one that is bad, perhaps
 * half written, is told and the last good one used: the connection may still work with it. A text says why there is none at all.
 */
export function keepClientIdentity(
  source: ClientIdentitySource | null,
  logger: Logger,
): () => Promise<ClientIdentity | null | string> {
  let last: ClientIdentity | null = null;
  return async () => {
    if (source === null) return null;
    const read = await source();
    if (read.ok) {
      const isNew = last !== null && last.chain !== read.value.chain;
      last = read.value;
      if (isNew) logger.info({ event: 'link.client-certificate-changed' }, 'a new client certificate is used from now on');
      return last;
    }
    const problem = `${VARIABLE[read.of]} names a file that ${read.problem}`;
    if (last === null) return problem;
    logger.error(
      { event: 'link.client-certificate-refused', variable: VARIABLE[read.of], problem: read.problem },
      `${problem}; the client certificate that was read before is used. Put a good one there, it is read again at each connection`,
    );
    return last;
  };
}
