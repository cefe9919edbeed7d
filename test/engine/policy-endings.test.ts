import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { NamedGroupRule } from '../../src/access/group-rules.ts';
import { DirectoryError } from '../../src/directory/directory.ts';
import { HOUR_MS, MINUTE_MS, startedEngine } from '../support/engine-under-test.ts';

const RULE: NamedGroupRule = {
  place: '/groups/0',
  group: { by: 'name', name: 'admins' },
  requestedBy: null,
  maxGrantMs: 8 * HOUR_MS,
  maxActiveGrants: null,
  rate: null,
  ratePerUser: null,
  exclusive: null,
};

/** A grant that was written as the process died; the next one finds a directory that refuses to look up the group of a rule. */
async function writtenAndUnclaimed() {
  let refuses = false;
  const { rig, ada, admins } = await startedEngine({
    rules: { groups: [RULE] },
    watch: {
      ledger: (ledger) => ledger,
      directory: (directory) => ({
        ...directory,
        async groupsNamed(name, signal) {
          if (refuses) throw new DirectoryError('refused', 'the search for the name exceeds a limit of the server');
          return directory.groupsNamed(name, signal);
        },
      }),
    },
  });
  rig.crashAt('grant.modify-answered');
  await rig.grant();
  assert.ok(rig.hasCrashed() && rig.isMember(ada, admins));
  refuses = true;
  await rig.start();
  await rig.pass(MINUTE_MS);
  return { rig, ada, admins };
}

describe('a rule whose group cannot be looked up', () => {
  test('keeps no grant from being claimed that was written before, and so none from its end', async () => {
    const { rig, ada, admins } = await writtenAndUnclaimed();
    assert.equal(await rig.stateOf(), 'active');
    await rig.pass(2 * HOUR_MS);
    assert.equal(await rig.stateOf(), 'ended');
    assert.ok(!rig.isMember(ada, admins));
  });

  test('keeps no revoke from ending one', async () => {
    const { rig, ada, admins } = await writtenAndUnclaimed();
    const revoke = await rig.revoke();
    await rig.pass(MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(rig.outcomeOf(revoke), 'revoked');
  });
});

describe('a grant that is found written after all, and whose group has become protected since', () => {
  test('ends at once, as any active grant of the group: after a crash', async () => {
    const options = { protectedGroups: [] as string[] };
    const { rig, ada, admins } = await startedEngine(options);
    rig.crashAt('grant.probed-after');
    await rig.grant();
    assert.ok(rig.hasCrashed() && rig.isMember(ada, admins));
    options.protectedGroups.push('admins');
    await rig.start();
    await rig.pass(MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
    assert.deepEqual(
      rig.of('grant.ended').map(({ cause }) => cause),
      ['policy'],
    );
  });

  test('and after an answer that was lost; where it cannot be told yet, it is asked again', async () => {
    for (const isRefused of [false, true]) {
      let refuses = false;
      const { rig, ada, admins } = await startedEngine({
        protectedGroups: ['tier-0'],
        watch: {
          ledger: (ledger) => ledger,
          directory: (directory) => ({
            ...directory,
            async protectorOf(asked, signal) {
              if (refuses) throw new DirectoryError('refused', 'the search exceeds a limit of the server');
              return directory.protectorOf(asked, signal);
            },
          }),
        },
      });
      const tier0 = rig.addGroup('tier-0');
      rig.engine.recheckProtected();
      await rig.pass(1);
      rig.fake.loseNextAnswer('applied');
      const job = await rig.grant();
      rig.fake.tree.apply({ group: tier0, attribute: 'member', add: [admins], remove: [] });
      refuses = isRefused;
      await rig.pass(MINUTE_MS / 2);
      assert.equal(rig.isMember(ada, admins), isRefused);
      refuses = false;
      await rig.pass(2 * MINUTE_MS);
      assert.equal(rig.outcomeOf(job), 'granted');
      assert.ok(!rig.isMember(ada, admins));
      assert.equal(await rig.stateOf(), 'ended');
    }
  });
});
