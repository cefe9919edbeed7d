import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import { DirectoryError } from '../../src/directory/directory.ts';
import {
  type EngineUnderTest,
  type EngineUnderTestOptions,
  HOUR_MS,
  MINUTE_MS,
  settled,
  startedEngine,
  userDn,
} from '../support/engine-under-test.ts';
import { PERSONALITIES } from '../support/fake-servers.ts';

const PROTECTED: EngineUnderTestOptions = { protectedGroups: ['tier-0'] };

/** With `tier-0`, which the configuration protects, and `admins` in a group that is in it; the groups from below. */
async function started(options: EngineUnderTestOptions = PROTECTED) {
  const world = await startedEngine(options);
  const { rig, admins } = world;
  const middle = rig.addGroup('middle');
  const tier0 = rig.addGroup('tier-0', [userDn('keeper'), middle]);
  return { ...world, middle, tier0, nest: () => put(rig, middle, admins), takeOut: () => take(rig, middle, admins) };
}

const put = (rig: EngineUnderTest, group: Dn, member: Dn) =>
  void rig.fake.tree.apply({ group, attribute: 'member', add: [member], remove: [] });
const take = (rig: EngineUnderTest, group: Dn, member: Dn) =>
  void rig.fake.tree.apply({ group, attribute: 'member', add: [], remove: [member] });

/** A sync is over; resolves once the groups were looked at, but for what needs time. */
async function recheck(rig: EngineUnderTest): Promise<void> {
  rig.engine.recheckProtected();
  for (let left = 5; left > 0; left -= 1) await settled();
  await rig.pass(0);
}

const endings = (rig: EngineUnderTest) =>
  rig.of('grant.ended').map(({ grant, cause, membership }) => `${grant.grantId} ${cause} ${membership}`);
const errorOf = (rig: EngineUnderTest, jobId: string) => {
  const [failed] = rig.of('job.failed').filter((event) => event.jobId === jobId);
  assert.ok(failed !== undefined);
  return failed.error;
};
const changesOf = (rig: EngineUnderTest): number => rig.fake.operations.filter(({ method }) => method === 'change').length;
const asksOf = (rig: EngineUnderTest): number => rig.fake.operations.filter(({ method }) => method === 'protectorOf').length;

