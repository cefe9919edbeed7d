import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { GroupRule, NamedGroupRule } from '../../src/access/group-rules.ts';
import type { EntryId, GrantId } from '../../src/access/ids.ts';
import { formatInstant } from '../../src/access/instant.ts';
import {
  type EngineUnderTestOptions,
  groupDn,
  HOUR_MS,
  MINUTE_MS,
  settled,
  startedEngine,
  userDn,
} from '../support/engine-under-test.ts';

type Rig = Awaited<ReturnType<typeof startedEngine>>['rig'];

const SAYS_NOTHING: GroupRule = {
  place: '/default',
  requestedBy: null,
  maxGrantMs: null,
  maxActiveGrants: null,
  rate: null,
  ratePerUser: null,
  exclusive: null,
};
const rule = (group: NamedGroupRule['group'], says: Partial<GroupRule>, i = 0): NamedGroupRule => ({
  ...SAYS_NOTHING,
  place: `/groups/${i}`,
  group,
  ...says,
});
const admins = (says: Partial<GroupRule>): NonNullable<EngineUnderTestOptions['rules']> => ({
  groups: [rule({ by: 'name', name: 'admins' }, says)],
});

/** An engine with so many users (u1, u2, …) beside ada. */
async function engineWith(options: EngineUnderTestOptions, users = 8) {
  const started = await startedEngine(options);
  for (let i = 1; i <= users; i += 1) started.rig.addUser(`u${i}`);
  return started;
}

/** Asks for a grant of each user; what each came to. */
async function grantsOf(rig: Rig, users: readonly number[], words: Parameters<Rig['grant']>[0] = {}) {
  const came: (string | null)[] = [];
  for (const i of users) came.push(rig.outcomeOf(await rig.grant({ grantId: `g-u${i}`, user: `u${i}`, ...words })));
  return came;
}

function errorOf(rig: Rig, jobId: string) {
  return rig.of('job.failed').find((event) => event.jobId === jobId)?.error;
}

const trips = (rig: Rig) => rig.of('policy.tripped').map(({ rule: name }) => name);

describe('the rate of all grants', () => {
  test('refuses for good what is beyond it, says when to ask again, and is told once; then that is allowed', async () => {
    const { rig } = await engineWith({ maxGrantsPerMinute: 2 });
    assert.deepEqual(await grantsOf(rig, [1, 2]), ['granted', 'granted']);
    const jobId = await rig.grant({ grantId: 'late', user: 'u3' });
    const error = errorOf(rig, jobId);
    assert.ok(error !== undefined);
    assert.deepEqual([error.code, error.retryable, error.rule], ['policy_denied', true, 'LATCHKEY_MAX_GRANTS_PER_MINUTE']);
    assert.ok(error.message.includes(formatInstant(rig.in(MINUTE_MS / 2))), error.message);
    assert.deepEqual(await grantsOf(rig, [4]), ['policy_denied']);
    assert.deepEqual(trips(rig), ['grant_rate']);
    const refused = rig.ledger.auditRecords().find(({ kind, jobId: of }) => kind === 'job.failed' && of === jobId);
    assert.equal(refused?.facts['rule'], 'LATCHKEY_MAX_GRANTS_PER_MINUTE');
    const line = rig.log.lines.find(({ event, jobId: of }) => event === 'job.failed' && of === jobId);
    assert.equal(line?.['rule'], 'LATCHKEY_MAX_GRANTS_PER_MINUTE');
    await rig.pass(MINUTE_MS / 2 - 1);
    assert.deepEqual(await grantsOf(rig, [5]), ['policy_denied']);
    await rig.pass(1);
    assert.deepEqual(await grantsOf(rig, [6, 7]), ['granted', 'policy_denied']);
    assert.equal(await rig.stateOf('late'), 'failed');
  });

  test('counts extensions, and neither endings nor what shortens', async () => {
    const { rig, ada, admins: group } = await engineWith({ maxGrantsPerMinute: 2 });
    await rig.grant({ seconds: 3600 });
    assert.equal(rig.outcomeOf(await rig.grant({ seconds: 7200 })), 'updated');
    assert.equal(rig.outcomeOf(await rig.grant({ seconds: 10_800 })), 'policy_denied');
    assert.equal(rig.outcomeOf(await rig.grant({ seconds: 1800 })), 'updated');
    assert.equal(rig.outcomeOf(await rig.revoke()), 'revoked');
    assert.ok(!rig.isMember(ada, group));
  });

  test('is not filled by a crash, nor by restarts, however many', async () => {
    const { rig } = await engineWith({ maxGrantsPerMinute: 4 }, 9);
    assert.deepEqual(await grantsOf(rig, [1, 2, 3, 4, 5]), ['granted', 'granted', 'granted', 'granted', 'policy_denied']);
    for (let i = 0; i < 3; i += 1) await rig.restart();
    assert.deepEqual(await grantsOf(rig, [6]), ['policy_denied']);
    await rig.pass(MINUTE_MS / 2);
    await rig.restart();
    assert.deepEqual(await grantsOf(rig, [7, 8, 9]), ['granted', 'granted', 'policy_denied']);
  });

  test('is asked after pause, clock and space, and before scope and who is meant', async () => {
    const { rig } = await engineWith({ maxGrantsPerMinute: 1 });
    await rig.grant({ user: 'u1' });
    const beyond = { user: { dn: 'uid=x,dc=elsewhere' } } as const;
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'a', ...beyond })), 'policy_denied');
    rig.ledger.setSpace('low');
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'b' })), 'no_space');
    rig.ledger.setSpace('ok');
    await rig.pass(MINUTE_MS);
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'c', ...beyond })), 'out_of_scope');
  });
});

