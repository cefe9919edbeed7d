import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type System, startSystem, until } from '../support/system.ts';

interface ShownUser {
  readonly id: string;
  readonly username: string;
  readonly email?: string;
  readonly managerId?: string;
}
interface ShownMember {
  readonly userId: string;
  readonly username?: string;
  readonly source: string;
  readonly grantId?: string;
}

suite('a sync, from the directory to the control plane', () => {
  let s: System;
  before(async () => {
    s = await startSystem();
    await s.startStub();
    await s.startConnector();
  });
  after(() => s[Symbol.asyncDispose]());

  const sync = async (fields: Readonly<Record<string, unknown>>) => {
    const { jobId } = await s.api<{ jobId: string }>('/syncs', { method: 'POST', body: fields });
    return await s.outcome(jobId);
  };
  const published = async (mode: 'full' | 'delta') => {
    const result = await sync({ mode });
    assert.ok(result.kind === 'job.succeeded', JSON.stringify(result));
    assert.equal(result.outcome, 'done');
    const told = (await s.events()).map(({ event }) => event).findLast((event) => event.kind === 'sync.completed');
    assert.ok(told?.kind === 'sync.completed');
    return told;
  };
  const users = () => s.api<ShownUser[]>('/users');
  const membersOf = async (name: string) => {
    const groups = await s.api<{ id: string; name: string }[]>('/groups');
    const group = groups.find((one) => one.name === name);
    assert.ok(group !== undefined, JSON.stringify(groups));
    return await s.api<ShownMember[]>(`/groups/${group.id}/members`);
  };

  test('tells every user and group in scope, and who is a member by a grant', async () => {
    const { jobId, grantId } = await s.grant({
      user: { username: 'grace' },
      group: { name: 'vpn-users' },
      durationSeconds: 3600,
    });
    await s.outcome(jobId);
    const told = await published('full');
    assert.equal(told.mode, 'full');
    const known = await users();
    assert.equal(known.length, told.users);
    assert.ok(known.some(({ username, email }) => username === 'grace' && email === 'grace@example.test'));
    const grace = (await membersOf('vpn-users')).find(({ username }) => username === 'grace');
    assert.deepEqual([grace?.source, grace?.grantId], ['grant', grantId]);
    const farid = known.find(({ username }) => username === 'farid');
    assert.equal(known.find(({ username }) => username === 'grace')?.managerId, farid?.id);
    const shown = await s.api<{ name: string; protected: boolean }[]>('/groups');
    const isProtected = shown.filter((group) => group.protected).map(({ name }) => name);
    assert.deepEqual(isProtected, ['domain-admins']);
    assert.ok(s.connector()?.lines.some((line) => line.includes('"duplicate_email"') && line.includes('shared@example.test')));
    assert.deepEqual(await s.violations(), []);
  });

  test('tells only what has changed since, a new source of a membership included', async () => {
    await published('full');
    assert.deepEqual(await changedBy('delta'), [0, 0]);
    const { jobId } = await s.grant({ user: { username: 'oskar' }, group: { name: 'vpn-users' }, durationSeconds: 3600 });
    await s.outcome(jobId);
    assert.deepEqual(await changedBy('delta'), [1, 0]);
    assert.deepEqual(await s.violations(), []);
  });

  const changedBy = async (mode: 'full' | 'delta') => {
    const { changed, removed, mode: told } = await published(mode);
    assert.equal(told, mode);
    return [changed, removed];
  };

  test('begins anew where the file of the last one was lost, and says so', async () => {
    await published('delta');
    await s.stopConnector();
    assert.ok(existsSync(join(s.stateDir, 'sync.db')));
    for (const end of ['', '-wal', '-shm']) await rm(join(s.stateDir, `sync.db${end}`), { force: true });
    await s.startConnector();
    assert.equal((await published('delta')).mode, 'full');
    assert.ok(s.connector()?.lines.some((line) => line.includes('nothing has been published from this state directory yet')));
  });

  test('runs by itself as soon as there is a connection, where nothing was told yet, and then by schedule', async () => {
    await s.stopConnector();
    for (const end of ['', '-wal', '-shm']) await rm(join(s.stateDir, `sync.db${end}`), { force: true });
    const earlier = (await s.api<unknown[]>('/syncs')).length;
    await s.startConnector({ env: { SYNC_SCHEDULE: '* * * * * *' } });
    await until('two syncs', async () => (await s.api<unknown[]>('/syncs')).length >= earlier + 2);
    const told = (await s.api<{ mode: string; state: string }[]>('/syncs')).slice(earlier, earlier + 2);
    assert.deepEqual(
      told.map(({ mode }) => mode),
      ['full', 'delta'],
    );
  });
});
