import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GroupRule } from '../../src/access/group-rules.ts';
import type { AskedGrant, ExplainedGrant } from '../../src/access/operator.ts';
import {
  type EngineUnderTestOptions,
  groupDn,
  HOUR_MS,
  type JobWords,
  MINUTE_MS,
  startedEngine,
  userDn,
} from '../support/engine-under-test.ts';

type Rig = Awaited<ReturnType<typeof startedEngine>>['rig'];

const SAYS_NOTHING: GroupRule = {
  place: '/groups/0',
  requestedBy: null,
  maxGrantMs: null,
  maxActiveGrants: null,
  rate: null,
  ratePerUser: null,
  exclusive: null,
};
const admins = (says: Partial<GroupRule>): EngineUnderTestOptions => ({
  rules: { groups: [{ ...SAYS_NOTHING, group: { by: 'name', name: 'admins' }, ...says }] },
});

async function explained(rig: Rig, asked: Partial<AskedGrant> = {}): Promise<ExplainedGrant> {
  const whole = { user: 'ada', group: 'admins', durationMs: HOUR_MS, requestedBy: null, ...asked };
  const answer = await rig.engine.operate({ request: 'explain', asked: whole }, () => undefined, new AbortController().signal);
  assert.ok(answer.answer === 'explained');
  return answer.explained;
}

interface Scene {
  readonly title: string;
  readonly options?: EngineUnderTestOptions;
  readonly before?: (rig: Rig) => Promise<unknown>;
  readonly asked?: Partial<AskedGrant>;
  readonly words?: JobWords;
  readonly rule?: string;
}

const bob = (rig: Rig) => {
  rig.addUser('bob');
  return rig.grant({ grantId: 'bob', user: 'bob' });
};
const hourly = { grants: 1, perMs: HOUR_MS };
const FILE = 'LATCHKEY_POLICY_FILE#/groups/0';

const SCENES: readonly Scene[] = [
  { title: 'a grant that nothing forbids', rule: 'LATCHKEY_MAX_GRANT' },
  { title: 'a pause', before: (rig) => rig.engine.operate({ request: 'pause', by: 'me', reason: null }, () => undefined, NEVER) },
  { title: 'a full disk', before: async (rig) => rig.ledger.setSpace('low') },
  { title: 'the rate of all', options: { maxGrantsPerMinute: 1 }, before: bob, rule: 'LATCHKEY_MAX_GRANTS_PER_MINUTE' },
  { title: 'a user out of scope', asked: { user: 'uid=x,dc=away' }, words: { user: { dn: 'uid=x,dc=away' } } },
  { title: 'a user who is nobody', asked: { user: 'nobody' }, words: { user: 'nobody' } },
  { title: 'a group that is none', asked: { group: 'none' }, words: { group: 'none' } },
  { title: 'a protected group', options: { protectedGroups: ['admins'] } },
  { title: 'a requester who may not ask', options: admins({ requestedBy: ['bot'] }), rule: `${FILE}/requestedBy` },
  {
    title: 'a requester who may',
    options: admins({ requestedBy: ['bot'], maxGrantMs: 2 * HOUR_MS }),
    asked: { requestedBy: 'bot' },
    words: { requestedBy: 'bot' },
    rule: `${FILE}/maxGrant`,
  },
  { title: 'a full group', options: admins({ maxActiveGrants: 1 }), before: bob, rule: `${FILE}/maxActiveGrants` },
  { title: 'the rate of a group', options: admins({ rate: hourly }), before: bob, rule: `${FILE}/rate` },
  {
    title: 'the rate of a user in it',
    options: admins({ ratePerUser: hourly }),
    before: (rig) => rig.grant({ grantId: 'first' }),
    rule: `${FILE}/ratePerUser`,
  },
  {
    title: 'too long a time in a full group',
    options: admins({ maxGrantMs: MINUTE_MS, maxActiveGrants: 1 }),
    before: async (rig) => {
      rig.addUser('bob');
      await rig.grant({ grantId: 'bob', user: 'bob', seconds: 30 });
    },
    rule: `${FILE}/maxGrant`,
  },
  { title: 'too long a time', options: admins({ maxGrantMs: MINUTE_MS }), rule: `${FILE}/maxGrant` },
  {
    title: 'too long a time since the membership began',
    options: { maxGrantMs: HOUR_MS },
    before: async (rig) => {
      await rig.grant({ grantId: 'first', seconds: 1800 });
      await rig.pass(MINUTE_MS);
    },
    rule: 'LATCHKEY_MAX_GRANT',
  },
  { title: 'another grant that holds it', before: (rig) => rig.grant({ grantId: 'first' }) },
  {
    title: 'standing access',
    before: async (rig) => {
      rig.addGroup('others', [userDn('ada')]);
    },
    asked: { group: groupDn('others') },
    words: { group: { dn: groupDn('others') } },
  },
];

const NEVER = new AbortController().signal;

for (const { title, options, before, asked, words, rule } of SCENES)
  test(`${title}: what is explained is what a job comes to, and explaining it takes and writes nothing`, async () => {
    const { rig } = await startedEngine(options);
    await before?.(rig);
    const audit = rig.ledger.auditRecords().length;
    const [first, again] = [await explained(rig, asked), await explained(rig, asked)];
    assert.deepEqual(again, first);
    assert.equal(rig.ledger.auditRecords().length, audit);
    const jobId = await rig.grant({ grantId: 'asked', seconds: 3600, ...words });
    assert.equal(first.result, rig.outcomeOf(jobId));
    const failed = rig.of('job.failed').find((event) => event.jobId === jobId);
    assert.equal(first.isGranted, failed === undefined);
    if (failed !== undefined) assert.equal(first.message, failed.error.message);
    if (failed?.error.rule !== undefined) assert.equal(first.rule, failed.error.rule);
    if (rule !== undefined) assert.equal(first.rule, rule);
    assert.ok(first.rule !== null);
  });

test('where the directory is away, that is what is explained', async () => {
  const { rig } = await startedEngine();
  rig.fake.goDown();
  const { result, isGranted } = await explained(rig);
  assert.deepEqual([result, isGranted], ['directory_unavailable', false]);
});

test('every rule that binds the group is told, whether it decides or not', async () => {
  const { rig } = await startedEngine(
    admins({ requestedBy: ['bot'], maxActiveGrants: 2, rate: hourly, exclusive: true, maxGrantMs: HOUR_MS }),
  );
  const { binds } = await explained(rig);
  assert.deepEqual(
    binds.map(({ rule }) => rule),
    [
      'LATCHKEY_MAX_GRANTS_PER_MINUTE',
      ...['requestedBy', 'maxActiveGrants', 'rate', 'maxGrant', 'exclusive'].map((name) => `${FILE}/${name}`),
    ],
  );
  assert.match(binds.map(({ says }) => says).join('\n'), /evenly, within 1h\n.*at most 1h\n/, 'spans as the file has them');
});