describe('the rates of a group and of a user', () => {
  const hourly = (grants: number) => ({ grants, perMs: HOUR_MS });

  test('are of the group however it is named, and of no other group', async () => {
    const { rig, admins: dn } = await engineWith({ rules: admins({ rate: hourly(2) }) });
    rig.addGroup('others');
    const id = rig.fake.tree.group(dn)?.id ?? '';
    assert.deepEqual(await grantsOf(rig, [1]), ['granted']);
    assert.deepEqual(await grantsOf(rig, [2], { group: { dn } }), ['granted']);
    assert.deepEqual(await grantsOf(rig, [3], { group: { id } }), ['policy_denied']);
    assert.deepEqual(await grantsOf(rig, [4], { group: 'others' }), ['granted']);
    assert.deepEqual(trips(rig), ['group_rate']);
    await rig.restart();
    assert.deepEqual(await grantsOf(rig, [5]), ['policy_denied']);
  });

  test('are of the user in one group, and over all groups', async () => {
    const userRate = { value: hourly(3), rule: 'LATCHKEY_POLICY_FILE#/perUser/rate' };
    const { rig } = await engineWith({ rules: { ...admins({ ratePerUser: hourly(1) }), userRate } });
    for (const name of ['one', 'two', 'three']) rig.addGroup(name);
    const ask = async (group: string) => rig.outcomeOf(await rig.grant({ grantId: `${group}-${rig.told.length}`, group }));
    assert.deepEqual([await ask('admins'), await ask('admins')], ['granted', 'policy_denied']);
    assert.deepEqual([await ask('one'), await ask('two'), await ask('three')], ['granted', 'granted', 'policy_denied']);
    assert.deepEqual(await grantsOf(rig, [1]), ['granted']);
    assert.deepEqual(trips(rig), ['user_rate', 'user_rate']);
  });

  test('lose nothing to what is refused before them, and a grant that waits for the directory is counted once', async () => {
    const { rig } = await engineWith({ rules: admins({ rate: hourly(2), requestedBy: ['bot'] }) });
    assert.deepEqual(await grantsOf(rig, [1, 2, 3]), ['policy_denied', 'policy_denied', 'policy_denied']);
    const tooLong = { requestedBy: 'bot', seconds: 500 * 86_400 };
    assert.deepEqual(await grantsOf(rig, [7, 8], tooLong), ['policy_denied', 'policy_denied']);
    assert.deepEqual(trips(rig), []);
    rig.fake.goDown();
    await rig.grant({ grantId: 'waits', user: 'u4', requestedBy: 'bot' });
    for (let i = 0; i < 5; i += 1) {
      await rig.pass(MINUTE_MS);
      rig.fake.goUp();
      rig.fake.goDown();
    }
    rig.fake.goUp();
    await rig.pass(MINUTE_MS);
    assert.equal(await rig.stateOf('waits'), 'active');
    assert.deepEqual(await grantsOf(rig, [5, 6], { requestedBy: 'bot' }), ['granted', 'policy_denied']);
  });
});