suite('a grant of a group that is nested in a protected one', () => {
  test('is refused as that, and says by what way, and nothing is written', async () => {
    const { rig, nest, admins, middle, tier0 } = await started();
    nest();
    const job = await rig.grant();
    const { code, message } = errorOf(rig, job);
    assert.equal(code, 'group_protected');
    assert.ok(message.includes(`"${admins}" in "${middle}" in "${tier0}"`), message);
    assert.equal(changesOf(rig), 0);
  });

  test('is refused however deep it is, and whatever circles there are', async () => {
    const { rig, admins, middle } = await started();
    let below = rig.addGroup('below-0', [admins, middle]);
    for (let i = 1; i < 12; i += 1) below = rig.addGroup(`below-${i}`, [below]);
    put(rig, middle, below);
    assert.equal(errorOf(rig, await rig.grant()).code, 'group_protected');
  });

  test('is refused where the protected one lies outside the scopes, is known by its id, and has another name by now', async () => {
    const { rig, nest, tier0 } = await started();
    await rig.grant({ grantId: 'g0' });
    rig.fake.tree.rename(tier0, 'cn=renamed,ou=elsewhere,dc=example,dc=test' as Dn);
    nest();
    assert.equal(errorOf(rig, await rig.grant({ user: 'ada' })).code, 'group_protected');
  });

  test('is refused where it was renamed before a restart, and so are grants of itself', async () => {
    const { rig, nest, tier0 } = await started();
    await recheck(rig);
    const renamed = 'cn=renamed,ou=groups,dc=example,dc=test' as Dn;
    rig.fake.tree.rename(tier0, renamed);
    const group = rig.fake.tree.group(renamed);
    assert.ok(group !== null);
    group.name = 'renamed';
    nest();
    await rig.restart();
    await rig.pass(1);
    assert.equal(errorOf(rig, await rig.grant()).code, 'group_protected');
    assert.equal(errorOf(rig, await rig.grant({ grantId: 'g2', group: 'renamed' })).code, 'group_protected');
    assert.deepEqual(rig.engine.status().protectedGroupsMissing, []);
    rig.fake.tree.delete(renamed);
    await recheck(rig);
    assert.deepEqual(rig.engine.status().protectedGroupsMissing, ['tier-0'], 'it is said once it is gone');
  });

  test('is made once the nesting is taken out', async () => {
    const { rig, nest, takeOut } = await started();
    nest();
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'g1' })), 'group_protected');
    takeOut();
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'g2' })), 'granted');
  });

  test('waits where it cannot be told, and is made or refused when it can', async () => {
    for (const outcome of ['granted', 'group_protected'] as const) {
      const { rig, nest, tier0, middle, takeOut } = await started();
      nest();
      rig.fake.tree.hideMembers(tier0);
      rig.fake.tree.hideMembers(middle);
      const job = await rig.grant();
      await rig.pass(MINUTE_MS);
      assert.equal(rig.outcomeOf(job), null);
      assert.equal(rig.of('job.delayed').at(-1)?.error.code, 'directory_refused');
      assert.equal(changesOf(rig), 0);
      rig.fake.tree.showAll();
      if (outcome === 'granted') takeOut();
      await rig.pass(5 * MINUTE_MS);
      assert.equal(rig.outcomeOf(job), outcome);
    }
  });

  test('fails as expired, and never as a membership, where it is not told in time', async () => {
    const { rig, tier0 } = await started();
    rig.fake.tree.hideMembers(tier0);
    const job = await rig.grant();
    await rig.pass(20 * MINUTE_MS);
    assert.equal(errorOf(rig, job).code, 'job_expired');
    assert.equal(changesOf(rig), 0);
  });

  test('waits where the group says that it is in one which nobody shows', async () => {
    const { rig, admins } = await started({ personality: PERSONALITIES.samba });
    const hidden = rig.addGroup('hidden', [admins]);
    rig.fake.tree.hide(hidden);
    const job = await rig.grant();
    await rig.pass(MINUTE_MS);
    assert.equal(rig.outcomeOf(job), null);
  });

  test('is refused by a group that rules over the directory, unless that is released and nothing else protects', async () => {
    const builtIn = { builtIn: 'Domain Admins' };
    for (const { options, expected } of [
      { options: {}, expected: 'group_protected' },
      { options: { unprotectedGroups: ['tier-0'] }, expected: 'granted' },
      { options: { unprotectedGroups: ['tier-0'], protectedGroups: ['middle'] }, expected: 'group_protected' },
      { options: { unprotectedGroups: ['admins'] }, expected: 'granted' },
      { options: { unprotectedGroups: ['admins', 'tier-0'], protectedGroups: ['tier-0'] }, expected: 'group_protected' },
    ]) {
      const { rig, nest, tier0 } = await started(options);
      const entry = rig.fake.tree.group(tier0);
      assert.ok(entry !== null);
      entry.facts = builtIn;
      nest();
      assert.equal(rig.outcomeOf(await rig.grant()), expected, JSON.stringify(options));
    }
  });

  test('is refused as that before any other policy', async () => {
    const { rig, nest } = await started({ ...PROTECTED, maxGrantMs: HOUR_MS });
    nest();
    assert.equal(rig.outcomeOf(await rig.grant({ seconds: 999_999 })), 'group_protected');
  });
});

