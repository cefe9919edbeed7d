import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { suite, test } from 'node:test';
import { instant } from '../../src/access/instant.ts';
import { checkControlPlane } from '../../src/link/check-control-plane.ts';
import { startStub, temporaryFolder } from '../support/control-plane.ts';
import { memoryLogger, realClock } from '../support/ldap-directory-under-test.ts';

async function checked(url: string, token: string, clock = realClock) {
  const { logger } = memoryLogger();
  const reveal = () => token;
  return await checkControlPlane({
    url,
    token: async () => ({ reveal }),
    ca: null,
    clientCertificate: null,
    proxy: null,
    clock,
    logger,
  });
}

suite('a control plane that is checked', { timeout: 30_000 }, () => {
  test('accepts the token, and hears no hello', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    const [step, clock] = await checked(stub.connectUrl, await stub.token());
    assert.deepEqual([step?.step, step?.status, clock?.step, clock?.status], ['control plane', 'ok', 'clock', 'ok']);
    assert.match(step?.detail ?? '', /accepts the token/);
    assert.deepEqual(await stub.get('/connectors'), []);
  });

  test('refuses another token', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    const [step] = await checked(stub.connectUrl, 'another-token');
    assert.equal(step?.status, 'fail');
    assert.match(step?.detail ?? '', /refused the connection with HTTP 401/);
    assert.ok(!step?.detail.includes('another-token'));
  });

  test('is not there', async () => {
    const [step] = await checked('ws://127.0.0.1:9/connect', 'token');
    assert.equal(step?.status, 'fail');
    assert.match(step?.detail ?? '', /nothing listens on that address and port/);
  });

  test('has another time than this machine, which is compared where the answer says it', async () => {
    const server = createServer((_request, response) => response.writeHead(403).end());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const address = server.address();
      assert.ok(address !== null && typeof address === 'object');
      const url = `ws://127.0.0.1:${address.port}/connect`;
      const behind = { ...realClock, wall: () => instant(Date.now() - 3_600_000) };
      const [way, clock] = await checked(url, 'token', behind);
      assert.equal(way?.status, 'fail');
      assert.deepEqual([clock?.step, clock?.status], ['clock', 'warn']);
      assert.match(clock?.detail ?? '', /3[56]\d\d s ahead of/);
      assert.equal((await checked(url, 'token'))[1]?.status, 'ok');
    } finally {
      server.close();
      await once(server, 'close');
    }
  });
});
