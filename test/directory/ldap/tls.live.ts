import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { createServer, type SecureVersion, type TLSSocket } from 'node:tls';
import { type Directory, type DirectoryError } from '../../../src/directory/directory.ts';
import type { ReadCertificate } from '../../../src/directory/ldap/dial.ts';
import { openLdapDirectory } from '../../../src/directory/ldap/open-ldap-directory.ts';
import { type OpenLdap, startOpenLdap } from '../../../src/sandbox/openldap.ts';
import { type Authority, certificateAuthority, type Issued, selfSigned } from '../../support/certificate-authority.ts';
import {
  dn,
  type LdapDirectoryChanges,
  ldapDirectoryOptions,
  realClock,
  simpleBind,
  untilState,
} from '../../support/ldap-directory-under-test.ts';
import { envelopeOf, REQUEST } from '../../support/ldap-messages.ts';

const deadline = { timeout: 60_000 };
const signal = new AbortController().signal;
const HOSTS = ['localhost', 'directory.example.test', '127.0.0.1', '192.0.2.7', '::1', '2001:db8::7'];

async function opened(server: OpenLdap, changes: LdapDirectoryChanges): Promise<Directory & AsyncDisposable> {
  const directory = openLdapDirectory(await ldapDirectoryOptions(server, changes));
  return { ...directory, [Symbol.asyncDispose]: () => directory.close() };
}

/** Why the first attempt failed. */
async function failure(server: OpenLdap, changes: LdapDirectoryChanges): Promise<DirectoryError> {
  await using directory = await opened(server, changes);
  const { promise, resolve } = Promise.withResolvers<DirectoryError>();
  directory.onChange((status) => {
    if (status.state === 'down') resolve(status.error);
    else assert.fail('the connection came about');
  });
  directory.start();
  return await promise;
}

async function succeeds(server: OpenLdap, changes: LdapDirectoryChanges): Promise<void> {
  await using directory = await opened(server, changes);
  directory.start();
  await untilState(directory, 'up');
  assert.equal((await directory.groupsNamed('on-call', signal)).length, 1);
}

const portOf = (url: string) => Number(new URL(url).port);
const shown = (issued: Issued): ReadCertificate => ({
  ok: true,
  value: { chain: issued.chain, key: { reveal: () => issued.key } },
});

/** The server goes on with another certificate and other authorities; `caPem` is what it and its tools trust. */
async function wear(server: OpenLdap, issued: Issued, caPem: string): Promise<void> {
  await server.kill('SIGINT');
  await writeFile(join(server.dir, 'server.pem'), issued.chain);
  await writeFile(join(server.dir, 'server.key'), issued.key, { mode: 0o600 });
  await writeFile(join(server.dir, 'ca.pem'), caPem);
  await server.start();
}

async function reconfigure(server: OpenLdap, from: string, to: string): Promise<void> {
  await server.kill('SIGINT');
  const path = join(server.dir, 'slapd.conf');
  const text = await readFile(path, 'utf8');
  assert.ok(text.includes(from));
  await writeFile(
    path,
    text.replace(from, () => to),
  );
  await server.start();
}