describe('the cap on open grants of a group', () => {
  test('holds however many come at one time, across a crash, and lets the next in when one has ended', async () => {
    const { rig, admins: group } = await engineWith({ rules: admins({ maxActiveGrants: 2 }) });
    rig.fake.goDown();
    for (let i = 1; i <= 5; i += 1) await rig.grant({ grantId: `g-u${i}`, user: `u${i}` });
    rig.fake.goUp();
    await rig.pass(MINUTE_MS);
    const members = () => [1, 2, 3, 4, 5, 6, 7].filter((i) => rig.isMember(userDn(`u${i}`), group));
    assert.equal(members().length, 2);
    assert.deepEqual(trips(rig), ['group_cap']);
    await rig.restart();
    const jobId = await rig.grant({ grantId: 'beyond', user: 'u6' });
    assert.equal(errorOf(rig, jobId)?.rule, 'LATCHKEY_POLICY_FILE#/groups/0/maxActiveGrants');
    assert.equal(rig.outcomeOf(await rig.revoke({ grantId: `g-u${members()[0]}` })), 'revoked');
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'next', user: 'u7' })), 'granted');
    assert.equal(members().length, 2);
  });

  test('is not asked of an extension', async () => {
    const { rig } = await engineWith({ rules: admins({ maxActiveGrants: 1 }) });
    await rig.grant({ seconds: 60 });
    assert.equal(rig.outcomeOf(await rig.grant({ seconds: 120 })), 'updated');
  });
});

describe('who may ask', () => {
  test('is whoever the rule lists, letter for letter, and nobody who does not say', async () => {
    const { rig } = await engineWith({ rules: admins({ requestedBy: ['bot', 'desk'] }) });
    assert.deepEqual(await grantsOf(rig, [1]), ['policy_denied']);
    assert.deepEqual(await grantsOf(rig, [2], { requestedBy: 'Bot' }), ['policy_denied']);
    assert.deepEqual(await grantsOf(rig, [3], { requestedBy: 'desk' }), ['granted']);
    assert.deepEqual(trips(rig), []);
  });

  test('is asked of each job of a grant: one that joins cannot lengthen it, and the grant goes on without it', async () => {
    const { rig } = await engineWith({ rules: admins({ requestedBy: ['bot'] }) });
    rig.fake.goDown();
    const first = await rig.grant({ seconds: 600, requestedBy: 'bot' });
    const joined = await rig.grant({ seconds: 86_400, requestedBy: 'other' });
    rig.fake.goUp();
    await rig.pass(MINUTE_MS);
    assert.deepEqual([rig.outcomeOf(first), rig.outcomeOf(joined)], ['granted', 'policy_denied']);
    const told = rig.log.lines.find(({ event, jobId }) => event === 'job.failed' && jobId === joined);
    assert.match(String(told?.['rule']), /requestedBy$/, 'each refusal is in the log');
    const grant = await rig.grantOf();
    assert.ok(grant?.state === 'active' && grant.expiresAt - grant.activatedAt === 600_000);
  });

  test('is asked of each job again after a wait for the pair, in which the group may have come under a rule', async () => {
    const { rig } = await engineWith({ rules: admins({ requestedBy: ['bot'] }) });
    const entry = rig.fake.tree.group(rig.addGroup('harmless'));
    assert.ok(entry !== null);
    const group = { id: entry.id };
    rig.fake.goDown();
    await rig.grant({ grantId: 'g0', group, seconds: 300, requestedBy: 'bot' });
    const first = await rig.grant({ grantId: 'g1', group, seconds: 600, requestedBy: 'bot' });
    const joined = await rig.grant({ grantId: 'g1', group, seconds: 86_400, requestedBy: 'other' });
    const held = rig.fake.holdNext('change');
    rig.fake.goUp();
    await held.reached;
    await settled();
    entry.name = 'admins';
    held.go();
    await rig.pass(MINUTE_MS);
    assert.deepEqual([rig.outcomeOf(first), rig.outcomeOf(joined)], ['covered_by_grant', 'policy_denied']);
    assert.match(rig.of('job.delayed').at(-1)?.error.message ?? '', /has come under another rule while the grant waited/);
    const grant = await rig.grantOf('g1');
    assert.ok(grant?.state === 'active' && grant.expiresAt - grant.activatedAt === 600_000);
  });

  test('is asked of extensions, and not of what shortens or ends', async () => {
    const { rig } = await engineWith({ rules: admins({ requestedBy: ['bot'] }) });
    await rig.grant({ seconds: 600, requestedBy: 'bot' });
    assert.equal(rig.outcomeOf(await rig.grant({ seconds: 1200, requestedBy: 'other' })), 'policy_denied');
    assert.equal(rig.outcomeOf(await rig.grant({ seconds: 300, requestedBy: 'other' })), 'updated');
    assert.equal(rig.outcomeOf(await rig.revoke()), 'revoked');
  });
});

