import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import { MINUTE_MS, startedEngine } from '../support/engine-under-test.ts';
import { PERSONALITIES } from '../support/fake-servers.ts';
import type { FakeGroupFacts, FakeUserFacts } from '../support/fake-tree.ts';

type Started = Awaited<ReturnType<typeof startedEngine>>;

function say({ rig, ada, admins }: Started, { user, group }: { user?: FakeUserFacts; group?: FakeGroupFacts }): void {
  const [one, other] = [rig.fake.tree.at(ada), rig.fake.tree.at(admins)];
  if (user !== undefined && one?.kind === 'user') one.facts = user;
  if (group !== undefined && other?.kind === 'group') other.facts = group;
}

const DISABLED = { user: { refusal: 'the user is disabled' } };
const DYNAMIC = { group: { refusal: 'its members follow from a search' } };
const PRIVILEGED = { group: { builtIn: 'Domain Admins' } };
const PRIMARY = { user: { primaryGroup: 'S-1-5-21-1-513' }, group: { primaryName: 'S-1-5-21-1-513' } };

describe('what the directory itself says', () => {
  for (const { what, facts, code } of [
    { what: 'a disabled user', facts: DISABLED, code: 'policy_denied' },
    { what: 'a dynamic group', facts: DYNAMIC, code: 'policy_denied' },
    { what: 'a group that rules over the directory', facts: PRIVILEGED, code: 'group_protected' },
  ]) {
    test(`refuses a grant to ${what}, and nothing is written`, async () => {
      const started = await startedEngine();
      const { rig, ada, admins } = started;
      say(started, facts);
      assert.equal(rig.outcomeOf(await rig.grant()), code);
      assert.ok(!rig.isMember(ada, admins));
    });

    test(`refuses an extension for ${what}, and neither its shortening nor its end`, async () => {
      const started = await startedEngine();
      const { rig, ada, admins } = started;
      await rig.grant({ seconds: 3600 });
      say(started, facts);
      assert.equal(rig.outcomeOf(await rig.grant({ seconds: 7200 })), code);
      assert.equal(rig.outcomeOf(await rig.grant({ seconds: 1800 })), 'updated');
      assert.equal(rig.outcomeOf(await rig.revoke()), 'revoked');
      assert.ok(!rig.isMember(ada, admins));
    });
  }

  test('of a group that rules over the directory gives way to LATCHKEY_UNPROTECTED_GROUPS, by name or by DN', async () => {
    for (const unprotectedGroups of [['ADMINS'], ['cn=Admins, ou=groups,dc=example,dc=test']]) {
      const started = await startedEngine({ unprotectedGroups });
      say(started, PRIVILEGED);
      assert.equal(started.rig.outcomeOf(await started.rig.grant()), 'granted');
    }
  });

  test('and a group that LATCHKEY_PROTECTED_GROUPS names stays protected, whatever is unprotected', async () => {
    const started = await startedEngine({ unprotectedGroups: ['admins'], protectedGroups: ['admins'] });
    say(started, PRIVILEGED);
    assert.equal(started.rig.outcomeOf(await started.rig.grant()), 'group_protected');
  });
});

describe('a primary group', () => {
  test('is standing: nothing is written, and its grant ends without a write', async () => {
    const started = await startedEngine({ personality: PERSONALITIES.samba });
    const { rig } = started;
    say(started, PRIMARY);
    assert.equal(rig.outcomeOf(await rig.grant()), 'already_standing');
    assert.equal(rig.outcomeOf(await rig.revoke()), 'kept_standing');
    assert.deepEqual(
      rig.fake.operations.filter(({ method }) => method === 'change'),
      [],
    );
  });

  test('that a group of ours became, by somebody else, is theirs to take away', async () => {
    const started = await startedEngine({ personality: PERSONALITIES.samba });
    const { rig, ada, admins } = started;
    await rig.grant({ seconds: 120 });
    // As Active Directory does it: the value goes when the user's own attribute says the same.
    rig.fake.tree.apply({ group: admins, attribute: 'member', add: [], remove: [ada] });
    say(started, PRIMARY);
    await rig.pass(3 * MINUTE_MS);
    assert.deepEqual(
      rig.of('grant.ended').map(({ membership }) => membership),
      ['kept_standing'],
    );
  });
});

describe('where values are links', () => {
  test('one by the name that a user of ours once had is another’s, and stays', async () => {
    const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES.samba });
    await rig.grant();
    // Deleted, made again under the same name, and put in by somebody: all of it between two looks.
    rig.fake.tree.delete(ada);
    rig.addUser('ada');
    rig.fake.tree.apply({ group: admins, attribute: 'member', add: [ada], remove: [] });
    const revoke = await rig.revoke();
    await rig.pass(5 * MINUTE_MS);
    assert.equal(rig.outcomeOf(revoke), 'already_absent');
    assert.ok(rig.isMember(ada, admins));
    assert.deepEqual(
      rig.of('grant.drifted').map(({ observed }) => observed),
      ['recreated'],
    );
  });

  test('a write of ours that is applied late to another person of the same name is left there, and reported', async () => {
    const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES.samba });
    rig.fake.loseNextAnswer('applied_later');
    const job = await rig.grant({ seconds: 60 });
    rig.fake.tree.delete(ada);
    rig.addUser('ada');
    rig.fake.applyLate();
    await rig.pass(5 * MINUTE_MS);
    assert.equal(rig.outcomeOf(job), 'user_not_found');
    assert.ok(rig.isMember(ada, admins));
    assert.deepEqual(
      rig.of('grant.drifted').map(({ grant, observed, action }) => `${grant.grantId} ${observed} ${action}`),
      ['g1 recreated reported'],
    );
  });

  test('a renamed user is taken out by the name that it has now', async () => {
    const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES.samba });
    await rig.grant();
    const renamed = ada.replace('ada', 'lovelace') as Dn;
    rig.fake.tree.rename(ada, renamed);
    assert.equal(rig.outcomeOf(await rig.revoke()), 'revoked');
    assert.ok(!rig.isMember(renamed, admins));
  });

  test('one whose entry cannot be seen is neither deleted nor believed to be gone', async () => {
    const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES.samba });
    await rig.grant();
    rig.fake.tree.hide(ada);
    const revoke = await rig.revoke();
    await rig.pass(5 * MINUTE_MS);
    assert.equal(rig.outcomeOf(revoke), null);
    assert.ok(rig.isMember(ada, admins));
    rig.fake.tree.showAll();
    await rig.pass(2 * MINUTE_MS);
    assert.equal(rig.outcomeOf(revoke), 'revoked');
    assert.ok(!rig.isMember(ada, admins));
  });
});
