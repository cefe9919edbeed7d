import { type RequestOptions, request as requestClear } from 'node:http';
import { request as requestTls } from 'node:https';
import { getCACertificates } from 'node:tls';
import { SecretError } from '../secret-source.ts';

/** Where Vault is. Without TLS only on this machine, which whoever makes one has seen to. */
export interface VaultAddress {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** What stands before `/v1`, without a slash at its end. */
  readonly prefix: string;
}

export interface VaultServer {
  readonly address: VaultAddress;
  /** PEM; null: what Node.js trusts and what this machine trusts. */
  readonly ca: string | null;
  /** Null: none (X-Vault-Namespace, of Vault Enterprise and OpenBao). */
  readonly namespace: string | null;
  /** For a whole request, TCP and TLS included. */
  readonly timeoutMs: number;
}

export interface VaultQuestion {
  /** After `/v1/`; its segments are encoded here. */
  readonly path: string;
  readonly token: string | null;
  /** What is posted; null: it is read. */
  readonly post: Readonly<Record<string, string>> | null;
}

/** `body` is null where it is no JSON. */
export interface VaultAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Asks one thing. Rejects with a {@link SecretError} (`unavailable`) where no whole answer comes in time. */
export type AskVault = (question: VaultQuestion) => Promise<VaultAnswer>;

/** A secret and its metadata are some hundred bytes; Vault itself takes up to 1 MiB (max_request_size is 32 MiB). */
const MAX_ANSWER_BYTES = 1_048_576;
const MAX_HEADER_BYTES = 32_768;

/** For people. */
export function shownServer({ address: { scheme, host, port } }: VaultServer): string {
  return `Vault at ${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * Vault's HTTP API. Certificates are always verified, redirects not followed (a standby answers 307 where it does not forward), and
 * each request has a connection of its own, since there are few.
 */
export function askVault(server: VaultServer): AskVault {
  return (question) =>
    new Promise((resolve, reject) => {
      const { address, ca, timeoutMs } = server;
      const body = question.post === null ? null : JSON.stringify(question.post);
      const options: RequestOptions = {
        host: address.host,
        port: address.port,
        path: `${address.prefix}/v1/${question.path.split('/').map(encodeURIComponent).join('/')}`,
        method: body === null ? 'GET' : 'POST',
        headers: headersOf(server, question, body),
        agent: false,
        maxHeaderSize: MAX_HEADER_BYTES,
        signal: AbortSignal.timeout(timeoutMs),
      };
      const asked =
        address.scheme === 'http'
          ? requestClear(options)
          : requestTls({ ...options, ca: ca ?? known(), rejectUnauthorized: true, minVersion: 'TLSv1.2' });
      const failed = (cause: unknown) => reject(noAnswer(server, cause));
      asked.on('error', failed);
      asked.on('response', (response) => {
        const chunks: Buffer[] = [];
        let length = 0;
        response.on('error', failed);
        response.on('data', (chunk: Buffer) => {
          length += chunk.length;
          chunks.push(chunk);
          if (length > MAX_ANSWER_BYTES) asked.destroy(new Error('the answer is far too long'));
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: parsed(Buffer.concat(chunks).toString('utf8')) }),
        );
      });
      asked.end(body ?? undefined);
    });
}

function known(): string[] {
  return [...getCACertificates('default'), ...getCACertificates('system')];
}

function headersOf({ namespace }: VaultServer, { token }: VaultQuestion, body: string | null): Record<string, string> {
  return {
    accept: 'application/json',
    // Vault's agent refuses requests without it, so that no browser can be made to send one.
    'x-vault-request': 'true',
    ...(token === null ? {} : { 'x-vault-token': token }),
    ...(namespace === null ? {} : { 'x-vault-namespace': namespace }),
    ...(body === null ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Errors of TLS that a person can do something about here. */
const UNTRUSTED =
  /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(?:GET_ISSUER_CERT(?:_LOCALLY)?|VERIFY_LEAF_SIGNATURE)|CERT_SIGNATURE_FAILURE)$/;

function noAnswer(server: VaultServer, cause: unknown): SecretError {
  const said = (why: string) => new SecretError('unavailable', `${shownServer(server)} ${why}`, { cause });
  if (cause instanceof Error && (cause.name === 'TimeoutError' || cause.name === 'AbortError'))
    return said(`did not answer within ${server.timeoutMs} ms; check VAULT_ADDR, and firewalls`);
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : null;
  if (code === null) return said(`gave no answer that can be used: ${cause instanceof Error ? cause.message : 'unknown'}`);
  if (UNTRUSTED.test(code)) return said(`has a certificate that is not trusted (${code}); check VAULT_CACERT`);
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return said('has a certificate for another name; check VAULT_ADDR');
  return said(`cannot be reached (${code}); check VAULT_ADDR, and whether Vault runs`);
}
