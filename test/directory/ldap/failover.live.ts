import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { after, before, beforeEach, suite, test } from 'node:test';
import { instant } from '../../../src/access/instant.ts';
import type { Directory, DirectoryError } from '../../../src/directory/directory.ts';
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
import { envelopeOf, REQUEST } from '../../support/ldap-messages.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';

const signal = new AbortController().signal;
const HUNG_MS = 400;

suite('several servers', { timeout: 60_000 }, () => {
  let one: OpenLdap;
  let two: OpenLdap;
  let ca: string;
  before(async () => {
    [one, two] = await Promise.all([startOpenLdap(), startOpenLdap()]);
    ca = (await readFile(one.caFile, 'utf8')) + (await readFile(two.caFile, 'utf8'));
    // One account, as replicas have it.
    await two.modify(
      `dn: ${two.connectorDn}\nchangetype: modify\nreplace: userPassword\nuserPassword: ${one.connectorPassword}\n`,
    );
  });
  beforeEach(async () => {
    for (const server of [one, two]) if (server.pid === undefined) await server.start();
  });
  after(() => Promise.all([one.stop(), two.stop()]));

  const opened = async (changes: LdapDirectoryChanges) => {
    const { logger, lines } = memoryLogger();
    const directory = openLdapDirectory(await ldapDirectoryOptions(one, { ca, logger, ...changes }));
    const failovers: string[] = [];
    directory.onFailover(() => {
      const message = lines.findLast(({ fields }) => fields['event'] === 'directory.failover')?.message;
      // Without one, it is the first of several that is told, since nobody knows which one was used before.
      if (message !== undefined) failovers.push(message);
    });
    const of = (event: string) => lines.filter(({ fields }) => fields['event'] === event);
    return { ...directory, failovers, of, [Symbol.asyncDispose]: () => directory.close() };
  };
  const both = () => `${one.ldapsUrl} ${two.ldapsUrl}`;
  /** Whether a group is of the second server only tells which one answers. */
  const answers = async (directory: Directory): Promise<string> => {
    const group = dn(`cn=deploy,${one.groupsScope}`);
    const [presence] = await directory.probe({ group, attribute: 'memberUid', values: ['of-two'] }, signal);
    return presence === 'member' ? 'two' : 'one';
  };
  before(async () => {
    await two.modify(`dn: cn=deploy,${two.groupsScope}\nchangetype: modify\nadd: memberUid\nmemberUid: of-two\n`);
  });

  test('the first server that can be connected to is used, whatever keeps us from those before it', async () => {
    await using busy = await scripted(answeringBinds(52));
    await using silent = await scripted(() => undefined);
    await using rude = await scripted((socket) => socket.destroy());
    await using untrusted = await startOpenLdap();
    for (const url of [
      'ldaps://no-such-host.invalid',
      'ldaps://127.0.0.1:1',
      untrusted.ldapsUrl,
      one.ldapsUrl.replace('127.0.0.1', '127.0.0.2'),
      `ldaps://127.0.0.1:${silent.port}`,
      `ldaps://127.0.0.1:${rude.port}`,
      `ldap://127.0.0.1:${busy.port}`,
    ]) {
      await using directory = await opened({ url: `${url} ${two.ldapsUrl}`, connectTimeoutMs: HUNG_MS });
      directory.start();
      await untilState(directory, 'up');
      assert.equal(await answers(directory), 'two', url);
      assert.equal(directory.of('directory.server-unavailable').length, 1, url);
      assert.deepEqual(directory.failovers, [], 'nothing was written on the first');
    }
  });

  test('the server that works is kept until it fails, also where an earlier one is back', async () => {
    await using directory = await opened({ url: both() });
    directory.start();
    await untilState(directory, 'up');
    assert.equal(await answers(directory), 'one');
    await one.kill('SIGKILL');
    await failedOver(directory);
    assert.equal(await answers(directory), 'two');
    await one.start();
    await two.kill('SIGKILL');
    await two.start();
    await untilUp(directory);
    assert.equal(await answers(directory), directory.failovers.length === 1 ? 'two' : 'one');
    const [first = ''] = directory.failovers;
    assert.match(first, new RegExp(`at 127\\.0\\.0\\.1:${new URL(two.ldapsUrl).port} from now on`));
  });

  test('a connection that is cut is made again with the same server', async () => {
    await using proxy = await startTcpProxy(Number(new URL(one.ldapsUrl).port));
    // Its session counts as one that has lasted, so that no pause is made.
    let agedMs = 0;
    const clock = { ...realClock, monotonicMs: () => realClock.monotonicMs() + agedMs };
    await using directory = await opened({ url: `ldaps://127.0.0.1:${proxy.port} ${two.ldapsUrl}`, clock });
    directory.start();
    await untilState(directory, 'up');
    agedMs += 5_000;
    proxy.reset();
    await proxy.untilAccepted(2);
    assert.equal(await answers(directory), 'one');
    assert.deepEqual(directory.failovers, []);
  });

  test('a refused bind is tried at no other server', async () => {
    await using proxy = await startTcpProxy(Number(new URL(two.ldapsUrl).port));
    await using directory = await opened({
      url: `${one.ldapsUrl} ldaps://127.0.0.1:${proxy.port}`,
      bind: simpleBind(one.connectorDn, 'wrong'),
    });
    assert.equal((await firstFailure(directory)).fault, 'bind_refused');
    assert.equal(proxy.accepted(), 0);
  });

  test('a server that lets us in and does not serve is passed over', async () => {
    await using hung = await scripted(answeringBinds(0, 'and who we are'));
    await using directory = await opened({
      url: `ldap://127.0.0.1:${hung.port} ${two.ldapsUrl}`,
      readTimeoutMs: HUNG_MS,
      connectTimeoutMs: 5_000,
    });
    directory.start();
    await untilUp(directory);
    assert.equal(await answers(directory), 'two');
  });

  test('where none can be connected to, each says why', async () => {
    await using directory = await opened({ url: 'ldaps://127.0.0.1:1 ldaps://no-such-host.invalid' });
    const error = await firstFailure(directory);
    assert.match(error.message, /^No server of LDAP_URL can be used\..*127\.0\.0\.1:1.*no-such-host\.invalid/);
  });

  test('nothing is proved gone while the server that took over, or the first of a start, may lag behind', async () => {
    let agedMs = 0;
    const clock = { ...realClock, monotonicMs: () => realClock.monotonicMs() + agedMs };
    await using directory = await opened({ url: both(), clock });
    directory.start();
    await untilState(directory, 'up');
    const entry = { id: '00000000-0000-4000-8000-000000000000' as never, dn: dn(`uid=nobody,${one.usersScope}`) };
    // Nobody knows which server an earlier process wrote to.
    assert.equal(await directory.sightGone({ entry, witness: null }, signal), 'unproven');
    agedMs += 15 * 60_000;
    assert.equal(await directory.sightGone({ entry, witness: null }, signal), 'gone');
    await one.kill('SIGKILL');
    await failedOver(directory);
    assert.equal(await directory.sightGone({ entry, witness: null }, signal), 'unproven');
    agedMs += 15 * 60_000;
    assert.equal(await directory.sightGone({ entry, witness: null }, signal), 'gone');
  });

  test('a start on a server that was in use long enough believes at once what is gone, and on a newer one does not', async () => {
    const entry = { id: '00000000-0000-4000-8000-000000000000' as never, dn: dn(`uid=nobody,${one.usersScope}`) };
    const asked: string[] = [];
    for (const [agoMs, sighting] of [
      [16 * 60_000, 'gone'],
      [14 * 60_000, 'unproven'],
    ] as const) {
      const keepServer = async (server: string) => {
        asked.push(server);
        return instant(realClock.wall() - agoMs);
      };
      await using directory = await opened({ url: both(), keepServer });
      directory.start();
      await untilState(directory, 'up');
      assert.equal(await directory.sightGone({ entry, witness: null }, signal), sighting);
    }
    assert.deepEqual(asked, [new URL(one.ldapsUrl).host, new URL(one.ldapsUrl).host]);
  });

  test('the check connects to every server and asks the first that lets us in for its contents', async () => {
    await using directory = await opened({ url: `ldaps://127.0.0.1:1 ${both()}` });
    const steps = await directory.check(signal);
    assert.deepEqual(
      steps.slice(0, 6).map(({ step, status }) => `${step} ${status}`),
      ['name ok', 'tcp fail', 'name ok', 'tcp ok', 'tls ok', 'bind ok'],
    );
    assert.equal(steps.filter(({ step }) => step === 'base').length, 1);
    assert.equal(steps.filter(({ step, status }) => step === 'bind' && status === 'ok').length, 2);
  });

  suite('a referral', () => {
    const change = { group: dn('cn=x,dc=elsewhere,dc=test'), attribute: 'member', add: ['cn=y'], remove: [] } as const;
    before(async () => {
      await one.configModify(`dn: cn=config\nchangetype: modify\nreplace: olcReferral\nolcReferral: ${two.ldapUrl}\n`);
    });

    for (const [referrals, url] of [
      ['ignore', () => both()],
      ['follow', () => one.ldapsUrl],
    ] as const)
      test(`is told and not followed: ${referrals}, ${referrals === 'follow' ? 'to a server that is not in LDAP_URL' : 'to one that is'}`, async () => {
        await using directory = await opened({ url: url(), referrals });
        directory.start();
        await untilState(directory, 'up');
        const answer = await directory.change(change, []);
        assert.deepEqual([answer.result, answer.ldap?.resultName], ['refused', 'referral']);
        assert.ok(answer.ldap?.diagnosticMessage.includes(`another server: ${two.ldapUrl}`));
        assert.equal(await answers(directory), 'one');
        assert.deepEqual(directory.failovers, []);
      });

    test('makes the named server the one in use where it is in LDAP_URL and we are to follow, and nothing was done', async () => {
      await using directory = await opened({ url: both(), referrals: 'follow' });
      directory.start();
      await untilState(directory, 'up');
      await assert.rejects(directory.change(change, []), { fault: 'unavailable', sent: false });
      await failedOver(directory);
      assert.equal(await answers(directory), 'two');
    });
  });
});

