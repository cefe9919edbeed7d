import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDn } from '../../src/access/dn.ts';
import { openLdapAdmin } from './openldap-admin.ts';
import { type RecordedFrame, startRecordingProxy } from './recording-proxy.ts';
import { type System, startSystem, until } from './system.ts';

/** What the frames say in the place of this machine's folder. */
const FOLDER = '/var/lib/latchkey';

/**
 * Everything that goes over the wire between a connector and the stub, on a real OpenLDAP, while grants are made, extended, revoked,
 * refused and left to expire, a sync is told and another fails, the directory goes away and comes back, a membership is taken out by
 * hand, either side is sent nonsense, the ledger is found to be an older copy, a job is signed, and a second within a minute is too many.
 */
export async function recordTraffic(): Promise<readonly RecordedFrame[]> {
  await using s = await startSystem({ env: { LATCHKEY_NAME: 'Berlin' } });
  await s.startStub();
  await using proxy = await startRecordingProxy(s.connectorEnv()['LATCHKEY_CONTROL_PLANE_URL'] ?? '');
  const env = { LATCHKEY_CONTROL_PLANE_URL: proxy.url };
  await s.startConnector({ env });
  const forged = async (to: RecordedFrame['from']) => {
    proxy.forge(to, '{"type":"nonsense"}');
    const answered = () => proxy.frames.some(({ from, text }) => from === to && text.startsWith('{"type":"error"'));
    await until('the nonsense is refused', async () => answered());
  };
  await grants(s);
  await questions(s);
  await drift(s);
  await failedSync(s);
  await withoutDirectory(s);
  await forged('connector');
  await forged('control-plane');
  await s.stopConnector();
  // Whoever keeps only ledger.db in a backup puts back a ledger without it.
  await rm(join(s.stateDir, 'ledger.sum'));
  const keys = join(s.folder, 'control-plane-job-keys.json');
  await s.startConnector({ env: { ...env, LATCHKEY_JOB_KEYS_FILE: keys, LATCHKEY_MAX_GRANTS_PER_MINUTE: '1' } });
  await s.event(({ kind }) => kind === 'ledger.replaced');
  const signed = await s.grant({ grantId: 'grant-8', user: { username: 'farid' }, group: GROUP, durationSeconds: 60 });
  assert.equal((await s.outcome(signed.jobId)).kind, 'job.succeeded');
  await s.grant({ grantId: 'grant-9', user: { username: 'farid' }, group: GROUP, durationSeconds: 60 });
  await s.event(({ kind }) => kind === 'policy.tripped');
  await s.stopConnector();
  return proxy.frames.map(({ from, text }) => ({ from, text: text.replaceAll(s.folder, FOLDER) }));
}

const GROUP = { name: 'vpn-users' };

async function grants(s: System): Promise<void> {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const long = await s.grant({
    grantId: 'grant-1',
    user: { username: 'grace' },
    group: GROUP,
    durationSeconds: 3600,
    traceparent,
  });
  assert.equal((await s.outcome(long.jobId)).kind, 'job.succeeded');
  const short = await s.grant({ grantId: 'grant-2', user: { email: 'oskar@example.test' }, group: GROUP, durationSeconds: 1 });
  const stranger = await s.grant({ grantId: 'grant-3', user: { username: 'nobody-there' }, group: GROUP, durationSeconds: 60 });
  assert.equal((await s.outcome(stranger.jobId)).kind, 'job.failed');
  const forbidden = await s.grant({
    grantId: 'grant-4',
    user: { username: 'grace' },
    group: { name: 'domain-admins' },
    durationSeconds: 60,
  });
  assert.equal((await s.outcome(forbidden.jobId)).kind, 'job.failed');
  await s.endOf(short.grantId);
  assert.equal((await s.outcome((await s.revoke(long.grantId)).jobId)).kind, 'job.succeeded');
}

async function questions(s: System): Promise<void> {
  const issuedAt = new Date().toISOString();
  for (const job of [
    { jobId: 'check-1', kind: 'check', issuedAt },
    { jobId: 'list-1', kind: 'list', issuedAt, endedSince: '2026-01-01T00:00:00.000Z' },
  ]) {
    await s.job(job);
    assert.equal((await s.outcome(job.jobId)).kind, 'job.succeeded');
  }
}

/** A membership is taken out by hand; the next sync finds it. */
async function drift(s: System): Promise<void> {
  const { jobId } = await s.grant({ grantId: 'grant-5', user: { username: 'amara' }, group: GROUP, durationSeconds: 3600 });
  assert.equal((await s.outcome(jobId)).kind, 'job.succeeded');
  await s.ldap.modify(`dn: ${s.group('vpn-users')}\nchangetype: modify\ndelete: member\nmember: ${s.person('amara')}\n`);
  await s.api('/syncs', { method: 'POST', body: { mode: 'full', jobId: 'sync-1' } });
  assert.equal((await s.outcome('sync-1')).kind, 'job.succeeded');
  await s.event(({ kind }) => kind === 'grant.drifted');
}

async function failedSync(s: System): Promise<void> {
  const admin = openLdapAdmin(s.ldap);
  const group = parseDn(s.group('vpn-users'));
  assert.ok(group.ok);
  await admin.hideMembers(group.value);
  await s.api('/syncs', { method: 'POST', body: { mode: 'full', jobId: 'sync-2' } });
  assert.equal((await s.outcome('sync-2')).kind, 'job.failed');
  await admin.showAll();
}

/** A grant waits for the directory, another is overdue, and both are done when it is back. */
async function withoutDirectory(s: System): Promise<void> {
  const lasting = await s.grant({ grantId: 'grant-6', user: { username: 'chen' }, group: GROUP, durationSeconds: 3600 });
  assert.equal((await s.outcome(lasting.jobId)).kind, 'job.succeeded');
  await s.ldap.kill('SIGKILL');
  const waiting = await s.grant({ grantId: 'grant-7', user: { username: 'bjorn' }, group: GROUP, durationSeconds: 3600 });
  await s.event((event) => event.kind === 'job.delayed' && event.jobId === waiting.jobId);
  await s.revoke(lasting.grantId);
  await s.event(({ kind }) => kind === 'grant.overdue');
  await s.ldap.start();
  await s.endOf(lasting.grantId);
  assert.equal((await s.outcome(waiting.jobId)).kind, 'job.succeeded');
}
