import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { groupDn, HOUR_MS, MINUTE_MS, settled, startedEngine, userDn, type Watch } from '../support/engine-under-test.ts';

const KEEPER = userDn('keeper');

describe('a group that leaves its name while a user is being added', () => {
  for (const when of ['before the modify', 'after the probe'] as const) {
    test(`for another one: the user is in neither once the grant is over (${when})`, async () => {
      const { rig, admins } = await startedEngine();
      const held = rig.fake.holdNext('change');
      const job = await rig.grant();
      await held.reached;
      const looking = rig.fake.holdNext('locateGroup');
      if (when === 'after the probe') {
        held.go();
        await looking.reached;
      }
      rig.fake.tree.rename(admins, groupDn('former'));
      const other = rig.addGroup('admins');
      held.go();
      looking.go();
      await rig.pass(HOUR_MS + MINUTE_MS);
      assert.equal(rig.outcomeOf(job), 'granted');
      assert.deepEqual(rig.fake.tree.group(other)?.values, [KEEPER]);
      assert.deepEqual(rig.fake.tree.group(groupDn('former'))?.values, [KEEPER]);
    });
  }

  test('and is deleted and made again: the user is not in the new one', async () => {
    const { rig, ada, admins } = await startedEngine();
    const held = rig.fake.holdNext('change');
    const job = await rig.grant();
    await held.reached;
    rig.fake.tree.delete(admins);
    rig.addGroup('admins');
    held.go();
    await rig.pass(10 * MINUTE_MS);
    assert.equal(rig.outcomeOf(job), 'group_not_found');
    assert.ok(!rig.isMember(ada, admins));
  });

  test('is found by its id where it was only renamed', async () => {
    const { rig, ada, admins } = await startedEngine();
    const looking = rig.fake.holdNext('change');
    const job = await rig.grant({ group: { dn: admins } });
    await looking.reached;
    const after = rig.fake.holdNext('locateGroup');
    looking.go();
    await after.reached;
    rig.fake.tree.rename(admins, groupDn('renamed'));
    after.go();
    await rig.pass(10_000);
    assert.equal(rig.outcomeOf(job), 'granted');
    await rig.pass(HOUR_MS);
    assert.ok(!rig.isMember(ada, groupDn('renamed')));
  });
});

describe('a user who is deleted while being added', () => {
  test('leaves nothing to whoever is made by that name', async () => {
    const { rig, ada, admins } = await startedEngine({ referentialIntegrity: false });
    const held = rig.fake.holdNext('change');
    const job = await rig.grant();
    await held.reached;
    rig.fake.tree.delete(ada);
    rig.addUser('ada');
    held.go();
    await rig.pass(1000);
    assert.ok(!rig.isMember(ada, admins));
    await rig.pass(10 * MINUTE_MS);
    assert.equal(rig.outcomeOf(job), 'user_not_found');
    assert.deepEqual(rig.fake.tree.group(admins)?.values, [KEEPER]);
  });
});

describe('a user who is renamed', () => {
  test('each time that an ending looks is looked at again with pauses, told as overdue, and taken out in the end', async () => {
    let looks = 0;
    let standsStill = true;
    const watch: Watch = {
      ledger: (ledger) => ledger,
      directory: (directory) => ({
        ...directory,
        async locateUser(id, signal) {
          const user = await directory.locateUser(id, signal);
          if (user === null || standsStill) return user;
          looks += 1;
          return { ...user, dn: userDn(`ada${looks}`) };
        },
      }),
    };
    const { rig, ada, admins } = await startedEngine({ watch });
    await rig.grant({ seconds: 60 });
    standsStill = false;
    await rig.pass(MINUTE_MS + 5000);
    assert.ok(rig.isMember(ada, admins));
    assert.ok(looks > 4 && looks < 40, `${looks} looks within seconds`);
    assert.ok(rig.told.some(({ kind }) => kind === 'grant.overdue'));
    standsStill = true;
    await rig.pass(2 * MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('there and back while being taken out is taken out', async () => {
    const { rig, ada, admins } = await startedEngine({ referentialIntegrity: true });
    await rig.grant();
    const held = rig.fake.holdNext('change');
    const revoke = await rig.revoke();
    await held.reached;
    rig.fake.tree.rename(ada, userDn('ada-new'));
    const looking = rig.fake.holdNext('locateGroup');
    held.go();
    await looking.reached;
    rig.fake.tree.rename(userDn('ada-new'), ada);
    looking.go();
    await rig.pass(MINUTE_MS);
    assert.equal(rig.outcomeOf(revoke), 'revoked');
    assert.ok(!rig.isMember(ada, admins));
  });

  for (const how of ['is not written', 'is denied'] as const) {
    test(`while another grant of theirs is looked up and ${how} keeps what is ours ours`, async () => {
      const { rig, ada, admins } = await startedEngine({ referentialIntegrity: true, maxGrantMs: 2 * HOUR_MS });
      await rig.grant();
      const held = rig.fake.holdNext('findGroup');
      const denied = how === 'is denied';
      const job = await rig.grant({ grantId: 'g2', ...(denied ? { seconds: 3 * 3600 } : {}) });
      await held.reached;
      rig.fake.tree.rename(ada, userDn('ada-new'));
      if (!denied) rig.fake.refuseNext('refused');
      held.go();
      await settled();
      assert.equal(rig.outcomeOf(job), denied ? 'policy_denied' : 'directory_refused');
      await rig.pass(HOUR_MS + MINUTE_MS);
      assert.equal(await rig.stateOf('g1'), 'ended');
      assert.ok(!rig.isMember(userDn('ada-new'), admins));
    });
  }

  test('there and back while being added is not told as granted while taking the name back may still undo it', async () => {
    const { rig, ada, admins } = await startedEngine({ referentialIntegrity: false });
    const held = rig.fake.holdNext('change');
    const job = await rig.grant();
    await held.reached;
    const looking = rig.fake.holdNext('locateUser');
    held.go();
    await looking.reached;
    rig.fake.tree.rename(ada, userDn('ada-new'));
    rig.fake.loseNextAnswer('applied_later');
    looking.go();
    await settled();
    rig.fake.tree.rename(userDn('ada-new'), ada);
    await rig.pass(2000);
    assert.equal(rig.outcomeOf(job), null);
    rig.fake.applyLate();
    await rig.pass(MINUTE_MS);
    assert.equal(rig.outcomeOf(job), 'granted');
    assert.ok(rig.isMember(ada, admins));
  });
});
