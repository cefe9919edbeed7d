import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { OperatorRequest } from '../../src/access/operator.ts';
import { askOperator } from '../../src/operator/ask.ts';
import { runCommand } from '../support/program.ts';
import { ready, runningConnector } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';
import { groupEntry } from '../support/told.ts';

const FILE = 'LATCHKEY_POLICY_FILE#';
const HOUR = 3600;

suite('the policy file', { concurrency: false }, () => {
  let s: System;
  let path: string;

  before(async () => {
    s = await startSystem({ ldap: { people: 20, ldif: ['guarded', 'alone', 'free'].map((cn) => groupEntry(cn)).join('') } });
    path = join(s.folder, 'policy.json');
    await s.startStub();
  });
  after(() => s[Symbol.asyncDispose]());

  const write = (policy: unknown) => writeFile(path, typeof policy === 'string' ? policy : JSON.stringify(policy));
  const env = () => ({ LATCHKEY_POLICY_FILE: path, LATCHKEY_MAX_GRANTS_PER_MINUTE: '60' });
  const command = (...args: readonly string[]) => runCommand({ args, env: { ...s.connectorEnv(), ...env() }, cwd: s.folder });
  const asked = async (
    uid: string,
    cn: string,
    { requestedBy, durationSeconds = HOUR }: { requestedBy?: string; durationSeconds?: number } = {},
  ) => {
    const { jobId } = await s.grant({
      user: { username: uid },
      group: { name: cn },
      durationSeconds,
      ...(requestedBy === undefined ? {} : { requestedBy }),
    });
    const result = await s.outcome(jobId);
    return result.kind === 'job.failed' ? `${result.error.code} by ${result.error.rule ?? 'nobody'}` : result.outcome;
  };
  const ask = async (request: OperatorRequest) => askOperator({ stateDir: s.stateDir, request }, () => undefined);
  /** As the running connector explains it. */
  const explained = async (user: string, group: string, requestedBy: string | null = null) => {
    const answer = await ask({ request: 'explain', asked: { user, group, durationMs: HOUR * 1000, requestedBy } });
    assert.ok(answer.answer === 'explained', JSON.stringify(answer));
    return `${answer.explained.result} by ${answer.explained.rule ?? 'nobody'}`;
  };
  /** As the command does, with or without one. */
  const explain = async (uid: string, cn: string, ...more: readonly string[]) => {
    const { code, stdout } = await command('policy', 'explain', '--user', uid, '--group', cn, '--for', '1h', '--json', ...more);
    const { result, rule } = JSON.parse(stdout) as { result: string; rule: string };
    return { code, said: `${result} by ${rule}` };
  };
  const sync = async () => {
    const answer = await ask({ request: 'sync', mode: 'full', acceptRemovals: null });
    assert.equal(answer.answer, 'done', JSON.stringify(answer));
  };
  const reload = async (event: 'reloaded' | 'reload-refused') => {
    const child = runningConnector(s);
    const from = child.lines.length;
    child.signal('SIGHUP');
    return await child.line((line) => line.includes(`"process.${event}"`), from);
  };
  const hashes = async () => {
    const { stdout } = await command('audit', 'export');
    const records = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { record?: StartRecord } & StartRecord);
    return records.flatMap((one) => {
      const { kind, facts } = one.record ?? one;
      return kind === 'connector.started' ? [facts.configuration?.policy.file?.sha256 ?? null] : [];
    });
  };

  test('keeps a connector from starting where it is bad, with every problem and its place', async () => {
    await write({ groups: [{ group: { name: 'guarded' }, maxGrnat: '1h', maxGrant: 'long' }], defualt: {} });
    const refused = await command('run');
    assert.equal(refused.code, 78);
    for (const place of [`${FILE}/groups/0/maxGrnat`, `${FILE}/groups/0/maxGrant`, `${FILE}/defualt`])
      assert.ok(refused.stderr.includes(place), `${place} in:\n${refused.stderr}`);
    assert.match(refused.stderr, /did you mean default\?/);
  });

  test('binds jobs and what is explained alike, through a rename too', async () => {
    await write({
      groups: [
        { group: { name: 'guarded' }, requestedBy: ['bot'], maxGrant: '2h' },
        { group: { dn: s.group('alone') }, maxActiveGrants: 1, exclusive: true },
      ],
    });
    await s.startConnector({ env: env() });
    assert.equal(await asked('u0001', 'guarded'), `policy_denied by ${FILE}/groups/0/requestedBy`);
    assert.equal(await explained('u0001', 'guarded'), `policy_denied by ${FILE}/groups/0/requestedBy`);
    assert.deepEqual(await explain('u0001', 'guarded', '--requested-by', 'bot'), {
      code: 0,
      said: `granted by ${FILE}/groups/0/maxGrant`,
    });
    await s.ldap.modify(`dn: ${s.group('guarded')}\nchangetype: modrdn\nnewrdn: cn=harmless\ndeleteoldrdn: 1\n`);
    assert.equal(await asked('u0001', 'harmless'), `policy_denied by ${FILE}/groups/0/requestedBy`);
    assert.equal(
      await asked('u0001', 'harmless', { requestedBy: 'bot', durationSeconds: 3 * HOUR }),
      `policy_denied by ${FILE}/groups/0/maxGrant`,
    );
    assert.equal(await asked('u0001', 'harmless', { requestedBy: 'bot' }), 'granted');
    assert.equal(await asked('u0001', 'alone'), 'granted');
    assert.equal(await asked('u0002', 'alone'), `policy_denied by ${FILE}/groups/1/maxActiveGrants`);
    await s.event((event) => event.kind === 'policy.tripped' && event.rule === 'group_cap');
  });

  test('tells who is in an exclusive group without a grant once, at a sync', async () => {
    await sync();
    const { event } = await s.event((one) => one.kind === 'policy.tripped' && one.rule === 'exclusive');
    assert.ok(event.kind === 'policy.tripped' && event.detail.includes(s.person('rosa')) && !event.detail.includes('u0001'));
    await sync();
    const all = (await s.events()).filter(({ event: one }) => one.kind === 'policy.tripped' && one.rule === 'exclusive');
    assert.equal(all.length, 1);
    assert.ok((await s.ldap.members(s.group('alone'))).includes(s.person('rosa')));
  });

  test('is taken anew by SIGHUP, all or nothing, and which one holds is in the audit trail', async () => {
    await write('{"groups": [], "groups": []}');
    assert.match(await reload('reload-refused'), /two members of one object/);
    assert.equal(await asked('u0003', 'harmless'), `policy_denied by ${FILE}/groups/0/requestedBy`);
    await write({
      groups: [
        { group: { name: 'free' }, rate: { grants: 2, per: '1h' } },
        { group: { name: 'no-such' }, maxGrant: '1h' },
      ],
    });
    await reload('reloaded');
    assert.equal(await asked('u0003', 'harmless'), 'granted');
    const [first, second, ...others] = await hashes();
    assert.ok(first !== second && /^[0-9a-f]{64}$/.test(second ?? '') && others.length === 0);
  });

  test('a rate outlives a kill, and is explained the same with and without a connector', async () => {
    assert.deepEqual([await asked('u0004', 'free'), await asked('u0005', 'free')], ['granted', 'granted']);
    const beyond = `policy_denied by ${FILE}/groups/0/rate`;
    assert.equal(await asked('u0006', 'free'), beyond);
    await s.stopConnector('SIGKILL');
    assert.deepEqual(await explain('u0006', 'free'), { code: 1, said: beyond });
    const child = await s.startConnector({ env: { ...env(), LATCHKEY_MAX_GRANTS_PER_MINUTE: '3' } });
    assert.equal(await asked('u0006', 'free'), beyond);
    assert.equal(await explained('u0006', 'free'), beyond);
    const { body } = await ready(child, ({ body: seen }) => seen['policy']?.['ready'] === false);
    assert.deepEqual(body['policy']?.['ruleGroupsMissing'], ['no-such']);
  });

  test('the rate of all grants refuses what is beyond it, and ends what it let through', async () => {
    const came: string[] = [];
    // One comes back in twenty seconds: a slow machine asks a little longer.
    while (came.length < 12 && came.at(-1)?.startsWith('policy_denied') !== true)
      came.push(await asked(`u00${String(came.length + 8).padStart(2, '0')}`, 'harmless'));
    assert.equal(came.at(-1), 'policy_denied by LATCHKEY_MAX_GRANTS_PER_MINUTE', came.join(', '));
    await s.event((event) => event.kind === 'policy.tripped' && event.rule === 'grant_rate');
    const ended = await ask({ request: 'revoke', choice: { by: 'all' }, waitMs: 30_000, by: 'test', reason: null });
    assert.equal(ended.answer, 'done');
    assert.deepEqual(await s.ldap.members(s.group('harmless')), [s.person('rosa')]);
  });

  test('no rule of the protocol was broken on the way', async () => {
    assert.deepEqual(await s.violations(), []);
  });
});

interface StartRecord {
  readonly kind: string;
  readonly facts: { readonly configuration?: { readonly policy: { readonly file: { readonly sha256: string } | null } } };
}