suite('certificates of a directory', deadline, () => {
  let server: OpenLdap;
  let root: Authority;
  let intermediate: Authority;
  let chained: Issued;
  before(async () => {
    server = await startOpenLdap();
    root = certificateAuthority('Example Root');
    intermediate = root.intermediate('Example Issuing');
    chained = intermediate.issue({ name: 'directory', hosts: HOSTS, purpose: 'server' });
  });
  after(() => server.stop());

  /** Whatever the URL says, the connection goes to the server. */
  const to = (host: string, startTls: boolean): LdapDirectoryChanges => {
    const url = startTls ? server.ldapUrl : server.ldapsUrl;
    const scheme = startTls ? 'ldap' : 'ldaps';
    return {
      url: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${portOf(url)}`,
      startTls,
      openSocket: () => connect({ host: '127.0.0.1', port: portOf(url) }),
    };
  };

  test('a chain is trusted by its root, whether or not the file has its intermediates too, and by an intermediate alone', async () => {
    await wear(server, chained, root.pem + intermediate.pem);
    for (const startTls of [false, true])
      for (const ca of [root.pem, root.pem + intermediate.pem, intermediate.pem])
        await succeeds(server, { ...to('localhost', startTls), ca });
    const other = certificateAuthority('Example Root');
    assert.match((await failure(server, { ...to('localhost', false), ca: other.pem })).message, /LDAP_CA_FILE/);
  });

  test('a certificate is for the names and addresses that it has, of either version, and for no other', async () => {
    for (const startTls of [false, true]) {
      for (const host of HOSTS) await succeeds(server, { ...to(host, startTls), ca: root.pem });
      for (const host of ['example.test', 'x.directory.example.test', '192.0.2.8', '2001:db8::8']) {
        const { message } = await failure(server, { ...to(host, startTls), ca: root.pem });
        assert.match(message, /certificate is not for .*ERR_TLS_CERT_ALTNAME_INVALID/, host);
      }
    }
  });

  test('an address in another spelling is the same address', async () => {
    await succeeds(server, { ...to('2001:DB8:0:0::7', false), ca: root.pem });
  });

  test('a server that does not send its intermediates is trusted where the file has them', async () => {
    const [leaf = ''] = chained.chain.split(/(?<=-----END CERTIFICATE-----\n)/);
    // slapd sends what it finds in its own file of authorities.
    await writeFile(join(server.dir, 'root.pem'), root.pem);
    await reconfigure(
      server,
      `TLSCACertificateFile "${server.caFile}"`,
      `TLSCACertificateFile "${join(server.dir, 'root.pem')}"`,
    );
    await wear(server, { ...chained, chain: leaf }, root.pem + intermediate.pem);
    assert.match((await failure(server, { ...to('localhost', false), ca: root.pem })).message, /LDAP_CA_FILE/);
    await succeeds(server, { ...to('localhost', false), ca: root.pem + intermediate.pem });
  });

  test('a certificate that signs itself is trusted where it is given, and another is not', async () => {
    const own = selfSigned({ name: 'directory', hosts: HOSTS, purpose: 'server' });
    const other = selfSigned({ name: 'directory', hosts: HOSTS, purpose: 'server' });
    await wear(server, own, own.chain);
    for (const startTls of [false, true]) {
      await succeeds(server, { ...to('directory.example.test', startTls), ca: own.chain });
      for (const ca of [other.chain, null])
        assert.match((await failure(server, { ...to('localhost', startTls), ca })).message, /LDAP_CA_FILE/);
      assert.match((await failure(server, { ...to('example.test', startTls), ca: own.chain })).message, /not for example\.test/);
    }
  });

  test('a certificate that has expired is refused', async () => {
    const old = root.issue({ name: 'directory', hosts: HOSTS, purpose: 'server', expiresAtMs: Date.now() - 1_000 });
    await using scripted = await tlsServer({ cert: old.chain, key: old.key });
    const error = await failure(server, { url: `ldaps://127.0.0.1:${scripted.port}`, ca: root.pem });
    assert.match(error.message, /expired or not yet valid.*CERT_HAS_EXPIRED/);
  });

  for (const maxVersion of ['TLSv1', 'TLSv1.1'] as const)
    test(`a server that knows no later version than ${maxVersion} is refused, and told apart from one that has no TLS`, async () => {
      const { chain: cert, key } = root.issue({ name: 'directory', hosts: HOSTS, purpose: 'server' });
      await using scripted = await tlsServer({ cert, key, minVersion: 'TLSv1', maxVersion, ciphers: 'DEFAULT@SECLEVEL=0' });
      const error = await failure(server, { url: `ldaps://127.0.0.1:${scripted.port}`, ca: root.pem });
      assert.equal(error.fault, 'unavailable');
      assert.match(error.message, /offers no version of TLS from 1\.2 on/);
      assert.equal(scripted.said(), '');
    });
});

