import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { type Directory, DirectoryError } from '../../../src/directory/directory.ts';
import type { BindRefusal } from '../../../src/directory/ldap/bind-refusal.ts';
import { openLdapDirectory } from '../../../src/directory/ldap/open-ldap-directory.ts';
import { type OpenLdap, startOpenLdap } from '../../../src/sandbox/openldap.ts';
import {
  dn,
  type LdapDirectoryChanges,
  ldapDirectoryOptions,
  memoryLogger,
  realClock,
  simpleBind,
  untilState,
} from '../../support/ldap-directory-under-test.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';

const signal = new AbortController().signal;
const deadline = { timeout: 30_000 };

async function opened(server: OpenLdap, changes: LdapDirectoryChanges = {}): Promise<Directory & AsyncDisposable> {
  const directory = openLdapDirectory(await ldapDirectoryOptions(server, changes));
  return { ...directory, [Symbol.asyncDispose]: () => directory.close() };
}

async function failure(directory: Directory): Promise<DirectoryError> {
  directory.start();
  const status = await untilState(directory, 'down');
  assert.ok(status.state === 'down');
  // The first state is down too, until the first attempt has ended.
  if (!status.error.message.includes('being connected')) return status.error;
  const { promise, resolve } = Promise.withResolvers<DirectoryError>();
  directory.onChange((next) => {
    if (next.state === 'down') resolve(next.error);
  });
  return await promise;
}

