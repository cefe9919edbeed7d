import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import type { OpenLdap } from '../../src/sandbox/openldap.ts';

/**
 * What becomes of the next modify: `lose-answer` lets it reach the server and drops what the server says; `cut` ends the
 * connection before it reaches the server; `hold` keeps it from the server and leaves the connection open.
 */
export type ModifyFate = 'lose-answer' | 'cut' | 'hold';

/** An `ldaps` address before a slapd: it ends TLS with the server's own certificate, and so sees whole LDAP messages. */
export interface LdapProxy extends AsyncDisposable {
  readonly url: string;
  /** How many bind requests passed, those that were refused by the server included. */
  binds(): number;
  modifies(): number;
  spoil(fate: ModifyFate): void;
  /** Resolves when the fate has met a modify (for `lose-answer`: when the server's answer has been dropped). */
  readonly spoilt: () => Promise<void>;
}

/** Operation tags (RFC 4511 §4.2, §4.6). */
const BIND_REQUEST = 0x60;
const MODIFY_REQUEST = 0x66;

/** Starts a proxy on a free port of 127.0.0.1. */
export async function startLdapProxy(ldap: OpenLdap): Promise<LdapProxy> {
  const [ca, cert, key] = await Promise.all(
    ['ca.pem', 'server.pem', 'server.key'].map((name) => readFile(join(ldap.dir, name), 'utf8')),
  );
  const target = { host: '127.0.0.1', port: Number(new URL(ldap.ldapsUrl).port), ca };
  const open = new Set<TLSSocket>();
  const seen = { binds: 0, modifies: 0 };
  let fate: ModifyFate | null = null;
  let met = Promise.withResolvers<void>();

  const listener = createServer({ cert, key }, (client) => {
    const server = connect({ ...target, servername: 'localhost' });
    let answersPass = true;
    let requestsPass = true;
    for (const socket of [client, server]) {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        open.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    const takeRequests = messages((message) => {
      const tag = operationOf(message);
      if (tag === BIND_REQUEST) seen.binds += 1;
      if (tag === MODIFY_REQUEST) {
        seen.modifies += 1;
        const mine = fate;
        fate = null;
        if (mine === 'cut') {
          client.destroy();
          met.resolve();
          return;
        }
        if (mine === 'hold') {
          requestsPass = false;
          met.resolve();
        }
        if (mine === 'lose-answer') answersPass = false;
      }
      if (requestsPass && !client.destroyed) server.write(message);
    });
    client.on('data', takeRequests);
    server.on('data', (chunk: Buffer) => {
      if (answersPass) client.write(chunk);
      else {
        client.destroy();
        met.resolve();
      }
    });
  });
  listener.on('tlsClientError', () => undefined);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');

  return {
    url: `ldaps://127.0.0.1:${address.port}`,
    binds: () => seen.binds,
    modifies: () => seen.modifies,
    spoil(next) {
      fate = next;
      met = Promise.withResolvers();
    },
    spoilt: () => met.promise,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

/** Cuts a stream into LDAP messages (BER, definite lengths: RFC 4511 §5.1). */
function messages(take: (message: Buffer) => void): (chunk: Buffer) => void {
  let left = Buffer.alloc(0);
  return (chunk) => {
    left = Buffer.concat([left, chunk]);
    for (;;) {
      const whole = lengthOf(left, 0);
      if (whole === null || left.length < whole.end) return;
      take(left.subarray(0, whole.end));
      left = left.subarray(whole.end);
    }
  };
}

/** Where the contents of the element at `at` begin and end; null while its header is not complete. */
function lengthOf(bytes: Buffer, at: number): { begin: number; end: number } | null {
  const first = bytes[at + 1];
  if (first === undefined) return null;
  if (first < 0x80) return { begin: at + 2, end: at + 2 + first };
  const count = first & 0x7f;
  if (bytes.length < at + 2 + count) return null;
  const begin = at + 2 + count;
  return { begin, end: begin + bytes.readUIntBE(at + 2, count) };
}

/** The tag of the operation: what follows the messageID. */
function operationOf(message: Buffer): number | undefined {
  const id = lengthOf(message, lengthOf(message, 0)?.begin ?? 0);
  return id === null ? undefined : message[id.end];
}
