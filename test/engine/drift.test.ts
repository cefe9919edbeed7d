import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import type { GrantId } from '../../src/access/ids.ts';
import {
  type EngineUnderTest,
  groupDn,
  HOUR_MS,
  MINUTE_MS,
  settled,
  startedEngine,
  userDn,
} from '../support/engine-under-test.ts';
import { PERSONALITIES } from '../support/fake-servers.ts';

type Started = Awaited<ReturnType<typeof startedEngine>>;

/** What somebody else does to the membership. */
const takeOut = ({ rig, ada, admins }: Started): void =>
  void rig.fake.tree.apply({ group: admins, attribute: 'member', add: [], remove: [ada] });
const putBack = ({ rig, ada, admins }: Started): void =>
  void rig.fake.tree.apply({ group: admins, attribute: 'member', add: [ada], remove: [] });

/** A sync suspects these grants; resolves once they were looked at, but for what needs time. */
async function suspect(rig: EngineUnderTest, ...grantIds: string[]): Promise<void> {
  rig.engine.suspect((grantIds.length === 0 ? ['g1'] : grantIds) as GrantId[]);
  await rig.pass(0);
  await settled();
}

const drifts = (rig: EngineUnderTest): readonly string[] =>
  rig.of('grant.drifted').map(({ grant, observed, action }) => `${grant.grantId} ${observed} ${action}`);
const endings = (rig: EngineUnderTest): readonly string[] =>
  rig.of('grant.ended').map(({ grant, cause, membership }) => `${grant.grantId} ${cause} ${membership}`);
const changesOf = (rig: EngineUnderTest): number => rig.fake.operations.filter(({ method }) => method === 'change').length;

suite('a membership that vanished under an active grant', () => {
  test('is told once, and not again while it stays away, after a restart neither', async () => {
    const world = await startedEngine();
    const { rig, ada, admins } = world;
    await rig.grant();
    takeOut(world);
    await suspect(rig);
    assert.deepEqual(drifts(rig), ['g1 absent reported']);
    await suspect(rig);
    await rig.restart();
    await suspect(rig);
    assert.deepEqual(drifts(rig), ['g1 absent reported']);
    assert.equal(await rig.stateOf(), 'active');
    assert.ok(!rig.isMember(ada, admins));
    await rig.pass(2 * HOUR_MS);
    assert.deepEqual(endings(rig), ['g1 expired already_absent']);
  });

  test('is told again if it came back by somebody else and vanished anew, and what came back is theirs', async () => {
    const world = await startedEngine();
    const { rig, ada, admins } = world;
    await rig.grant();
    takeOut(world);
    await suspect(rig);
    putBack(world);
    await suspect(rig);
    assert.deepEqual(drifts(rig), ['g1 absent reported']);
    takeOut(world);
    await suspect(rig);
    assert.deepEqual(drifts(rig), ['g1 absent reported', 'g1 absent reported']);
    putBack(world);
    await suspect(rig);
    await rig.revoke();
    assert.deepEqual(endings(rig), ['g1 revoked kept_standing']);
    assert.ok(rig.isMember(ada, admins));
  });

  test('is told of each active grant that stands for it', async () => {
    const world = await startedEngine();
    const { rig } = world;
    await rig.grant();
    await rig.grant({ grantId: 'g2' });
    takeOut(world);
    await suspect(rig, 'g1', 'g2');
    assert.deepEqual(drifts(rig), ['g1 absent reported', 'g2 absent reported']);
  });

  test('is told where it was standing access, which is over then', async () => {
    const world = await startedEngine();
    const { rig } = world;
    putBack(world);
    assert.equal(rig.outcomeOf(await rig.grant()), 'already_standing');
    takeOut(world);
    await suspect(rig);
    await suspect(rig);
    assert.deepEqual(
      rig.of('grant.drifted').map(({ grant, observed }) => [grant.standing, observed]),
      [[false, 'absent']],
    );
  });

  test('is what the probe says, whatever the sync had read', async () => {
    const { rig } = await startedEngine();
    await rig.grant();
    const before = rig.told.length;
    await suspect(rig);
    assert.equal(rig.told.length, before);
    assert.equal(await rig.stateOf(), 'active');
  });

  test('is not concluded from a probe without an answer, nor without a directory; it is looked at again', async () => {
    const world = await startedEngine();
    const { rig } = world;
    await rig.grant();
    takeOut(world);
    rig.fake.probesAreUnknown(true);
    await suspect(rig);
    assert.deepEqual(drifts(rig), []);
    rig.fake.probesAreUnknown(false);
    rig.fake.goDown();
    await rig.pass(MINUTE_MS);
    assert.deepEqual(drifts(rig), []);
    rig.fake.goUp();
    await rig.pass(MINUTE_MS);
    assert.deepEqual(drifts(rig), ['g1 absent reported']);
  });

  test('is left to the next sync where five looks had no answer', async () => {
    const world = await startedEngine();
    const { rig } = world;
    await rig.grant({ seconds: 7200 });
    rig.fake.probesAreUnknown(true);
    await suspect(rig);
    await rig.pass(20 * MINUTE_MS);
    const looked = rig.fake.operations.length;
    await rig.pass(20 * MINUTE_MS);
    assert.equal(rig.fake.operations.length, looked);
  });
});