suite('client certificates', deadline, () => {
  let server: OpenLdap;
  let clients: Authority;
  let ours: Issued;
  let ca: string;
  const external = (source: () => ReadCertificate, name?: string): LdapDirectoryChanges => {
    const account = name === undefined ? null : simpleBind(name, '').name;
    return { clientCertificate: async () => source(), bind: { mechanism: 'external', name: account } };
  };
  before(async () => {
    server = await startOpenLdap();
    clients = certificateAuthority('Example Clients');
    ours = clients.issue({ name: 'connector', purpose: 'client' });
    ca = await readFile(server.caFile, 'utf8');
    await writeFile(server.caFile, ca + clients.pem);
    const mapped = `authz-regexp "^cn=connector$" "${server.connectorDn}"\n`;
    await reconfigure(server, 'TLSVerifyClient never', `TLSVerifyClient try\n${mapped}`);
  });
  after(() => server.stop());

  test('the certificate stands for the account, by ldaps and by StartTLS, with its name configured or not', async () => {
    for (const changes of [{}, { url: server.ldapUrl, startTls: true }])
      for (const name of [undefined, server.connectorDn, server.connectorDn.toUpperCase()])
        await succeeds(server, { ca, ...changes, ...external(() => shown(ours), name) });
  });

  test('a certificate that stands for another account than the configured one is not used', async () => {
    const other = `uid=grace,${server.usersScope}`;
    assert.match((await failure(server, { ca, ...external(() => shown(ours), other) })).message, /takes us for dn:cn=latchkey/);
    const stranger = clients.issue({ name: 'stranger', purpose: 'client' });
    const error = await failure(server, { ca, ...external(() => shown(stranger), server.connectorDn) });
    assert.match(error.message, /takes us for dn:cn=stranger/);
  });

  test('the certificate may be shown where the password proves the account', async () => {
    await succeeds(server, { ca, clientCertificate: async () => shown(ours) });
  });

  test('without a certificate, SASL EXTERNAL is refused, and the message says what the server must ask for', async () => {
    const error = await failure(server, { ca, clientCertificate: null, bind: { mechanism: 'external', name: null } });
    assert.equal(error.fault, 'unavailable');
    assert.match(error.message, /let the server ask for client certificates|LDAP_BIND/);
  });

  test('a certificate of an authority that the server does not know is refused, and the message names its variables', async () => {
    const foreign = certificateAuthority('Foreign').issue({ name: 'connector', purpose: 'client' });
    await reconfigure(server, 'TLSVerifyClient try', 'TLSVerifyClient demand');
    for (const clientCertificate of [async () => shown(foreign), null]) {
      const { message } = await failure(server, { ca, clientCertificate });
      assert.match(message, /LDAP_CERT_FILE, LDAP_KEY_FILE/);
      assert.ok(!message.includes('PRIVATE'));
    }
    await reconfigure(server, 'TLSVerifyClient demand', 'TLSVerifyClient try');
  });

  test('a certificate that cannot be read is a plain error, no connection is tried, and a good one is met by the next attempt', async () => {
    let now: ReadCertificate = { ok: false, of: 'key', problem: 'does not exist' };
    await using directory = await opened(server, { ca, ...external(() => now) });
    directory.start();
    const down = await untilState(directory, 'down');
    assert.ok(down.state === 'down');
    const settled = down.error.message.includes('being connected') ? await nextDown(directory) : down.error;
    assert.match(settled.message, /No connection was tried, .*LDAP_KEY_FILE does not exist/);
    now = shown(ours);
    await untilState(directory, 'up');
  });

  test('a renewed certificate is shown from the next connection on', async () => {
    let now = ours;
    const seen: string[] = [];
    await using directory = await opened(server, {
      ca,
      ...external(() => {
        seen.push(now.chain);
        return shown(now);
      }),
    });
    directory.start();
    await untilState(directory, 'up');
    now = clients.issue({ name: 'connector', purpose: 'client' });
    await server.kill('SIGKILL');
    await untilState(directory, 'down');
    await server.start();
    await untilState(directory, 'up');
    assert.equal(seen[0], ours.chain);
    assert.equal(seen.at(-1), now.chain);
  });

  test('a refused certificate waits like a refused password, and a renewed one is tried at once', async () => {
    const { cert, key } = await serverPair(server);
    let binds = 0;
    // Result 49 to each bind (RFC 4511 §4.2.2).
    const refusing = (socket: TLSSocket) =>
      socket.on('data', (request: Buffer) => {
        const { id, tag } = envelopeOf(request);
        if (tag !== REQUEST.bind) return;
        binds += 1;
        socket.write(Buffer.from([0x30, 0x0c, 0x02, 0x01, id, 0x61, 0x07, 0x0a, 0x01, 49, 0x04, 0x00, 0x04, 0x00]));
      });
    await using scripted = await tlsServer({ cert, key, ca: clients.pem, requestCert: true }, refusing);
    let now = ours;
    await using directory = await opened(server, {
      url: `ldaps://localhost:${scripted.port}`,
      ca,
      clock: realClock,
      ...external(() => shown(now), server.connectorDn),
    });
    directory.start();
    assert.equal((await nextDown(directory)).fault, 'bind_refused');
    await assert.rejects(directory.sightGone({ entry: { id: 'x' as never, dn: dn('') }, witness: null }, signal), {
      fault: 'bind_refused',
    });
    const steps = await directory.check(signal);
    assert.match(steps.at(-1)?.detail ?? '', /not tried again before/);
    assert.equal(binds, 1);
    now = clients.issue({ name: 'connector', purpose: 'client' });
    await directory.check(signal);
    assert.equal(binds, 2);
  });
});

async function nextDown(directory: Directory): Promise<DirectoryError> {
  const { promise, resolve } = Promise.withResolvers<DirectoryError>();
  directory.onChange((status) => {
    if (status.state === 'down') resolve(status.error);
  });
  return await promise;
}

async function serverPair({ dir }: OpenLdap): Promise<{ cert: string; key: string }> {
  return { cert: await readFile(join(dir, 'server.pem'), 'utf8'), key: await readFile(join(dir, 'server.key'), 'utf8') };
}

/** A TLS server on a free port of 127.0.0.1 that says nothing by itself. */
async function tlsServer(
  options: {
    cert: string;
    key: string;
    ca?: string;
    requestCert?: boolean;
    minVersion?: SecureVersion;
    maxVersion?: SecureVersion;
    ciphers?: string;
  },
  onConnection: (socket: TLSSocket) => void = () => undefined,
) {
  const sockets = new Set<TLSSocket>();
  const heard: Buffer[] = [];
  const listener = createServer({ rejectUnauthorized: true, ...options }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('data', (chunk: Buffer) => heard.push(chunk));
    onConnection(socket);
  });
  listener.on('tlsClientError', () => undefined).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  assert.ok(address !== null && typeof address === 'object');
  return {
    port: address.port,
    said: () => Buffer.concat(heard).toString('latin1'),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}
