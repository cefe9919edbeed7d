import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { type SentSearch, searchOf } from '../support/ldap-messages.ts';
import { type LdapProxy, startLdapProxy } from '../support/ldap-proxy.ts';
import { type System, startSystem } from '../support/system.ts';
import { type WebSocketControlPlane, webSocketControlPlane } from '../support/websocket-control-plane.ts';

type Frame = Readonly<Record<string, unknown>>;

/** What nobody has asked for; it stands in many attributes of users and groups. */
const PRIVATE = 'nobody-may-see-this';

/** All that a sync may tell (docs/security.md, The wire). */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  user: ['record', 'id', 'dn', 'username', 'fullName', 'email', 'emails', 'managerId', 'enabled'],
  group: ['record', 'id', 'dn', 'name', 'description', 'memberAttribute', 'ownerIds', 'protected'],
  members: ['record', 'groupId', 'reset', 'add', 'remove'],
  gone: ['record', 'entity', 'id'],
};

/** All that is asked of an OpenLDAP: ids, names, members, and what the server says of itself. */
const WANTED: ReadonlySet<string> = new Set(
  [
    '1.1 entryUUID objectClass uid cn mail manager owner description pwdAccountLockedTime',
    'member uniqueMember memberUid memberOf contextCSN',
    'namingContexts defaultNamingContext vendorName vendorVersion supportedControl supportedCapabilities',
    'dsServiceName netscapemdsuffix currentTime subschemaSubentry objectClasses',
  ].flatMap((line) => line.split(' ')),
);

suite('what leaves the network', { concurrency: false }, () => {
  let s: System;
  let proxy: LdapProxy;
  let controlPlane: WebSocketControlPlane;
  const searches: SentSearch[] = [];
  const frames: Frame[] = [];
  const ended = Promise.withResolvers<void>();

  before(async () => {
    s = await startSystem();
    for (const uid of ['grace', 'liam', 'maria'])
      await s.ldap.modify(
        `dn: ${s.person(uid)}\nchangetype: modify\n${['homePostalAddress', 'employeeNumber', 'title', 'postalAddress']
          .map((attribute) => `replace: ${attribute}\n${attribute}: ${PRIVATE}\n`)
          .join('-\n')}`,
      );
    proxy = await startLdapProxy(s.ldap, (message) => {
      const search = searchOf(message);
      if (search !== null) searches.push(search);
    });
    controlPlane = await webSocketControlPlane();
  });
  after(async () => {
    await s[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
    await controlPlane[Symbol.asyncDispose]();
  });

  test('a check, a grant, a revoke, a list and a full sync are done', async () => {
    await s.startConnector({
      welcome: false,
      env: { LDAP_URL: proxy.url, LATCHKEY_CONTROL_PLANE_URL: controlPlane.url },
    });
    const peer = await controlPlane.peer();
    peer.socket.on('message', (bytes: Buffer) => {
      const frame = JSON.parse(bytes.toString('utf8')) as Frame;
      frames.push(frame);
      if (frame['type'] === 'sync.page') peer.send({ type: 'sync.ack', syncId: frame['syncId'], page: frame['page'] });
      if (frame['type'] !== 'sync.end') return;
      peer.send({ type: 'sync.ack', syncId: frame['syncId'], end: true });
      ended.resolve();
    });
    const grantId = randomUUID();
    for (const fields of [
      { kind: 'check' },
      { kind: 'grant', grantId, user: { email: 'grace@example.test' }, group: { name: 'on-call' }, durationSeconds: 300 },
      { kind: 'list' },
      { kind: 'sync', mode: 'full' },
      { kind: 'revoke', grantId },
    ]) {
      const jobId = randomUUID();
      controlPlane.deliver({ jobId, issuedAt: new Date().toISOString(), ...fields });
      assert.equal((await controlPlane.outcome(jobId)).kind, 'job.succeeded', fields.kind);
    }
    await ended.promise;
  });

  test('each search names the attributes that it wants, and none beside those', () => {
    assert.ok(searches.length > 20, `${searches.length} searches`);
    for (const { base, shape, attributes } of searches) {
      assert.ok(attributes.length > 0, `all attributes are wanted of ${base} by ${shape}`);
      for (const name of attributes) assert.ok(WANTED.has(name.replace(/;.*$/, '')), `${name} is wanted of ${base} by ${shape}`);
    }
  });

  test('each record has the fields that are documented, and none beside those', () => {
    const records = frames.flatMap((frame) => (frame['type'] === 'sync.page' ? (frame['records'] as Frame[]) : []));
    assert.deepEqual(new Set(records.map((record) => record['record'])), new Set(['user', 'group', 'members']));
    for (const record of records)
      for (const name of Object.keys(record))
        assert.ok(FIELDS[String(record['record'])]?.includes(name), `${name} in ${JSON.stringify(record)}`);
    for (const record of records.filter((one) => one['record'] === 'members'))
      for (const member of record['add'] as Frame[])
        for (const name of Object.keys(member)) assert.ok(['userId', 'source', 'grantId'].includes(name), name);
  });

  test('nothing that was not asked for is in any frame', async () => {
    const [entry] = await s.ldap.search({ base: s.person('grace'), scope: 'base', filter: '(objectClass=*)', attributes: ['*'] });
    assert.ok(JSON.stringify([...(entry?.attributes ?? [])]).includes(PRIVATE), 'it is in the directory');
    assert.ok(frames.some(({ type }) => type === 'sync.page'));
    assert.ok(!JSON.stringify(frames).includes(PRIVATE));
  });
});
