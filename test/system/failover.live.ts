import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type OpenLdap, startOpenLdap } from '../../src/sandbox/openldap.ts';
import { granted, startReady, succeeded } from '../support/survival.ts';
import { type System, startSystem, until } from '../support/system.ts';

suite('two servers of which one never hears of what the other was told', { concurrency: false, timeout: 120_000 }, () => {
  let folder: string;
  let s: System;
  let one: OpenLdap;
  let two: OpenLdap;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-failover-'));
    s = await startSystem({ ldap: { dir: join(folder, 'one') } });
    one = s.ldap;
    await one.kill('SIGINT');
    // The same entries with the same ids, accounts and authority, as replicas have them; replication is what failed.
    await cp(join(folder, 'one'), join(folder, 'two'), { recursive: true });
    const conf = join(folder, 'two', 'slapd.conf');
    await writeFile(conf, (await readFile(conf, 'utf8')).replaceAll(join(folder, 'one'), join(folder, 'two')));
    await one.start();
    two = await startOpenLdap({ dir: join(folder, 'two') });
    await s.startStub();
    await startReady(s, { env: { LDAP_URL: `${one.ldapsUrl} ${two.ldapsUrl}` } });
  });
  after(async () => {
    await two.stop();
    await s[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const isIn = async (server: OpenLdap, uid: string, cn: string) => (await server.members(s.group(cn))).includes(s.person(uid));
  /** The second server takes over, and the connector says so. */
  const failedOver = async (count: number) =>
    await until('the other server to take over', async () => {
      const lines = s.connector()?.lines ?? [];
      return lines.filter((line) => line.includes('"directory.failover"')).length === count;
    });

  test('a membership that was lost is written again, and one that was taken out and is there is taken out again', async () => {
    const { grantId } = await granted(s, { user: { username: 'grace' }, group: { name: 'on-call' }, durationSeconds: 3600 });
    assert.ok(await isIn(one, 'grace', 'on-call'));
    assert.ok(!(await isIn(two, 'grace', 'on-call')));
    const standing = await two.members(s.group('on-call'));

    await one.kill('SIGKILL');
    await failedOver(1);
    await until('the membership to be restored', () => isIn(two, 'grace', 'on-call'));
    const restored = await s.event((told) => told.kind === 'grant.drifted' && told.grant.grantId === grantId);
    assert.ok(restored.event.kind === 'grant.drifted');
    assert.deepEqual([restored.event.observed, restored.event.action], ['absent', 'restored']);

    await s.revoke(grantId);
    assert.equal((await s.endOf(grantId)).membership, 'removed');
    assert.deepEqual(await two.members(s.group('on-call')), standing);

    await one.start();
    assert.ok(await isIn(one, 'grace', 'on-call'), 'what was done meanwhile did not reach it');
    await two.kill('SIGKILL');
    await failedOver(2);
    await until('the membership to be taken out', async () => !(await isIn(one, 'grace', 'on-call')));
    await until('the grant to be over', async () => {
      const lines = s.connector()?.lines ?? [];
      return lines.filter((line) => line.includes('"grant.ended"') && line.includes(grantId)).length === 2;
    });
    assert.deepEqual(await one.members(s.group('on-call')), standing);
    assert.deepEqual(await s.violations(), []);
  });

  test('a restart with another server than before looks for what was lost too', async () => {
    await two.start();
    const { grantId } = await granted(s, { user: { username: 'farid' }, group: { name: 'on-call' }, durationSeconds: 3600 });
    assert.ok(await isIn(one, 'farid', 'on-call'));
    assert.equal(await s.stopConnector(), 0);
    await one.kill('SIGKILL');
    await startReady(s, { env: { LDAP_URL: `${one.ldapsUrl} ${two.ldapsUrl}` } });
    await until('the membership to be restored', () => isIn(two, 'farid', 'on-call'));
    await s.revoke(grantId);
    assert.equal((await s.endOf(grantId)).membership, 'removed');
    assert.ok(!(await isIn(two, 'farid', 'on-call')));
  });

  test('who was put in again by hand after a removal of ours stays, at restarts on the same server', async () => {
    if (one.pid === undefined) await one.start();
    await s.stopConnector();
    const env = { LDAP_URL: `${one.ldapsUrl} ${two.ldapsUrl}` };
    await startReady(s, { env });
    const asked = { user: { username: 'viktor' }, group: { name: 'on-call' }, durationSeconds: 3600 };
    const { grantId } = await granted(s, asked);
    await s.revoke(grantId);
    assert.equal((await s.endOf(grantId)).membership, 'removed');
    await one.modify(`dn: ${s.group('on-call')}\nchangetype: modify\nadd: member\nmember: ${s.person('viktor')}\n`);
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await s.stopConnector(signal);
      await startReady(s, { env });
      // It is told as standing only where no doubt of it is left.
      assert.equal(await succeeded(s, (await s.grant(asked)).jobId), 'already_standing');
      assert.ok(await isIn(one, 'viktor', 'on-call'), signal);
    }
  });
});
