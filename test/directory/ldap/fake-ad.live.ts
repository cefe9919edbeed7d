import assert from 'node:assert/strict';
import { after, afterEach, before, suite, test } from 'node:test';
import type { Filter } from '../../../src/access/filter.ts';
import { type FakeAd, startFakeAd } from '../../support/fake-ad.ts';
import { addPerson, addTeam, failureOf, requestsOf, upDirectory } from '../../support/fake-ad-directory.ts';
import { guidBytes } from '../../support/fake-ad-entries.ts';
import { PAGED_RESULTS, pageControls, resultMessage } from '../../support/fake-ad-messages.ts';
import { dn } from '../../support/ldap-directory-under-test.ts';

const signal = new AbortController().signal;

suite('what Active Directory does and Samba does not', { timeout: 60_000 }, () => {
  let ad: FakeAd;
  before(async () => {
    ad = await startFakeAd();
  });
  afterEach(() => ad.mend());
  after(() => ad.close());

  test('it is known by its capabilities, and its base is the default one of several naming contexts', async () => {
    await using directory = await upDirectory(ad, { baseDn: null });
    const status = directory.status();
    assert.ok(status.state === 'up');
    assert.deepEqual([status.view.flavour, status.view.vendor, status.view.baseDn], ['active-directory', 'Microsoft', ad.baseDn]);
  });

  test('an entry is looked up by the sixteen bytes of its objectGUID, whatever they are, and told by their text', async () => {
    await using directory = await upDirectory(ad);
    for (let index = 0; index < 40; index += 1) {
      const person = addPerson(ad, `guid-${index}`);
      const group = addTeam(ad, `guid-${index}-group`);
      const from = ad.requests.length;
      assert.deepEqual((await directory.locateUser(person.id, signal))?.dn, person.dn);
      assert.deepEqual((await directory.locateGroup(group.id, signal))?.id, group.id);
      const asserted = requestsOf(ad, 'search', from).flatMap(({ filter }) => assertionsOf(filter, 'objectGUID'));
      assert.deepEqual(asserted, [guidBytes(person.id), guidBytes(group.id)]);
    }
  });

  test('of a group whose members come in ranges, unasked, nobody is taken for absent, and no list is read', async () => {
    await using directory = await upDirectory(ad);
    const [last, outsider] = [addPerson(ad, 'last').dn, addPerson(ad, 'outsider').dn];
    const members = [...Array.from({ length: 2_999 }, (_, index) => dn(`CN=member-${index},${ad.usersScope}`)), last];
    const group = addTeam(ad, 'large', members).dn;
    const from = ad.requests.length;
    const values = [members[0] ?? last, members[1_499] ?? last, members[1_500] ?? last, last, outsider];
    const target = { group, attribute: 'member' as const };
    const expected = ['member', 'member', 'member', 'member', 'absent'];
    assert.deepEqual(await directory.probe({ ...target, values }, signal), expected);
    const added = await directory.change({ ...target, add: [outsider], remove: [] }, [outsider]);
    assert.deepEqual([added.result, ...added.presences], ['ok', 'member']);
    const removed = await directory.change({ ...target, add: [], remove: [last] }, [last, outsider]);
    assert.deepEqual([removed.result, ...removed.presences], ['ok', 'absent', 'member']);
    assert.equal((await directory.findGroup({ by: 'name', name: 'large' }, null, signal)).kind, 'found');
    for (const { attributes } of requestsOf(ad, 'search', from)) {
      assert.notEqual(attributes.length, 0);
      // One value at most shows that members can be read at all.
      const lists = attributes.filter((name) => /^(?:\*|member(?!;range=0-0$))/i.test(name));
      assert.deepEqual(lists, []);
    }
    const written = requestsOf(ad, 'modify', from).map(({ changes }) => changes);
    assert.deepEqual(written, [
      [{ operation: 'add', attribute: 'member', values: [outsider] }],
      [{ operation: 'delete', attribute: 'member', values: [last] }],
    ]);
  });

  test('a page that is empty and has a cookie is not the end of a list', async () => {
    await using directory = await upDirectory(ad);
    for (let index = 0; index < 10; index += 1) addPerson(ad, `listed-${index}`);
    const all = ad.tree.visible().filter(({ kind, dn: name }) => kind === 'user' && name.endsWith(ad.usersScope)).length;
    const counted = async () => (await directory.check(signal)).find(({ step }) => step === 'users')?.detail;
    assert.match((await counted()) ?? '', new RegExp(`^${all} users`));
    ad.traits.maxPageSize = 3;
    assert.match((await counted()) ?? '', new RegExp(`^${all} users`));
    ad.traits.givesEmptyPages = true;
    assert.match((await counted()) ?? '', new RegExp(`^${all} users`));
  });

  for (const { what, controls, expected } of [
    { what: 'that says not where it stands', controls: undefined, expected: /without saying where it stands/ },
    { what: 'that stands still', controls: pageControls('here'), expected: /the same place .* twice/ },
  ]) {
    test(`a paged list ${what} is not taken for the whole`, async () => {
      await using directory = await upDirectory(ad);
      addPerson(ad, `paged-${what.length}`);
      ad.every('search', ({ request, answer, send }) => {
        const isPaged = request.kind === 'search' && request.controls.has(PAGED_RESULTS);
        const last = resultMessage(request, { code: 0 }, controls === undefined ? {} : { controls });
        send(isPaged ? [...answer().slice(0, -1), last] : answer());
      });
      const step = (await directory.check(signal)).find((one) => one.step === 'users');
      assert.equal(step?.status, 'fail');
      assert.match(step?.detail ?? '', expected);
    });
  }

  test('an answer that the server cuts short is never one entry, and never absence', async () => {
    await using directory = await upDirectory(ad);
    const people = ['cut-1', 'cut-2', 'cut-3'].map((name) => addPerson(ad, name, 'cut@example.test'));
    ad.traits.maxPageSize = 1;
    const twins = { by: 'email', email: 'cut@example.test' } as const;
    assert.deepEqual(await directory.findUser(twins, null, signal), { kind: 'ambiguous', count: 2 });
    const ids = people.map(({ id }) => id);
    assert.equal((await failureOf(directory.locateUsers(ids, signal))).fault, 'refused');
    ad.traits.maxPageSize = 3;
    assert.deepEqual(
      (await directory.locateUsers(ids, signal)).map((user) => user?.id),
      ids,
    );
  });

  test('a deleted user is gone though each search names partitions elsewhere: those that this server has are searched too', async () => {
    await using directory = await upDirectory(ad);
    const [person, witness] = [addPerson(ad, 'leaving'), addPerson(ad, 'staying')];
    const missing = { entry: { id: person.id, dn: person.dn }, witness: { id: witness.id, dn: witness.dn } };
    assert.equal(await directory.sightGone(missing, signal), 'found');
    ad.tree.delete(person.dn);
    const from = ad.requests.length;
    assert.equal(await directory.sightGone(missing, signal), 'gone');
    const bases = requestsOf(ad, 'search', from)
      .filter(({ scope }) => scope === 'sub')
      .map(({ base }) => base);
    const contexts = ['', 'CN=Configuration,', 'CN=Schema,CN=Configuration,', 'DC=ForestDnsZones,', 'DC=DomainDnsZones,'];
    for (const context of contexts) assert.ok(bases.includes(`${context}${ad.baseDn}`), context);
  });

  for (const { what, traits, named } of [
    {
      what: 'a child domain, where an entry may have moved to',
      traits: { names: 'child_domain' },
      named: /\(ldap:\/\/emea\.[^ ]*\)/,
    },
    {
      what: 'a partition that this server has not',
      traits: { hasDnsZones: false },
      named: /ForestDnsZones.*DomainDnsZones/,
    },
  ] as const) {
    test(`one who is not found in a search that came with a reference to ${what}, is not proved to be gone`, async () => {
      await using directory = await upDirectory(ad);
      const person = addPerson(ad, 'away');
      ad.tree.delete(person.dn);
      Object.assign(ad.traits, traits);
      const missing = { entry: { id: person.id, dn: person.dn }, witness: null };
      assert.equal(await directory.sightGone(missing, signal), 'unproven');
      const baseStep = async () => (await directory.check(signal)).find(({ step }) => step === 'base');
      const warning = await baseStep();
      assert.equal(warning?.status, 'warn');
      assert.match(warning?.detail ?? '', named);
      ad.mend();
      assert.equal(await directory.sightGone(missing, signal), 'gone');
      assert.equal((await baseStep())?.status, 'ok');
    });
  }

  test('what came before a result that is no success counts for nothing', async () => {
    await using directory = await upDirectory(ad);
    const person = addPerson(ad, 'half-told');
    for (const code of [1, 3, 4, 10, 11, 12, 51, 52, 53, 80]) {
      void ad.next('search', ({ request, answer, send }) => send([...answer().slice(0, -1), resultMessage(request, { code })]));
      // The look-up has a limit of its own, and takes 4 for that.
      if (code === 4) assert.equal((await failureOf(directory.locateUser(person.id, signal))).fault, 'refused');
      else assert.equal((await failureOf(directory.locateUser(person.id, signal))).ldap?.resultCode, code);
    }
    assert.equal((await directory.locateUser(person.id, signal))?.id, person.id);
  });

  test('an entry that a conflict of replication has renamed is an entry like any other', async () => {
    await using directory = await upDirectory(ad);
    const person = addPerson(ad, 'twin\\0ACNF:3a2cdb51-58c4-4c66-bd84-b1205a582e86', 'twin@example.test');
    const group = addTeam(ad, 'conflict').dn;
    const found = await directory.findUser({ by: 'email', email: person.mail }, null, signal);
    assert.ok(found.kind === 'found');
    assert.equal(found.entry.id, person.id);
    const value = found.entry.dn;
    const added = await directory.change({ group, attribute: 'member', add: [value], remove: [] }, [value]);
    assert.deepEqual([added.result, ...added.presences], ['ok', 'member']);
    const removed = await directory.change({ group, attribute: 'member', add: [], remove: [value] }, [value]);
    assert.deepEqual([removed.result, ...removed.presences], ['ok', 'absent']);
  });

  test('references that come with an answer are not followed, and take nothing from what is there', async () => {
    await using directory = await upDirectory(ad, { usersScope: [], groupsScope: [] });
    const person = addPerson(ad, 'referred');
    const found = await directory.findUser({ by: 'email', email: person.mail }, null, signal);
    assert.ok(found.kind === 'found');
    assert.equal(found.entry.id, person.id);
    assert.equal((await directory.locateUser(person.id, signal))?.dn, person.dn);
  });
});

/** The bytes that are asserted of an attribute anywhere in a filter. */
function assertionsOf(filter: Filter, attribute: string): readonly Buffer[] {
  if ('filters' in filter) return filter.filters.flatMap((one) => assertionsOf(one, attribute));
  if (filter.kind === 'not') return assertionsOf(filter.filter, attribute);
  return filter.kind === 'equality' && filter.attribute === attribute ? [Buffer.from(filter.value)] : [];
}