function behind(url: string, proxy: TcpProxy): string {
  return `${new URL(url).protocol}//127.0.0.1:${proxy.port}`;
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

suite('connecting', deadline, () => {
  let server: OpenLdap;
  before(async () => {
    server = await startOpenLdap();
  });
  after(() => server.stop());

  for (const startTls of [false, true]) {
    const url = () => (startTls ? server.ldapUrl : server.ldapsUrl);
    const transport = startTls ? 'StartTLS' : 'ldaps';

    test(`${transport}: a certificate of an authority that is not trusted is refused, and nothing is said to that server`, async () => {
      await using proxy = await startTcpProxy(portOf(url()));
      await using directory = await opened(server, { url: behind(url(), proxy), startTls, ca: null });
      const error = await failure(directory);
      assert.equal(error.fault, 'unavailable');
      assert.match(error.message, /LDAP_CA_FILE.*\(SELF_SIGNED_CERT_IN_CHAIN\)/);
      for (const sent of proxy.sent()) assert.ok(!sent.includes('latchkey'));
    });

    test(`${transport}: a certificate for another name is refused, an address checked as an address`, async () => {
      // Every address of 127/8 is this machine, and the certificate is for 127.0.0.1 and localhost only.
      const openSocket = () => connect({ host: '127.0.0.1', port: portOf(url()) });
      for (const host of ['127.0.0.2', 'directory.example.test']) {
        const elsewhere = `${new URL(url()).protocol}//${host}:${portOf(url())}`;
        await using directory = await opened(server, { url: elsewhere, startTls, openSocket });
        assert.match((await failure(directory)).message, /ERR_TLS_CERT_ALTNAME_INVALID/);
      }
    });

    test(`${transport}: the name of the certificate is accepted`, async () => {
      await using directory = await opened(server, { url: `${new URL(url()).protocol}//localhost:${portOf(url())}`, startTls });
      directory.start();
      assert.equal((await untilState(directory, 'up')).state, 'up');
    });
  }

  test('with StartTLS nothing but its request is ever sent in clear, whatever happens to the connection', async () => {
    await using proxy = await startTcpProxy(portOf(server.ldapUrl));
    await using directory = await opened(server, { url: behind(server.ldapUrl, proxy), startTls: true });
    directory.start();
    await untilState(directory, 'up');
    for (let count = 2; count <= 4; count += 1) {
      proxy.reset();
      await proxy.untilAccepted(count);
      await untilState(directory, 'up');
    }
    const id = await directory.groupsNamed('on-call', signal).catch(() => []);
    assert.ok(id.length <= 1);
    for (const sent of proxy.sent().filter((bytes) => bytes.length > 0)) {
      assert.equal(sent.subarray(0, 31).toString('latin1').includes('1.3.6.1.4.1.1466.20037'), true);
      // A TLS handshake record follows (RFC 8446 §5.1).
      if (sent.length > 31) assert.deepEqual([...sent.subarray(31, 33)], [0x16, 0x03]);
      assert.ok(!sent.includes('latchkey') && !sent.includes(server.connectorPassword));
    }
  });

  test('a bind in clear is tried only to this machine, or where it is allowed', async () => {
    await using open = await startOpenLdap({ requireTls: false });
    await using local = await opened(open, { url: open.ldapUrl });
    local.start();
    assert.equal((await untilState(local, 'up')).state, 'up');
    await using proxy = await startTcpProxy(portOf(open.ldapUrl));
    const remote = (): Socket => {
      const socket = connect({ host: '127.0.0.1', port: proxy.port });
      Object.defineProperty(socket, 'remoteAddress', { value: '192.0.2.1' });
      return socket;
    };
    await using refused = await opened(open, { url: 'ldap://directory.example.test', openSocket: remote });
    assert.match((await failure(refused)).message, /LDAP_ALLOW_CLEARTEXT/);
    assert.equal(Buffer.concat(proxy.sent()).length, 0);
    await using allowed = await opened(open, { url: 'ldap://directory.example.test', openSocket: remote, allowCleartext: true });
    allowed.start();
    assert.equal((await untilState(allowed, 'up')).state, 'up');
  });

  test('a server that demands TLS for the bind is unavailable, and the message says why', async () => {
    await using directory = await opened(server, { url: server.ldapUrl });
    const error = await failure(directory);
    assert.equal(error.fault, 'unavailable');
    assert.equal(error.ldap?.resultName, 'confidentialityRequired');
  });

  test('an empty password is never sent', async () => {
    await using proxy = await startTcpProxy(portOf(server.ldapsUrl));
    const bind = simpleBind(server.connectorDn, '');
    await using directory = await opened(server, { url: behind(server.ldapsUrl, proxy), bind });
    assert.match((await failure(directory)).message, /password .* is empty/);
    assert.equal(proxy.accepted(), 0);
  });

  test('nothing that listens, and no name, are told apart', async () => {
    await using none = await opened(server, { url: 'ldaps://127.0.0.1:1' });
    assert.match((await failure(none)).message, /nothing listens.*ECONNREFUSED/);
    await using unknown = await opened(server, { url: 'ldaps://no-such-host.invalid' });
    assert.match((await failure(unknown)).message, /no-such-host\.invalid.*\((?:ENOTFOUND|EAI_AGAIN)\)/);
  });

  test('a refused password is not tried again, not even by the next process, until it is changed', async () => {
    await using proxy = await startTcpProxy(portOf(server.ldapsUrl));
    let password = 'wrong';
    let kept: BindRefusal | null = null;
    const changes = {
      url: behind(server.ldapsUrl, proxy),
      bind: simpleBind(server.connectorDn, () => password),
      bindRefusals: {
        load: async () => kept,
        save: async (refusal: BindRefusal | null) => {
          kept = refusal;
        },
      },
    };
    const { logger, lines } = memoryLogger();
    {
      await using directory = await opened(server, { ...changes, logger });
      const error = await failure(directory);
      assert.deepEqual([error.fault, error.ldap?.resultCode], ['bind_refused', 49]);
      await assert.rejects(directory.groupsNamed('on-call', signal), { fault: 'bind_refused' });
      await assert.rejects(directory.sightGone({ entry: { id: 'x' as never, dn: dn('') }, witness: null }, signal), {
        fault: 'bind_refused',
      });
    }
    assert.equal(proxy.accepted(), 1);
    await using next = await opened(server, { ...changes, logger });
    assert.equal((await failure(next)).fault, 'bind_refused');
    const steps = await next.check(signal);
    assert.equal(steps.at(-1)?.status, 'fail');
    assert.equal(proxy.accepted(), 1);
    password = server.connectorPassword;
    assert.equal((await untilState(next, 'up')).state, 'up');
    assert.equal(proxy.accepted(), 2);
    assert.equal(kept, null);
    assert.ok(!JSON.stringify(lines).includes('wrong"') && !JSON.stringify(lines).includes(server.connectorPassword));
  });

  test('the base is taken from the root DSE where none is configured, and the scopes from the base', async () => {
    await using directory = await opened(server, { baseDn: null, usersScope: [], groupsScope: [] });
    directory.start();
    const status = await untilState(directory, 'up');
    assert.ok(status.state === 'up');
    assert.deepEqual(
      [status.view.baseDn, status.view.usersScope, status.view.groupsScope],
      [server.baseDn, [server.baseDn], [server.baseDn]],
    );
  });

  test('the check says what it found, step by step, and pages through more than the size limit', async () => {
    await using many = await startOpenLdap({ people: 700 });
    await using directory = await opened(many);
    const steps = await directory.check(signal);
    assert.deepEqual(
      steps.map(({ step, status }) => `${step} ${status}`),
      [
        'name',
        'tcp',
        'tls',
        'bind',
        'flavour',
        'base',
        'users scope',
        'groups scope',
        'outside the scopes',
        'users',
        'groups',
        'e-mail attribute',
        'member attributes',
        'protected groups',
        'rights to read',
        'rights to write',
        'rights beyond that',
        'paging',
      ].map((step) => `${step} ok`),
    );
    assert.match(steps.find(({ step }) => step === 'users')?.detail ?? '', /^724 users: /);
  });

  test('the check names a scope that is not there, and nothing that only follows from it', async () => {
    const usersScope = [dn(`ou=nowhere,${server.baseDn}`)];
    await using directory = await opened(server, { usersScope, emailAttribute: 'pager' });
    const failed = (await directory.check(signal)).filter(({ status }) => status !== 'ok');
    assert.deepEqual(
      failed.map(({ step, status }) => `${step} ${status}`),
      ['users scope fail'],
    );
  });
});

suite('keeping a session', deadline, () => {
  test('a stopped server is unavailable within the timeout, and is used again when it goes on', async () => {
    await using server = await startOpenLdap();
    await using directory = await opened(server, { readTimeoutMs: 300, connectTimeoutMs: 300 });
    directory.start();
    await untilState(directory, 'up');
    await server.kill('SIGSTOP');
    // It rejects at all: a stopped server never answers, and the test runner would end the wait.
    await assert.rejects(directory.groupsNamed('on-call', signal), { fault: 'unavailable', sent: false });
    await untilState(directory, 'down');
    await assert.rejects(directory.groupsNamed('on-call', signal), { fault: 'unavailable' });
    await server.kill('SIGCONT');
    await untilState(directory, 'up');
    assert.equal((await directory.groupsNamed('on-call', signal)).length, 1);
  });

  test('a change to a stopped server may have been done', async () => {
    await using server = await startOpenLdap();
    await using directory = await opened(server, { readTimeoutMs: 300, connectTimeoutMs: 300 });
    directory.start();
    await untilState(directory, 'up');
    await server.kill('SIGSTOP');
    const group = dn(`cn=deploy,${server.groupsScope}`);
    const change = { group, attribute: 'memberUid', add: ['grace'], remove: [] } as const;
    await assert.rejects(directory.change(change, ['grace']), { fault: 'unavailable', sent: true });
    await server.kill('SIGCONT');
    await untilState(directory, 'down').then(() => untilState(directory, 'up'));
    assert.deepEqual(await directory.probe({ group, attribute: 'memberUid', values: ['grace'] }, signal), ['member']);
  });

  test('a killed server is down, and up by itself after its restart, and each is told once', async () => {
    await using server = await startOpenLdap();
    await using directory = await opened(server);
    const told: string[] = [];
    directory.onChange(({ state }) => told.push(state));
    directory.start();
    await untilState(directory, 'up');
    await server.kill('SIGKILL');
    const down = await untilState(directory, 'down');
    assert.ok(down.state === 'down' && down.error.fault === 'unavailable');
    const refused = await directory
      .change({ group: dn(''), attribute: 'member', add: [], remove: [] }, [])
      .catch((error: unknown) => error);
    assert.ok(refused instanceof DirectoryError && !refused.sent);
    await server.start();
    const startedAt = performance.now();
    await untilState(directory, 'up');
    assert.ok(performance.now() - startedAt < 3_000);
    assert.deepEqual(told, ['up', 'down', 'up']);
  });

  test('a session that was cut is never used again', async () => {
    await using server = await startOpenLdap();
    await using proxy = await startTcpProxy(portOf(server.ldapsUrl));
    await using directory = await opened(server, { url: behind(server.ldapsUrl, proxy) });
    directory.start();
    await untilState(directory, 'up');
    for (let count = 2; count <= 5; count += 1) {
      proxy.reset();
      await proxy.untilAccepted(count);
      await untilState(directory, 'up');
      await directory.groupsNamed('on-call', signal).catch((error: unknown) => assert.ok(error instanceof DirectoryError));
      assert.equal(proxy.accepted(), count);
      assert.ok(proxy.open() <= 1);
    }
  });

  test('a server that closes idle connections is no trouble', async () => {
    await using server = await startOpenLdap({ idleTimeoutSeconds: 1 });
    await using proxy = await startTcpProxy(portOf(server.ldapsUrl));
    await using directory = await opened(server, { url: behind(server.ldapsUrl, proxy) });
    directory.start();
    await untilState(directory, 'up');
    await proxy.untilAccepted(3);
    await untilState(directory, 'up');
    assert.equal((await directory.groupsNamed('on-call', signal)).length, 1);
  });

  test('an answer that is cut anywhere is no answer', async () => {
    await using server = await startOpenLdap();
    await using proxy = await startTcpProxy(portOf(server.ldapUrl));
    await using directory = await opened(server, { url: behind(server.ldapUrl, proxy), startTls: true });
    directory.start();
    for (const bytes of [1, 5, 20, 29]) {
      await untilState(directory, 'up');
      await directory.probe({ group: dn(`cn=on-call,${server.groupsScope}`), attribute: 'member', values: ['cn=x'] }, signal);
      proxy.loseNextAnswer(bytes);
      await assert.rejects(directory.groupsNamed('on-call', signal), { fault: 'unavailable', sent: false });
      await proxy.untilAccepted(proxy.accepted() + (proxy.open() === 0 ? 1 : 0));
      await untilState(directory, 'up');
    }
  });

  test('close ends the session, and nothing can be asked after it', async () => {
    await using server = await startOpenLdap();
    await using proxy = await startTcpProxy(portOf(server.ldapsUrl));
    const directory = await opened(server, { url: behind(server.ldapsUrl, proxy) });
    directory.start();
    await untilState(directory, 'up');
    await directory.close();
    await assert.rejects(directory.groupsNamed('on-call', signal), { fault: 'unavailable' });
    assert.equal(directory.status().state, 'down');
    assert.equal(proxy.accepted(), 1);
  });
});

suite('a hostile server', deadline, () => {
  const garbage = Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n');
  const message = (...bytes: number[]) => Buffer.from([0x30, bytes.length, ...bytes]);
  const bindAnswer = message(0x02, 0x01, 0x02, 0x61, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00);

  const attacks: Readonly<Record<string, (socket: Socket) => void>> = {
    'sends another protocol': (socket) => socket.write(garbage),
    'claims a message of 4 GiB': (socket) => socket.write(Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff])),
    'claims a message of 17 MiB': (socket) => socket.write(Buffer.from([0x30, 0x84, 0x01, 0x10, 0x00, 0x00])),
    'uses a length of five bytes': (socket) => socket.write(Buffer.from([0x30, 0x85, 0, 0, 0, 0, 1])),
    'uses an indefinite length': (socket) => socket.write(Buffer.from([0x30, 0x80])),
    'sends bytes without end': (socket) => {
      const flood = () => {
        while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 0x30)));
      };
      socket.on('drain', flood);
      flood();
    },
    'answers what was not asked': (socket) =>
      socket.write(message(0x02, 0x01, 0x63, 0x61, 0x07, 0x0a, 0x01, 0, 0x04, 0, 0x04, 0)),
    'answers the bind with a search entry': (socket) => socket.write(message(0x02, 0x01, 0x02, 0x64, 0x04, 0x04, 0, 0x30, 0)),
    'answers without a result': (socket) => socket.write(message(0x02, 0x01, 0x02, 0x61, 0x00)),
    'sends half an answer and closes': (socket) => socket.end(bindAnswer.subarray(0, 6)),
    'accepts the bind and then sends another protocol': (socket) => socket.write(Buffer.concat([bindAnswer, garbage])),
    'accepts the bind for nobody': (socket) =>
      socket.write(Buffer.concat([bindAnswer, message(0x02, 0x01, 0x03, 0x78, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00)])),
    'says that it disconnects': (socket) =>
      socket.write(message(0x02, 0x01, 0x00, 0x78, 0x07, 0x0a, 0x01, 0x34, 0x04, 0x00, 0x04, 0x00)),
    'says nothing': () => undefined,
  };

  for (const [attack, act] of Object.entries(attacks)) {
    test(`one that ${attack} is unavailable`, async () => {
      const sockets = new Set<Socket>();
      const hostile: Server = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.once('data', () => act(socket));
      });
      hostile.listen(0, '127.0.0.1');
      await once(hostile, 'listening');
      const address = hostile.address();
      assert.ok(address !== null && typeof address === 'object');
      const directory = openLdapDirectory({
        url: `ldap://127.0.0.1:${address.port}`,
        startTls: false,
        ca: null,
        clientCertificate: null,
        bind: simpleBind('cn=latchkey,dc=example,dc=test', 'secret'),
        allowCleartext: false,
        referrals: 'ignore',
        baseDn: dn('dc=example,dc=test'),
        usersScope: [],
        groupsScope: [],
        userFilter: null,
        groupFilter: null,
        emailAttribute: 'mail',
        flavour: null,
        usernameAttribute: null,
        groupNameAttribute: null,
        memberAttribute: null,
        connectTimeoutMs: 300,
        readTimeoutMs: 300,
        clock: realClock,
        random: Math.random,
        logger: memoryLogger().logger,
        bindRefusals: { load: async () => null, save: async () => undefined },
      });
      try {
        const error = await failure(directory);
        assert.equal(error.fault, 'unavailable');
        assert.ok(!error.message.includes('secret'));
      } finally {
        await directory.close();
        for (const socket of sockets) socket.destroy();
        hostile.close();
        await once(hostile, 'close');
      }
    });
  }
});