suite('a group that becomes protected while grants of it are active', () => {
  test('ends them for that cause at the next sync, once, and says which group and by what way', async () => {
    const { rig, ada, admins, middle, tier0, nest } = await started();
    const bob = rig.addUser('bob');
    await rig.grant({ grantId: 'g1' });
    await rig.grant({ grantId: 'g2', user: 'bob' });
    await recheck(rig);
    assert.deepEqual(endings(rig), []);
    nest();
    await recheck(rig);
    await recheck(rig);
    assert.deepEqual(endings(rig).toSorted(), ['g1 policy removed', 'g2 policy removed']);
    assert.ok(!rig.isMember(ada, admins) && !rig.isMember(bob, admins));
    const [trip, ...others] = rig.of('policy.tripped');
    assert.deepEqual([trip?.rule, others.length], ['protected_group', 0]);
    assert.match(trip?.detail ?? '', new RegExp(`"${admins}" in "${middle}" in "${tier0}"`));
    assert.equal(rig.log.lines.filter(({ event }) => event === 'policy.tripped').length, 1);
    const audited = [...(await trailOf(rig, 'g1')), ...(await trailOf(rig, 'g2'))];
    assert.equal(audited.filter((kind) => kind === 'policy.tripped').length, 1);
    assert.equal(audited.filter((kind) => kind === 'grant.ending').length, 2);
  });

  test('is met by its own protection too: named, or ruling over the directory by now', async () => {
    const { rig, admins } = await started({ protectedGroups: ['soon'] });
    await rig.grant();
    const entry = rig.fake.tree.group(admins);
    assert.ok(entry !== null);
    entry.name = 'soon';
    await recheck(rig);
    assert.deepEqual(endings(rig), ['g1 policy removed']);

    const other = await started({});
    await other.rig.grant();
    const ruling = other.rig.fake.tree.group(other.admins);
    assert.ok(ruling !== null);
    ruling.facts = { builtIn: 'marked as privileged (adminCount is 1)' };
    await recheck(other.rig);
    assert.deepEqual(endings(other.rig), ['g1 policy removed']);
  });

  test('is found by a name that means another group since', async () => {
    const { rig, tier0, admins } = await started();
    await rig.grant();
    rig.fake.tree.delete(tier0);
    rig.addGroup('tier-0', [userDn('keeper'), admins]);
    await recheck(rig);
    assert.deepEqual(endings(rig), ['g1 policy removed']);
  });

  test('leaves standing access where it is', async () => {
    const { rig, ada, admins, nest } = await started();
    put(rig, admins, ada);
    assert.equal(rig.outcomeOf(await rig.grant()), 'already_standing');
    nest();
    await recheck(rig);
    assert.deepEqual(endings(rig), ['g1 policy kept_standing']);
    assert.ok(rig.isMember(ada, admins));
  });

  test('refuses an extension before it was looked at, and neither a shortening nor an end', async () => {
    const { rig, nest } = await started();
    await rig.grant({ seconds: 3600 });
    nest();
    assert.equal(rig.outcomeOf(await rig.grant({ seconds: 7200 })), 'group_protected');
    assert.equal(rig.outcomeOf(await rig.grant({ seconds: 1800 })), 'updated');
    assert.equal(rig.outcomeOf(await rig.revoke()), 'revoked');
  });

  test('is found without a sync, once an hour, and at a start', async () => {
    const { rig, nest } = await started();
    await rig.grant({ seconds: 40_000 });
    nest();
    await rig.pass(HOUR_MS + MINUTE_MS);
    assert.deepEqual(endings(rig), ['g1 policy removed']);

    const other = await started();
    await other.rig.grant({ seconds: 40_000 });
    other.nest();
    await other.rig.restart();
    await other.rig.pass(MINUTE_MS);
    assert.deepEqual(endings(other.rig), ['g1 policy removed']);
  });

  test('ends nothing where it cannot be told, says so once, and is looked at again', async () => {
    const { rig, ada, admins, tier0, middle, nest } = await started();
    await rig.grant({ seconds: 40_000 });
    nest();
    rig.fake.tree.hideMembers(tier0);
    rig.fake.tree.hideMembers(middle);
    await recheck(rig);
    await rig.pass(2 * MINUTE_MS);
    assert.equal(await rig.stateOf(), 'active');
    assert.ok(rig.isMember(ada, admins));
    assert.equal(rig.log.lines.filter(({ event, level }) => event === 'policy.not-checked' && level === 'warn').length, 1);
    rig.fake.tree.showAll();
    await rig.pass(2 * MINUTE_MS);
    assert.deepEqual(endings(rig), ['g1 policy removed']);
  });

  test('ends them where another protected name must not be looked up, which is said', async () => {
    let refuses = false;
    const { rig, nest } = await started({
      protectedGroups: ['unindexed', 'tier-0'],
      watch: {
        ledger: (ledger) => ledger,
        directory: (directory) => ({
          ...directory,
          async groupsNamed(name, signal) {
            if (refuses && name === 'unindexed') throw new DirectoryError('refused', 'the search exceeds a limit of the server');
            return directory.groupsNamed(name, signal);
          },
        }),
      },
    });
    await rig.grant({ seconds: 40_000 });
    refuses = true;
    nest();
    await recheck(rig);
    await rig.pass(MINUTE_MS);
    assert.deepEqual(endings(rig), ['g1 policy removed']);
    assert.ok(rig.log.lines.some(({ event, level }) => event === 'policy.not-checked' && level === 'warn'));
  });

  test('ends nothing where the nesting was taken out between the look and the end', async () => {
    let answered = (): void => undefined;
    const { rig, nest, takeOut } = await started({
      ...PROTECTED,
      watch: {
        ledger: (ledger) => ledger,
        directory: (directory) => ({
          ...directory,
          async protectorOf(asked, signal) {
            const answer = await directory.protectorOf(asked, signal);
            if (answer !== null) answered();
            return answer;
          },
        }),
      },
    });
    await rig.grant({ seconds: 40_000 });
    nest();
    answered = takeOut;
    await recheck(rig);
    await rig.pass(MINUTE_MS);
    assert.equal(await rig.stateOf(), 'active');
    assert.deepEqual(endings(rig), []);
  });

  test('ends nothing while the directory is away, nor where the group is not found', async () => {
    const { rig, admins, nest } = await started();
    await rig.grant({ seconds: 40_000 });
    nest();
    rig.fake.goDown();
    await recheck(rig);
    await rig.pass(MINUTE_MS);
    assert.equal(await rig.stateOf(), 'active');
    rig.fake.tree.hide(admins);
    rig.fake.goUp();
    await recheck(rig);
    assert.equal(await rig.stateOf(), 'active');
  });

  test('is asked for once for each group, however many grants there are', async () => {
    const { rig } = await started();
    for (let i = 0; i < 8; i += 1) {
      rig.addUser(`u${i}`);
      await rig.grant({ grantId: `g${i}`, user: `u${i}` });
    }
    const before = asksOf(rig);
    await recheck(rig);
    assert.equal(asksOf(rig) - before, 1);
  });

  test('ends a grant at which something is at work once that is over, and tells of the group once', async () => {
    const { rig, nest } = await started();
    rig.addUser('bob');
    await rig.grant({ grantId: 'g1' });
    await rig.grant({ grantId: 'g2', user: 'bob' });
    const held = rig.fake.holdNext('probe');
    const longer = await rig.grant({ grantId: 'g1', seconds: 7200 });
    await held.reached;
    nest();
    await recheck(rig);
    assert.deepEqual(endings(rig), ['g2 policy removed']);
    held.go();
    await rig.pass(MINUTE_MS);
    assert.deepEqual(endings(rig), ['g2 policy removed', 'g1 policy removed']);
    assert.equal(rig.outcomeOf(longer), 'updated');
    assert.equal(rig.of('policy.tripped').length, 1);
  });

  test('is told once and ends its grants once wherever the process dies', async () => {
    for (const point of ['end.stored', 'end.modify-answered', 'end.claimed'] as const) {
      const { rig, ada, admins, nest } = await started();
      rig.addUser('bob');
      await rig.grant({ grantId: 'g1', seconds: 40_000 });
      await rig.grant({ grantId: 'g2', user: 'bob', seconds: 40_000 });
      nest();
      rig.crashAt(point);
      await recheck(rig);
      assert.ok(rig.hasCrashed(), point);
      await rig.start();
      await rig.pass(5 * MINUTE_MS);
      assert.deepEqual(endings(rig).toSorted(), ['g1 policy removed', 'g2 policy removed'], point);
      assert.equal(rig.of('policy.tripped').length, 1, point);
      assert.ok(!rig.isMember(ada, admins));
    }
  });

  test('and another grant of it is refused from then on', async () => {
    const { rig, nest } = await started();
    await rig.grant();
    nest();
    await recheck(rig);
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'g2' })), 'group_protected');
  });
});

async function trailOf(rig: EngineUnderTest, grantId: string): Promise<readonly string[]> {
  const entries = await rig.ledger.auditOf({ grantId: grantId as never, after: 0, limit: 100 });
  return entries.map(({ record }) => record.kind);
}
