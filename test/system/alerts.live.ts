import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePorts } from '../../src/sandbox/loopback.ts';
import { prometheusPrograms } from '../../src/sandbox/prometheus-programs.ts';
import { runProgram } from '../../src/sandbox/run-program.ts';
import { NO_FAKETIME, steppedClock } from '../support/faketime.ts';
import { unknownIn } from '../support/metric-names.ts';
import { alertRules, startPrometheus } from '../support/prometheus.ts';
import { samplesIn, valueIn } from '../support/scraped.ts';
import { startSystem, until } from '../support/system.ts';

const RULES = new URL('../../deploy/prometheus/latchkey-alerts.yaml', import.meta.url).pathname;
const RULE_TESTS = new URL('../../deploy/prometheus/latchkey-alerts.test.yaml', import.meta.url).pathname;

async function promtool(args: readonly string[], cwd: string): Promise<{ code: number; said: string }> {
  const program = (await prometheusPrograms())('promtool');
  const { code, stdout, stderr } = await runProgram({ path: program.path, args, env: { ...process.env, ...program.env }, cwd });
  return { code: code ?? -1, said: `${stdout}${stderr}` };
}

test('the alert rules are well-formed, and each fires in its test and not before', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-rules-'));
  try {
    const checked = await promtool(['check', 'rules', RULES], folder);
    assert.equal(checked.code, 0, checked.said);
    const tested = await promtool(['test', 'rules', RULE_TESTS], folder);
    assert.equal(tested.code, 0, tested.said);
    // A test that cannot fail proves nothing: where the alerts are taken out, each is missed.
    const rules = await readFile(RULES, 'utf8');
    await writeFile(join(folder, 'latchkey-alerts.test.yaml'), await readFile(RULE_TESTS, 'utf8'));
    const alerts = [...rules.matchAll(/- alert: (\w+)\n/g)].map(([, name = '']) => name);
    await writeFile(join(folder, 'latchkey-alerts.yaml'), rules.replace(/- alert: (\w+)\n/g, '- alert: $1Silent\n'));
    const { code, said } = await promtool(['test', 'rules', 'latchkey-alerts.test.yaml'], folder);
    assert.equal(code, 1, said);
    assert.deepEqual(
      alerts.filter((name) => !said.includes(`alertname="${name}"`)),
      [],
    );
    console.log(`${alerts.length} alerts, each with a test that fires it, and fails without it`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** Waits that a test has no time for, and bounds that a sound system does not reach. */
const SHORTENED = [
  // A turn that was late once is told for a minute or two.
  ['{quantile="1"} > 1\n        for: 5m', '{quantile="1"} > 1\n        for: 0s'],
  ['for: 1m', 'for: 1s'],
  ['for: 5m', 'for: 2s'],
  ['for: 3h', 'for: 3s'],
  ['latchkey_grants_overdue_seconds > 60', 'latchkey_grants_overdue_seconds > 2'],
  ['latchkey_outbox_oldest_age_seconds > 300', 'latchkey_outbox_oldest_age_seconds > 2'],
  ['{change="lost"}[15m]) > 5', '{change="lost"}[15m]) > 0'],
  // The certificate of the sandbox is good for a year.
  ['14 * 86400', '400 * 86400'],
  ['< 2 * 86400', '< 400 * 86400'],
] as const;

test('a real Prometheus fires on a real connector: each alert when its trouble comes, and none while there is none', {
  skip: NO_FAKETIME,
}, async (t) => {
  const [httpPort = 0] = await freePorts(1);
  const target = `127.0.0.1:${httpPort}`;
  await using s = await startSystem({
    ldap: { people: 40 },
    env: {
      LATCHKEY_HTTP_ADDR: target,
      SYNC_SCHEDULE: '*/2 * * * * *',
      LATCHKEY_LOG_LEVEL: 'debug',
      TEST_BACKUP_MS: '3600000:3600000',
    },
  });
  const clock = await steppedClock({ folder: s.folder });
  await s.startStub();
  await s.startConnector({ env: clock.env });
  await using prometheus = await startPrometheus({ target: () => target, rules: await alertRules(SHORTENED) });
  const scrape = async () => await (await fetch(`http://${target}/metrics`)).text();
  const [person, other] = ['zoe', 'liam'].map((uid) => s.person(uid));
  const group = s.group('on-call');
  const always = ['LatchkeyCertificateEnds', 'LatchkeyCertificateEndsSoon'];
  const granted = async (grantId: string, seconds: number, user = person) => {
    const { jobId } = await s.grant({ grantId, user: { dn: user ?? '' }, group: { dn: group }, durationSeconds: seconds });
    return await s.outcome(jobId);
  };

  await t.test('a connector that does its work is nobody’s trouble', async () => {
    await granted('g0', 1);
    await s.endOf('g0');
    await prometheus.firesOnly(always);
    const text = await scrape();
    assert.deepEqual(
      [...new Set(samplesIn(text).map(({ name }) => name))].flatMap((name) => unknownIn(name)),
      [],
    );
    assert.equal(valueIn(text, 'latchkey_directory_up'), 1);
    assert.equal(valueIn(text, 'latchkey_jobs_total', { kind: 'grant', result: 'granted' }), 1);
    assert.equal(valueIn(text, 'latchkey_grants_ended_total', { cause: 'expired', membership: 'removed' }), 1);
    assert.ok((valueIn(text, 'latchkey_ldap_operations_total', { operation: 'modify', result: 'success' }) ?? 0) >= 2);
    assert.ok((valueIn(text, 'latchkey_ldap_operations_total', { operation: 'read', result: 'success' }) ?? 0) >= 1);
    assert.ok((valueIn(text, 'latchkey_ledger_commit_seconds_count') ?? 0) >= 5);
    assert.ok(!text.includes('dc=') && !text.includes('zoe'), 'no name of a person or an entry');
  });

  await t.test('what the policy forbids, and a membership that vanished', async () => {
    const { jobId } = await s.grant({ user: { dn: person ?? '' }, group: { name: 'domain-admins' }, durationSeconds: 60 });
    assert.equal((await s.outcome(jobId)).kind, 'job.failed');
    assert.equal((await prometheus.fires('LatchkeyPolicyTrips')).labels['policy'], 'protected_group');
    await granted('g1', 600);
    await s.ldap.modify(`dn: ${group}\nchangetype: modify\ndelete: member\nmember: ${person}\n`);
    await granted('g2', 600);
    const { labels, annotations } = await prometheus.fires('LatchkeyDrift');
    assert.equal(labels['observed'], 'absent');
    assert.match(annotations['description'] ?? '', new RegExp(target));
  });
  const since = [...always, 'LatchkeyDrift', 'LatchkeyPolicyTrips'];

  await t.test('the directory goes away, and an ending waits for it', async () => {
    await granted('g3', 3, other);
    await s.ldap.kill('SIGTERM');
    await prometheus.fires('LatchkeyDirectoryDown');
    await prometheus.fires('LatchkeyEndingOverdue');
    await prometheus.fires('LatchkeySyncStale');
    assert.equal(valueIn(await scrape(), 'latchkey_directory_up'), 0);
    await s.ldap.start();
    await s.endOf('g3');
    await prometheus.firesOnly(since);
    assert.ok((valueIn(await scrape(), 'latchkey_expiry_lateness_seconds_sum') ?? 0) > 2);
  });

  await t.test('the control plane goes away, and an event waits for it', async () => {
    await granted('g4', 3, other);
    await s.stopStub();
    await prometheus.fires('LatchkeyControlPlaneDown');
    await prometheus.fires('LatchkeyOutboxStuck');
    await s.startStub();
    await s.endOf('g4');
    await prometheus.firesOnly([...since, 'LatchkeyLinkUnstable']);
  });

  await t.test('the clock of the machine is set ahead', async () => {
    await clock.set(120_000);
    await prometheus.fires('LatchkeyClockStep');
    await clock.set(0);
    assert.ok((valueIn(await scrape(), 'latchkey_clock_ahead_seconds') ?? 0) > 60);
    await prometheus.fires('LatchkeyClockStep');
  });

  await t.test('the connector stops; started with filters and groups that were not meant, it holds and complains', async () => {
    await s.stopConnector();
    await prometheus.fires('LatchkeyDown');
    const env = { ...clock.env, LDAP_USER_FILTER: '(uid=zoe)', LATCHKEY_PROTECTED_GROUPS: 'domain-admins;no-such-group' };
    await s.startConnector({ env });
    assert.equal((await prometheus.fires('LatchkeyNotReady')).labels['part'], 'policy');
    await prometheus.fires('LatchkeySyncRemovalsHeld');
    assert.ok(!(await prometheus.firing()).some(({ name }) => name === 'LatchkeyDown'));
    const [start = 0] = await prometheus.query('process_start_time_seconds');
    assert.ok(start > 1.7e9);
  });

  await t.test('the ledger is put back as it was before a grant', async () => {
    const copy = join(s.folder, 'copy');
    await s.stopConnector();
    await cp(s.stateDir, copy, { recursive: true });
    await s.startConnector({ env: clock.env });
    await granted('g5', 600, other);
    await s.stopConnector();
    await rm(s.stateDir, { recursive: true });
    await cp(copy, s.stateDir, { recursive: true });
    await s.startConnector({ env: clock.env });
    await granted('g6', 600, other);
    await prometheus.fires('LatchkeyOwnershipUnknown');
  });

  await t.test('the connector is held up, and then its ledger is damaged', async () => {
    const connector = s.connector();
    assert.ok(connector !== null);
    connector.signal('SIGSTOP');
    await prometheus.fires('LatchkeyDown');
    connector.signal('SIGCONT');
    const lagged = 'max_over_time(ALERTS{alertname="LatchkeyEventLoopLags",alertstate="firing"}[1m])';
    await until('the lag was seen', async () => (await prometheus.query(lagged)).includes(1));
    await granted('g7', 3);
    for (const name of ['ledger.db', 'ledger.db-wal']) await truncate(join(s.stateDir, name), 0);
    await prometheus.fires('LatchkeyAttemptsFail');
    // What SQLite has read is still there, so that it is told what is late.
    await prometheus.fires('LatchkeyEndingOverdue');
    await connector.end('SIGKILL');
  });
});