describe('the longest grant', () => {
  test('counts from the beginning of the membership, however often it is extended, and whatever the ids of the grants', async () => {
    const { rig, ada, admins: group } = await engineWith({ maxGrantMs: 24 * HOUR_MS, rules: admins({ maxGrantMs: HOUR_MS }) });
    const end = rig.in(HOUR_MS);
    await rig.grant({ grantId: 'g0', seconds: 600 });
    for (let i = 1; i <= 12; i += 1) {
      await rig.pass(5 * MINUTE_MS - 1);
      // In turn: the same grant for longer, and a new one over it.
      const jobId = await rig.grant({ grantId: i % 2 === 0 ? 'g0' : `g${i}`, expiresAt: rig.in(10 * MINUTE_MS) });
      assert.equal(rig.outcomeOf(jobId) === 'policy_denied', rig.in(10 * MINUTE_MS) > end, String(i));
      if (rig.outcomeOf(jobId) === 'policy_denied')
        assert.equal(errorOf(rig, jobId)?.rule, 'LATCHKEY_POLICY_FILE#/groups/0/maxGrant');
    }
    await rig.pass(end - rig.now());
    assert.ok(!rig.isMember(ada, group));
  });
});

describe('the rule of a group', () => {
  test('binds it after a rename, and whoever takes its name', async () => {
    const dn = groupDn('admins');
    const rules = { groups: [rule({ by: 'dn', dn }, { requestedBy: ['bot'] })] };
    const { rig } = await engineWith({ rules });
    rig.fake.goDown();
    rig.fake.goUp();
    await rig.pass(1);
    rig.fake.tree.rename(dn, groupDn('harmless'));
    assert.deepEqual(await grantsOf(rig, [1], { group: { dn: groupDn('harmless') } }), ['policy_denied']);
    rig.addGroup('admins');
    assert.deepEqual(await grantsOf(rig, [2], { group: { dn } }), ['policy_denied']);
    rig.addGroup('others');
    assert.deepEqual(await grantsOf(rig, [3], { group: 'others' }), ['granted']);
  });

  test('binds it after a restart, too, where it was renamed before', async () => {
    const { rig } = await engineWith({ rules: admins({ requestedBy: ['bot'] }) });
    rig.fake.goDown();
    rig.fake.goUp();
    await rig.pass(1);
    rig.fake.tree.rename(groupDn('admins'), groupDn('harmless'));
    const group = rig.fake.tree.group(groupDn('harmless'));
    assert.ok(group !== null);
    group.name = 'harmless';
    await rig.restart();
    await rig.pass(1);
    assert.deepEqual(await grantsOf(rig, [1], { group: 'harmless' }), ['policy_denied']);
    assert.deepEqual(rig.engine.status().ruleGroupsMissing, []);
    rig.fake.tree.delete(groupDn('harmless'));
    rig.engine.recheckProtected();
    await rig.engine.exclusive.groups();
    assert.deepEqual(rig.engine.status().ruleGroupsMissing, ['admins']);
  });

  test('that means no group is an error in the log and told by status, and binds whoever goes by it later', async () => {
    const { rig } = await engineWith({ rules: { groups: [rule({ by: 'name', name: 'none' }, { requestedBy: ['bot'] })] } });
    rig.fake.goDown();
    rig.fake.goUp();
    await rig.pass(1);
    assert.deepEqual(rig.engine.status().ruleGroupsMissing, ['none']);
    const [line] = rig.log.lines.filter(({ event }) => event === 'policy.rule-group-missing');
    assert.ok(line?.level === 'error' && line.message.includes('LATCHKEY_POLICY_FILE#/groups/0'));
    rig.addGroup('none');
    assert.deepEqual(await grantsOf(rig, [1], { group: 'none' }), ['policy_denied']);
    await rig.pass(MINUTE_MS);
    assert.deepEqual(await grantsOf(rig, [2], { group: 'none' }), ['policy_denied']);
    assert.deepEqual(rig.engine.status().ruleGroupsMissing, []);
  });
});