suite('with LATCHKEY_DRIFT=restore, a membership that vanished', () => {
  test('is written again, with an intent and a probe, and ends with its grant', async () => {
    const world = await startedEngine({ drift: 'restore' });
    const { rig, ada, admins } = world;
    await rig.grant();
    takeOut(world);
    await suspect(rig);
    assert.ok(rig.isMember(ada, admins));
    assert.deepEqual(drifts(rig), ['g1 absent restored']);
    await rig.pass(2 * HOUR_MS);
    assert.ok(!rig.isMember(ada, admins));
    assert.deepEqual(endings(rig), ['g1 expired removed']);
  });

  test('is ours afterwards where it was standing access, and for every grant that shares it', async () => {
    const world = await startedEngine({ drift: 'restore' });
    const { rig, ada, admins } = world;
    putBack(world);
    await rig.grant();
    await rig.grant({ grantId: 'g2' });
    takeOut(world);
    await suspect(rig, 'g1', 'g2');
    assert.deepEqual(drifts(rig).toSorted(), ['g1 absent restored', 'g2 absent restored']);
    await rig.revoke();
    assert.ok(rig.isMember(ada, admins));
    await rig.revoke({ grantId: 'g2' });
    assert.deepEqual(endings(rig), ['g1 revoked kept_by_grant', 'g2 revoked removed']);
    assert.ok(!rig.isMember(ada, admins));
  });

  for (const { what, end } of [
    { what: 'revoked', end: ({ rig }: Started) => rig.revoke() },
    { what: 'expired', end: ({ rig }: Started) => rig.pass(HOUR_MS) },
  ])
    test(`stays away where its grant is ending (${what})`, async () => {
      const world = await startedEngine({ drift: 'restore' });
      const { rig, ada, admins } = world;
      await rig.grant({ seconds: 3600 });
      rig.fake.refuseNext('refused');
      await end(world);
      assert.equal(await rig.stateOf(), 'ending');
      takeOut(world);
      const before = changesOf(rig);
      await suspect(rig);
      assert.equal(changesOf(rig), before);
      await rig.pass(2 * MINUTE_MS);
      assert.ok(!rig.isMember(ada, admins));
      assert.deepEqual(drifts(rig), []);
    });

  test('stays away where its end has come while it was looked for', async () => {
    const world = await startedEngine({ drift: 'restore' });
    const { rig, ada, admins } = world;
    await rig.grant({ seconds: 60 });
    takeOut(world);
    const held = rig.fake.holdNext('locateUser');
    rig.engine.suspect(['g1' as GrantId]);
    await held.reached;
    rig.clock.advance(2 * MINUTE_MS);
    held.go();
    await rig.pass(5 * MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(await rig.stateOf(), 'ended');
    assert.ok(!drifts(rig).includes('g1 absent restored'));
  });

  for (const { what, options, facts } of [
    { what: 'its user is disabled', options: {}, facts: { refusal: 'the user is disabled' } },
    { what: 'its user has left the scope', options: {}, facts: { inScope: false } },
  ])
    test(`is told and not written where ${what}`, async () => {
      const world = await startedEngine({ drift: 'restore', ...options });
      const { rig, ada, admins } = world;
      await rig.grant();
      const entry = rig.fake.tree.at(ada);
      assert.ok(entry?.kind === 'user');
      entry.facts = facts as never;
      takeOut(world);
      const before = changesOf(rig);
      await suspect(rig);
      await suspect(rig);
      assert.equal(changesOf(rig), before);
      assert.ok(!rig.isMember(ada, admins));
      assert.deepEqual(drifts(rig), ['g1 absent reported']);
    });

  test('is told once where the directory refuses it', async () => {
    const world = await startedEngine({ drift: 'restore' });
    const { rig } = world;
    await rig.grant();
    takeOut(world);
    for (let sync = 0; sync < 2; sync += 1) {
      rig.fake.refuseNext('refused');
      await suspect(rig);
    }
    assert.deepEqual(drifts(rig), ['g1 absent reported']);
    await suspect(rig);
    assert.deepEqual(drifts(rig), ['g1 absent reported', 'g1 absent restored']);
  });

  for (const fate of ['applied', 'not_applied'] as const)
    test(`is written once where the answer is lost (${fate}), and is ours`, async () => {
      const world = await startedEngine({ drift: 'restore' });
      const { rig, ada, admins } = world;
      await rig.grant();
      takeOut(world);
      rig.fake.loseNextAnswer(fate);
      await suspect(rig);
      await rig.pass(MINUTE_MS);
      assert.ok(rig.isMember(ada, admins));
      assert.deepEqual(drifts(rig), ['g1 absent restored']);
      await rig.revoke();
      await rig.pass(MINUTE_MS);
      assert.deepEqual(endings(rig), ['g1 revoked removed']);
    });

  for (const point of ['grant.intent-stored', 'grant.modify-answered', 'grant.probed-after'] as const)
    test(`is ours after a crash at ${point}`, async () => {
      const world = await startedEngine({ drift: 'restore' });
      const { rig, ada, admins } = world;
      await rig.grant();
      takeOut(world);
      rig.crashAt(point);
      await suspect(rig);
      assert.ok(rig.hasCrashed());
      await rig.start();
      await rig.pass(MINUTE_MS);
      assert.ok(rig.isMember(ada, admins));
      assert.deepEqual(drifts(rig), ['g1 absent restored']);
      await rig.revoke();
      assert.deepEqual(endings(rig), ['g1 revoked removed']);
      assert.ok(!rig.isMember(ada, admins));
    });
});

suite('a new name', () => {
  for (const server of ['openldap_refint', 'samba'] as const)
    test(`of a user is followed where the value follows, told once, and ends by the new name (${server})`, async () => {
      const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES[server] });
      await rig.grant();
      const renamed = userDn('lovelace');
      rig.fake.tree.rename(ada, renamed);
      await suspect(rig);
      await suspect(rig);
      assert.deepEqual(drifts(rig), ['g1 renamed followed']);
      assert.equal((await rig.grantOf())?.pair?.user.dn, renamed);
      assert.equal(rig.of('grant.drifted')[0]?.grant.user?.dn, renamed);
      await rig.revoke();
      assert.ok(!rig.isMember(renamed, admins));
      assert.deepEqual(endings(rig), ['g1 revoked removed']);
    });

  test('of a group is followed, and a group that was moved', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant();
    await rig.grant({ grantId: 'g2' });
    const renamed = groupDn('owners');
    rig.fake.tree.rename(admins, renamed);
    await suspect(rig, 'g1', 'g2');
    const moved = 'cn=owners,ou=elsewhere,dc=example,dc=test' as Dn;
    rig.fake.tree.rename(renamed, moved);
    await suspect(rig);
    assert.deepEqual(drifts(rig), ['g1 renamed followed', 'g2 renamed followed', 'g1 moved followed']);
    assert.equal((await rig.grantOf())?.pair?.group.dn, moved);
    await rig.revoke();
    await rig.revoke({ grantId: 'g2' });
    assert.ok(!rig.isMember(ada, moved));
  });

  test('is not taken for the earlier one where another goes by that now, and is in the group by a link of theirs', async () => {
    const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES.samba });
    await rig.grant();
    const renamed = userDn('lovelace');
    rig.fake.tree.rename(ada, renamed);
    rig.fake.tree.apply({ group: admins, attribute: 'member', add: [], remove: [renamed] });
    rig.addUser('ada');
    rig.fake.tree.apply({ group: admins, attribute: 'member', add: [ada], remove: [] });
    await suspect(rig);
    assert.deepEqual(drifts(rig), ['g1 renamed followed', 'g1 absent reported']);
    await rig.revoke();
    assert.deepEqual(endings(rig), ['g1 revoked already_absent']);
    assert.ok(rig.isMember(ada, admins));
  });

  test('that the value does not follow is told once, and the earlier value is taken out at the end', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant();
    rig.fake.tree.rename(ada, userDn('lovelace'));
    await suspect(rig);
    await suspect(rig);
    assert.deepEqual(drifts(rig), ['g1 renamed reported']);
    await rig.revoke();
    await rig.pass(5 * MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
    assert.deepEqual(endings(rig), ['g1 revoked removed']);
  });

  test('that the value does not follow is written with restore, and both values end with the grant', async () => {
    const { rig, ada, admins } = await startedEngine({ drift: 'restore' });
    await rig.grant();
    const renamed = userDn('lovelace');
    rig.fake.tree.rename(ada, renamed);
    await suspect(rig);
    assert.ok(rig.isMember(renamed, admins));
    assert.deepEqual(drifts(rig), ['g1 renamed followed', 'g1 absent restored']);
    await rig.revoke();
    assert.ok(!rig.isMember(renamed, admins));
    assert.ok(!rig.isMember(ada, admins));
  });
});

