import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, afterEach, before, suite, test } from 'node:test';
import type { Dn } from '../../../src/access/dn.ts';
import { isPrimaryGroup } from '../../../src/directory/directory.ts';
import { gatheredDirectory } from '../../../src/directory/gathered-directory.ts';
import { type FakeAd, refusing, startFakeAd } from '../../support/fake-ad.ts';
import { addPerson, addTeam, requestsOf, upDirectory } from '../../support/fake-ad-directory.ts';
import { sidBytes } from '../../support/fake-ad-entries.ts';
import type { AdResult } from '../../support/fake-ad-messages.ts';
import { AD_RESULTS } from '../../support/fake-ad-results.ts';
import { dn } from '../../support/ldap-directory-under-test.ts';

const signal = new AbortController().signal;

suite("a modify and Active Directory's answers", { timeout: 60_000 }, () => {
  let ad: FakeAd;
  before(async () => {
    ad = await startFakeAd();
  });
  afterEach(() => ad.mend());
  after(() => ad.close());

  const add = (group: Dn, ...values: readonly Dn[]) => ({ group, attribute: 'member' as const, add: values, remove: [] });
  const remove = (group: Dn, ...values: readonly Dn[]) => ({ group, attribute: 'member' as const, add: [], remove: values });

  test('whoever is a member already, or is none, is known by the probe, whatever the answer', async () => {
    await using directory = await upDirectory(ad);
    const [inside, outside] = [addPerson(ad, 'inside').dn, addPerson(ad, 'outside').dn];
    const group = addTeam(ad, 'answers', [inside]).dn;
    const again = await directory.change(add(group, inside), [inside]);
    assert.deepEqual([again.result, again.ldap?.resultCode, ...again.presences], ['already_there', 68, 'member']);
    const absent = await directory.change(remove(group, outside), [outside, inside]);
    assert.deepEqual([absent.ldap?.resultCode, ...absent.presences], [53, 'absent', 'member']);
    // Of many, one that cannot be is enough.
    const batch = await directory.change(add(group, outside, inside), [outside, inside]);
    assert.deepEqual([batch.ldap?.resultCode, ...batch.presences], [68, 'absent', 'member']);
  });

  test('a member that does not exist is not the group that does not exist', async () => {
    await using directory = await upDirectory(ad);
    const nobody = dn(`CN=nobody,${ad.usersScope}`);
    const group = addTeam(ad, 'real').dn;
    const unknown = await directory.change(add(group, nobody), [nobody]);
    assert.deepEqual([unknown.ldap?.resultCode, ...unknown.presences], [32, 'absent']);
    const nothing = dn(`CN=nothing,${ad.groupsScope}`);
    const gone = await directory.change(add(nothing, nobody), [nobody]);
    assert.deepEqual([gone.result, gone.ldap?.resultCode, ...gone.presences], ['gone', 32, 'unknown']);
  });

  const refusals: Readonly<Record<string, AdResult>> = AD_RESULTS;
  for (const [name, result] of Object.entries(refusals)) {
    test(`the text of ${name} (${result.code}) is told, and decides nothing`, async () => {
      await using directory = await upDirectory(ad);
      const [inside, outside] = [addPerson(ad, `${name}-in`).dn, addPerson(ad, `${name}-out`).dn];
      const group = addTeam(ad, name, [inside]).dn;
      for (const { change, applied } of [
        { change: add(group, outside), applied: false },
        { change: remove(group, inside), applied: false },
        { change: add(group, outside), applied: true },
        { change: remove(group, inside), applied: true },
      ]) {
        void ad.next('modify', (exchange) => {
          if (applied) exchange.answer();
          refusing(result)(exchange);
        });
        const answer = await directory.change(change, [inside, outside]);
        assert.deepEqual([answer.ldap?.resultCode, answer.ldap?.diagnosticMessage], [result.code, result.text]);
        const now = ad.tree.group(group)?.values ?? [];
        assert.deepEqual(
          answer.presences,
          [inside, outside].map((value) => (now.includes(value) ? 'member' : 'absent')),
        );
      }
    });
  }

  const oddities: readonly { what: string; spoil: (name: Dn, group: Dn) => void; code: number }[] = [
    { what: 'one that does not exist', spoil: (name) => ad.tree.delete(name), code: 32 },
    { what: 'one that is a member already', spoil: (name, group) => ad.tree.group(group)?.values.push(name), code: 68 },
  ];
  for (const { what, spoil, code } of oddities) {
    test(`of a hundred who are added together, ${what} keeps out nobody else`, async () => {
      await using directory = await upDirectory(ad);
      const gathered = gatheredDirectory({ directory, failPoints: () => undefined });
      const people = Array.from({ length: 100 }, (_, index) => addPerson(ad, `batch-${code}-${index}`).dn);
      const group = addTeam(ad, `batch-${code}`).dn;
      const [odd] = people.slice(77);
      assert.ok(odd !== undefined);
      spoil(odd, group);
      const from = ad.requests.length;
      const answers = await Promise.all(people.map((name) => gathered.change(add(group, name), [name])));
      assert.deepEqual(
        answers.flatMap(({ presences }) => presences),
        people.map((name) => (name === odd && code === 32 ? 'absent' : 'member')),
      );
      const members = new Set(ad.tree.group(group)?.values);
      assert.deepEqual(
        people.filter((name) => !members.has(name)),
        code === 32 ? [odd] : [],
      );
      if (code === 32) assert.equal(answers[77]?.ldap?.resultCode, 32);
      // One for all, and then two for each halving.
      assert.ok(requestsOf(ad, 'modify', from).length <= 1 + 2 * Math.ceil(Math.log2(people.length)));
    });
  }

  test('a success that changed nothing is found out', async () => {
    await using directory = await upDirectory(ad);
    const outside = addPerson(ad, 'believed').dn;
    const group = addTeam(ad, 'believing').dn;
    void ad.next('modify', refusing({ code: 0 }));
    const answer = await directory.change(add(group, outside), [outside]);
    assert.deepEqual([answer.result, ...answer.presences], ['ok', 'absent']);
  });

  test('a group that the account must not write says so by 50, and its members are as they were', async () => {
    await using directory = await upDirectory(ad);
    const person = addPerson(ad, 'kept-out').dn;
    const group = addTeam(ad, 'not-ours').dn;
    ad.traits.writable = ad.elsewhere;
    const answer = await directory.change(add(group, person), [person]);
    assert.deepEqual([answer.result, answer.ldap?.resultCode, ...answer.presences], ['refused', 50, 'absent']);
  });

  test('a referral of a read-only domain controller is told with the server that it names, and never followed', async () => {
    await using directory = await upDirectory(ad);
    const person = addPerson(ad, 'written').dn;
    const group = addTeam(ad, 'read-only').dn;
    let connections = 0;
    const writable = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    writable.listen(0, '127.0.0.1');
    await once(writable, 'listening');
    try {
      const address = writable.address();
      assert.ok(address !== null && typeof address === 'object');
      ad.traits.writableHost = `127.0.0.1:${address.port}`;
      const answer = await directory.change(add(group, person), [person]);
      assert.deepEqual([answer.result, answer.ldap?.resultName, ...answer.presences], ['refused', 'referral', 'absent']);
      assert.ok(answer.ldap?.diagnosticMessage.includes(ad.traits.writableHost));
      // Other servers name it beside the text only.
      void ad.next('modify', refusing({ code: 10, referral: [`ldap://${ad.traits.writableHost}/`] }));
      const mute = await directory.change(add(group, person), [person]);
      assert.ok(mute.ldap?.diagnosticMessage.includes(`ldap://${ad.traits.writableHost}/`));
      assert.equal(connections, 0);
    } finally {
      writable.close();
      await once(writable, 'close');
    }
  });

  for (const hiddenMembers of ['undefined', 'false'] as const) {
    test(`members that the account must not read are unknown, not absent, where an assertion about them is ${hiddenMembers}`, async () => {
      ad.traits.hiddenMembers = hiddenMembers;
      await using directory = await upDirectory(ad);
      const person = addPerson(ad, `unseen-${hiddenMembers}`).dn;
      const group = addTeam(ad, `veiled-${hiddenMembers}`, [person]).dn;
      ad.hideMembers(group);
      const values = Array.from({ length: 10 }, () => person);
      for (const asked of [[person], values])
        assert.deepEqual(
          await directory.probe({ group, attribute: 'member', values: asked }, signal),
          asked.map(() => 'unknown'),
        );
    });
  }

  test("a user's primary group is known by the user's own number of it", async () => {
    await using directory = await upDirectory(ad);
    const [person, other] = [addPerson(ad, 'primary'), addPerson(ad, 'secondary')];
    const group = addTeam(ad, 'domain-users');
    ad.show(group.id, { objectSid: [sidBytes(4_711)] });
    ad.show(person.id, { primaryGroupID: ['4711'] });
    const found = await directory.locateGroup(group.id, signal);
    const users = await directory.locateUsers([person.id, other.id], signal);
    assert.deepEqual(
      users.map((user) => user !== null && found !== null && isPrimaryGroup(user, found)),
      [true, false],
    );
  });

  for (const { what, shown } of [
    { what: 'disabled', shown: { userAccountControl: ['514'] } },
    { what: 'disabled beside other flags', shown: { userAccountControl: ['66050'] } },
  ]) {
    test(`a user that is ${what} is found, and refused with a reason`, async () => {
      await using directory = await upDirectory(ad);
      const person = addPerson(ad, what.replaceAll(' ', '-'));
      ad.show(person.id, shown);
      const found = await directory.findUser({ by: 'id', id: person.id }, null, signal);
      assert.ok(found.kind === 'found');
      assert.match(found.entry.refusal ?? '', /userAccountControl/);
    });
  }
});
