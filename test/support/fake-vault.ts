import { once } from 'node:events';
import { createServer as createClear, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTls } from 'node:https';
import type { Issued } from './certificate-authority.ts';

/** A secret of the key/value engine: its newest version, or that this was deleted. */
type Kept = Readonly<Record<string, unknown>> | 'deleted';

/** What it was asked, without its secrets but for the token that came with it. */
export interface VaultAsked {
  readonly method: string;
  readonly path: string;
  readonly token: string | null;
  readonly namespace: string | null;
}

/**
 * HashiCorp Vault as its API documentation describes it (KV version 2, AppRole, Kubernetes, the status codes of its HTTP API), as far as
 * the connector uses it. No real Vault was at hand: neither Debian nor the package registry has one.
 */
export interface FakeVault extends AsyncDisposable {
  readonly url: string;
  readonly asked: VaultAsked[];
  /** By `MOUNT/data/PATH`. */
  readonly secrets: Map<string, Kept>;
  /** Tokens that are taken now; a login adds one. */
  readonly tokens: Set<string>;
  readonly roles: { approle: { roleId: string; secretId: string } | null; kubernetes: { role: string; jwt: string } | null };
  /** Life of a login's token. */
  leaseSeconds: number;
  /** Answers everything so, until null. */
  instead: ((request: IncomingMessage, response: ServerResponse) => void) | null;
}

/** Starts one on a free port of 127.0.0.1, with TLS where a certificate is given. */
export async function startFakeVault({ certificate }: { certificate: Issued | null }): Promise<FakeVault> {
  const asked: VaultAsked[] = [];
  const secrets = new Map<string, Kept>();
  const tokens = new Set<string>();
  let logins = 0;
  const vault = {
    asked,
    secrets,
    tokens,
    roles: { approle: null, kubernetes: null } as FakeVault['roles'],
    leaseSeconds: 3600,
    instead: null as FakeVault['instead'],
  };

  function login(): [number, unknown] {
    logins += 1;
    const token = `hvs.login-${logins}`;
    tokens.add(token);
    return [200, { auth: { client_token: token, lease_duration: vault.leaseSeconds, renewable: true, policies: ['default'] } }];
  }

  function answer(path: string, token: string | null, body: Readonly<Record<string, unknown>> | null): [number, unknown] {
    const { approle, kubernetes } = vault.roles;
    if (path === 'auth/approle/login')
      return approle !== null && body?.['role_id'] === approle.roleId && body['secret_id'] === approle.secretId
        ? login()
        : [400, { errors: ['invalid role or secret ID'] }];
    if (path === 'auth/kubernetes/login')
      return kubernetes !== null && body?.['role'] === kubernetes.role && body['jwt'] === kubernetes.jwt
        ? login()
        : [403, { errors: ['permission denied'] }];
    if (token === null || !tokens.has(token)) return [403, { errors: ['permission denied'] }];
    const kept = secrets.get(path);
    if (kept === undefined) return [404, { errors: [] }];
    const metadata = { created_time: '2026-01-01T00:00:00Z', deletion_time: '', destroyed: false, version: 3 };
    if (kept === 'deleted')
      return [404, { data: { data: null, metadata: { ...metadata, deletion_time: '2026-01-02T00:00:00Z' } } }];
    // Version 1 has the fields themselves there.
    return [200, path.startsWith('version-1/') ? { data: kept } : { data: { data: kept, metadata } }];
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const path = decodeURIComponent((request.url ?? '').replace(/^\/v1\//, ''));
    const header = (name: string) => (typeof request.headers[name] === 'string' ? request.headers[name] : null);
    const token = header('x-vault-token');
    asked.push({ method: request.method ?? '', path, token, namespace: header('x-vault-namespace') });
    if (vault.instead !== null) return vault.instead(request, response);
    const [status, body] = answer(path, token, text === '' ? null : (JSON.parse(text) as Readonly<Record<string, unknown>>));
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }

  const take = (request: IncomingMessage, response: ServerResponse): void => {
    serve(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  };
  const server: Server =
    certificate === null ? createClear(take) : createTls({ cert: certificate.chain, key: certificate.key }, take);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return Object.assign(vault, {
    url: `${certificate === null ? 'http' : 'https'}://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  });
}
