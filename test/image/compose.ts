/** The sandbox of `docker/compose.yaml`, as it is: `npm run image`. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { buildImage, compose, engine, inContainer, isHealthy, logOf, untilIn } from '../support/container-engine.ts';

const SERVICES = ['directory', 'control-plane', 'connector'] as const;
type Service = (typeof SERVICES)[number];

before(async () => {
  await buildImage({ tag: 'latchkey', file: 'Dockerfile', context: '.' });
  await buildImage({ tag: 'latchkey-sandbox-directory', file: 'docker/directory/Dockerfile', context: 'src/sandbox' });
});
after(async () => {
  await compose('down', '-v');
});

/** Engines join project, service and number each in their way. */
async function containerOf(service: Service): Promise<string> {
  const label = `label=com.docker.compose.service=${service}`;
  const [name] = (await engine('ps', '-a', '--filter', label, '--format', '{{.Names}}')).split('\n');
  assert.ok(name !== undefined && name !== '', `there is no container of ${service}`);
  return name;
}

/** Asks the stub as a person on this machine does: by loopback, with its own authority and its token. */
async function ask(path: string, body?: object): Promise<Record<string, unknown>> {
  const stub = await containerOf('control-plane');
  const ca = await inContainer(stub, 'cat', '/var/lib/latchkey/control-plane-ca.pem');
  const token = (await inContainer(stub, 'cat', '/var/lib/latchkey/control-plane-token')).trim();
  const headers = { authorization: `Bearer ${token}` };
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const asked = request(`https://localhost:8790${path}`, { ca, headers, method: body === undefined ? 'GET' : 'POST' });
  asked.on('error', reject).on('response', (response) => void text(response).then(resolve, reject));
  asked.end(body === undefined ? undefined : JSON.stringify(body));
  return JSON.parse(await promise) as Record<string, unknown>;
}

async function isMember(uid: string): Promise<boolean> {
  const search = ['ldapsearch', '-xLLL', '-o', 'ldif-wrap=no', '-y', '/var/lib/directory/admin-password', 'cn=on-call', 'member'];
  return (await inContainer(await containerOf('directory'), ...search)).includes(`member: uid=${uid},`);
}

test('one command brings up directory, control plane and connector, all healthy', async () => {
  await compose('up', '-d', '--no-build');
  for (const service of SERVICES) {
    const name = await containerOf(service);
    await untilIn(name, `${service} to be healthy`, () => isHealthy(name));
  }
  assert.match(await logOf(await containerOf('connector')), /"event":"link\.connected","host":"control-plane:8790"/);
  assert.equal((await fetch('http://127.0.0.1:9464/readyz')).status, 200);
});

test('the stub shows its console to this machine, and takes no request without its token', async () => {
  const ca = await inContainer(await containerOf('control-plane'), 'cat', '/var/lib/latchkey/control-plane-ca.pem');
  const statusOf = async (path: string) => {
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    const asked = request(`https://localhost:8790${path}`, { ca });
    asked.on('error', reject).on('response', (response) => resolve(response.resume().statusCode));
    asked.end();
    return await promise;
  };
  for (const path of ['/console/page.html', '/console/page.css', '/console/main.js'])
    assert.equal(await statusOf(path), 200, path);
  assert.equal(await statusOf('/grants'), 401);
});

test('a grant that the stub is asked for is seen in the directory, and seen gone', async () => {
  const directory = await containerOf('directory');
  const grantId = `compose-${randomUUID()}`;
  assert.equal(await isMember('grace'), false);
  await ask('/grants', { grantId, user: { email: 'grace@example.test' }, group: { name: 'on-call' }, durationSeconds: 6 });
  await untilIn(directory, 'grace to be a member', () => isMember('grace'));
  await untilIn(directory, 'grace to be none', async () => !(await isMember('grace')));
  const isTold = async () => JSON.stringify(await ask(`/grants/${grantId}`)).includes('"membership":"removed"');
  await untilIn(await containerOf('connector'), 'the outcome', isTold);
});

test("the connector sees its own password and not the administrator's", async () => {
  const seen = await inContainer(await containerOf('connector'), 'ls', '/run/directory');
  assert.deepEqual(seen.trim().split('\n'), ['ldap-ca.pem', 'ldap-password']);
});

test('the stub comes back with its certificate, and the connector to it', async () => {
  const stub = await containerOf('control-plane');
  await engine('restart', stub);
  await untilIn(stub, 'the stub to be healthy again', () => isHealthy(stub));
  const isConnected = async () => JSON.stringify(await ask('/connectors')).includes('"connected":true');
  await untilIn(await containerOf('connector'), 'the connector to be connected again', isConnected);
});
