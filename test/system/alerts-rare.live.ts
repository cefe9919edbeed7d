import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePorts } from '../../src/sandbox/loopback.ts';
import { dn } from '../support/ldap-directory-under-test.ts';
import { openLdapAdmin } from '../support/openldap-admin.ts';
import { runCommand } from '../support/program.ts';
import { alertRules, startPrometheus } from '../support/prometheus.ts';
import { jwksOf, signingKey } from '../support/signed-jobs.ts';
import { startSystem } from '../support/system.ts';

const SHORTENED = [
  ['for: 8h', 'for: 1s'],
  ['latchkey_backup_age_seconds > 1800', 'latchkey_backup_age_seconds > 2'],
] as const;

test('a real Prometheus fires where grants stay paused, jobs are forged, backups are missing, and nobody may say who is a member', async () => {
  const [httpPort = 0] = await freePorts(1);
  const target = `127.0.0.1:${httpPort}`;
  await using s = await startSystem({
    env: { LATCHKEY_HTTP_ADDR: target, TEST_BACKUP_MS: '3600000:3600000', TEST_LINK_BACKOFF_MS: '50:500' },
  });
  await s.startStub();
  await s.startConnector();
  await using prometheus = await startPrometheus({ target: () => target, rules: await alertRules(SHORTENED) });
  await prometheus.fires('LatchkeyBackupOld');

  const paused = await runCommand({ args: ['pause', '--yes'], env: s.connectorEnv(), cwd: s.folder });
  assert.equal(paused.code, 0, paused.stderr);
  await prometheus.fires('LatchkeyPaused');
  assert.equal((await runCommand({ args: ['resume', '--yes'], env: s.connectorEnv(), cwd: s.folder })).code, 0);

  await openLdapAdmin(s.ldap).hideMembers(dn(s.group('on-call')));
  await s.grant({ user: { username: 'zoe' }, group: { name: 'on-call' }, durationSeconds: 60 });
  await prometheus.fires('LatchkeyProbeUnknown');

  // The stub signs with a key that this connector was never given.
  await s.stopConnector();
  const keys = join(s.folder, 'other-keys.json');
  await writeFile(keys, jwksOf(signingKey('another')), { mode: 0o600 });
  await s.startConnector({ env: { LATCHKEY_JOB_KEYS_FILE: keys } });
  await s.grant({ user: { username: 'liam' }, group: { name: 'on-call' }, durationSeconds: 60 });
  assert.equal((await prometheus.fires('LatchkeyJobsUnverified')).labels['reason'], 'unknown_key');
});