describe('an exclusive group', () => {
  test('is told once each time that others are in it, over restarts too, and nobody is taken out', async () => {
    const { rig, admins: group } = await engineWith({ rules: admins({ exclusive: true }) });
    const [found] = await rig.engine.exclusive.groups();
    assert.equal(found, rig.fake.tree.group(group)?.id);
    assert.ok(found !== undefined);
    const [one, other] = ['u1', 'u2'].map((name) => rig.fake.tree.at(userDn(name))?.id);
    assert.ok(one !== undefined && other !== undefined);
    const others = (userIds: readonly EntryId[], outside = 0) =>
      rig.engine.exclusive.found({ groupId: found, userIds, users: userIds.length, outside });
    const count = () => rig.of('policy.tripped').length;
    await others([]);
    assert.equal(count(), 0);
    await others([one]);
    await others([one]);
    await settled();
    assert.equal(count(), 1);
    const { detail } = rig.of('policy.tripped')[0] ?? { detail: '' };
    assert.ok(detail.includes('u1') && detail.includes('LATCHKEY_POLICY_FILE#/groups/0/exclusive'), detail);
    await rig.restart();
    await rig.engine.exclusive.groups();
    await others([one]);
    await settled();
    assert.equal(count(), 1);
    await others([one, other], 3);
    await settled();
    assert.equal(count(), 2);
    await others([]);
    await others([one]);
    await settled();
    assert.equal(count(), 3);
    assert.deepEqual(new Set(trips(rig)), new Set(['exclusive']));
    assert.equal(rig.ledger.auditRecords().filter(({ kind }) => kind === 'policy.tripped').length, 3);
  });

  test('is none that a more specific rule says is not', async () => {
    const dn = groupDn('admins');
    const groups = [
      rule({ by: 'name', name: 'admins' }, { exclusive: true }, 0),
      rule({ by: 'dn', dn }, { exclusive: false }, 1),
    ];
    const { rig } = await engineWith({ rules: { groups } });
    assert.deepEqual(await rig.engine.exclusive.groups(), []);
  });
});

test('what a grant took is in the ledger with the grant, or neither is', async () => {
  const { rig } = await engineWith({ maxGrantsPerMinute: 1 });
  rig.crashAt('grant.pending-stored');
  await rig.grant({ user: 'u1' }).catch(() => undefined);
  assert.ok(rig.hasCrashed());
  assert.equal(rig.ledger.peek().grants.get('g1' as GrantId)?.state, 'pending');
  await rig.start();
  assert.deepEqual(await grantsOf(rig, [2]), ['policy_denied']);
});