/** Resolves when the directory is up after what happened until now. */
async function untilUp(directory: Directory): Promise<void> {
  for (;;) {
    await untilState(directory, 'up');
    const asked = await directory.groupsNamed('on-call', signal).then(
      () => true,
      () => false,
    );
    if (asked) return;
    await untilState(directory, 'down');
  }
}

/** Resolves when it has, however often something else was told. */
async function failedOver(directory: Directory & { readonly failovers: readonly string[] }): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  directory.onFailover(() => {
    if (directory.failovers.length > 0) resolve();
  });
  if (directory.failovers.length === 0) await promise;
}

async function firstFailure(directory: Directory): Promise<DirectoryError> {
  const { promise, resolve } = Promise.withResolvers<DirectoryError>();
  directory.onChange((status) => {
    if (status.state === 'down') resolve(status.error);
  });
  directory.start();
  return await promise;
}

/** Answers each bind with this result, Who am I? with our name if it is to, and nothing else. */
function answeringBinds(resultCode: number, alsoWhoWeAre?: 'and who we are'): (socket: Socket) => void {
  const element = (tag: number, ...bytes: number[]) => [tag, bytes.length, ...bytes];
  const result = [...element(0x0a, resultCode), ...element(0x04), ...element(0x04)];
  return (socket) =>
    socket.on('data', (request: Buffer) => {
      const { id, tag } = envelopeOf(request);
      const who = element(0x8b, ...Buffer.from('dn:cn=latchkey,ou=system,dc=example,dc=test'));
      const answer =
        tag === REQUEST.bind
          ? element(0x61, ...result)
          : tag === REQUEST.extended && alsoWhoWeAre !== undefined
            ? element(0x78, ...result, ...who)
            : null;
      if (answer !== null) socket.write(Buffer.from(element(0x30, ...element(0x02, id), ...answer)));
    });
}

/** A server on a free port of 127.0.0.1. */
async function scripted(onConnection: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  assert.ok(address !== null && typeof address === 'object');
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}