suite('a grant whose user or group is gone', () => {
  for (const drift of ['report', 'restore'] as const)
    test(`ends with that cause after two sightings a minute apart (${drift})`, async () => {
      const { rig, ada, admins } = await startedEngine({ drift });
      rig.addUser('grace');
      await rig.grant({ seconds: 7200 });
      await rig.grant({ grantId: 'g2', user: 'grace', group: 'admins', seconds: 7200 });
      rig.fake.tree.delete(ada);
      await suspect(rig);
      assert.equal(await rig.stateOf(), 'active');
      await rig.pass(2 * MINUTE_MS);
      assert.deepEqual(drifts(rig), ['g1 user_gone ended']);
      assert.ok(endings(rig)[0]?.startsWith('g1 user_gone '));
      assert.ok(!rig.isMember(ada, admins));
      rig.fake.tree.delete(admins);
      await suspect(rig, 'g2');
      await rig.pass(2 * MINUTE_MS);
      assert.deepEqual(drifts(rig), ['g1 user_gone ended', 'g2 group_gone ended']);
      assert.deepEqual(endings(rig).slice(1), ['g2 group_gone already_absent']);
    });

  test('does not end where its place cannot be read', async () => {
    const { rig, ada } = await startedEngine();
    await rig.grant({ seconds: 7200 });
    rig.fake.tree.hide(ada);
    rig.fake.tree.hide(rig.fake.usersScope);
    await suspect(rig);
    await rig.pass(30 * MINUTE_MS);
    assert.equal(await rig.stateOf(), 'active');
    assert.deepEqual(drifts(rig), []);
  });

  test('does not end where a look-up missed the user and a session of its own finds it', async () => {
    let misses = false;
    const { rig, ada } = await startedEngine({
      watch: {
        ledger: (ledger) => ledger,
        directory: (directory) => ({
          ...directory,
          locateUser: async (id, signal) => (misses ? null : await directory.locateUser(id, signal)),
        }),
      },
    });
    await rig.grant({ seconds: 7200 });
    misses = true;
    await suspect(rig);
    await rig.pass(10 * MINUTE_MS);
    assert.ok(rig.fake.operations.some(({ method }) => method === 'sightGone'));
    assert.equal(await rig.stateOf(), 'active');
    assert.ok(rig.isMember(ada, groupDn('admins')));
    assert.deepEqual(drifts(rig), []);
  });
});

test('a group that was renamed while it was looked at is not taken for the one that has its name now', async () => {
  let onProbe = (): void => undefined;
  const { rig, ada, admins } = await startedEngine({
    watch: {
      ledger: (ledger) => ledger,
      directory: (directory) => ({
        ...directory,
        probe(asked, signal) {
          onProbe();
          return directory.probe(asked, signal);
        },
      }),
    },
  });
  await rig.grant();
  const renamed = groupDn('owners');
  onProbe = () => {
    onProbe = () => undefined;
    rig.fake.tree.rename(admins, renamed);
    rig.addGroup('admins');
  };
  await suspect(rig);
  assert.deepEqual(drifts(rig), []);
  await rig.pass(2 * MINUTE_MS);
  assert.deepEqual(drifts(rig), ['g1 renamed followed']);
  await rig.revoke();
  assert.ok(!rig.isMember(ada, renamed));
});

test('however many drift at once, few are looked at at a time, and an ending waits for none of them', async () => {
  let looks = 0;
  let most = 0;
  const world = await startedEngine({
    watch: {
      ledger: (ledger) => ledger,
      directory: (directory) => ({
        ...directory,
        async probe(asked, signal) {
          looks += 1;
          most = Math.max(most, looks);
          return await directory.probe(asked, signal).finally(() => {
            looks -= 1;
          });
        },
      }),
    },
  });
  const { rig, ada, admins } = world;
  await rig.grant({ seconds: 60 });
  const names = Array.from({ length: 40 }, (_, i) => `user${i}`);
  for (const name of names) {
    rig.addUser(name);
    await rig.grant({ grantId: `of-${name}`, user: name });
    rig.fake.tree.apply({ group: admins, attribute: 'member', add: [], remove: [userDn(name)] });
  }
  most = 0;
  const held = rig.fake.holdNext('probe');
  rig.engine.suspect(names.map((name) => `of-${name}` as GrantId));
  await held.reached;
  await settled();
  assert.ok(most > 0 && most <= 4, `${most} at a time`);
  await rig.pass(MINUTE_MS);
  assert.ok(!rig.isMember(ada, admins));
  assert.equal(await rig.stateOf(), 'ended');
  held.go();
  await rig.pass(MINUTE_MS);
  assert.equal(drifts(rig).length, names.length);
});
