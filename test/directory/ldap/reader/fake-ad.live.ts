import assert from 'node:assert/strict';
import { after, afterEach, before, suite, test } from 'node:test';
import type { Dn } from '../../../../src/access/dn.ts';
import type { ReadSink } from '../../../../src/directory/directory-reader.ts';
import { type FakeAd, refusing, type Script, startFakeAd } from '../../../support/fake-ad.ts';
import { addPerson, addTeam, failureOf, requestsOf } from '../../../support/fake-ad-directory.ts';
import { hearing, type LdapReaderChanges, ldapReader, readAll } from '../../../support/read-directory.ts';

const never = new AbortController().signal;

suite('the reader before what only Active Directory does', () => {
  let ad: FakeAd;
  let people: readonly Dn[];
  before(async () => {
    ad = await startFakeAd();
    people = Array.from({ length: 57 }, (_, i) => addPerson(ad, `person-${i}`).dn);
    addTeam(ad, 'small', people.slice(0, 3));
    addTeam(ad, 'large', people);
    addTeam(ad, 'empty');
  });
  afterEach(() => ad.mend());
  after(() => ad.close());

  test('a group that is given in ranges is read to its last member', async () => {
    for (const maxValRange of [1, 10, 19, 56, 57, 1_500]) {
      ad.traits.maxValRange = maxValRange;
      const { picture, heard } = await readAll(await ldapReader(ad));
      const groups = new Map([...picture.groups.values()].map((group) => [group.name, group.members]));
      assert.deepEqual(groups.get('large'), people.toSorted());
      assert.deepEqual(groups.get('small'), people.slice(0, 3).toSorted());
      assert.deepEqual(groups.get('empty'), []);
      assert.deepEqual(heard.kinds, ['user', 'group']);
    }
  });

  test('a range that is refused, or that breaks off, fails the read', async () => {
    ad.traits.maxValRange = 10;
    ad.every('search', onRange(refusing({ code: 51, text: 'busy' })));
    assert.equal((await failureOf(readAll(await ldapReader(ad)))).fault, 'busy');
    ad.mend();
    ad.traits.maxValRange = 10;
    ad.every('search', onRange(refusing({ code: 0 })));
    assert.match((await failureOf(readAll(await ldapReader(ad)))).message, /could not be read to the end/);
  });

  test('nobody is looked up one by one: as many searches read a few as read all', async () => {
    const searches = async (changes: LdapReaderChanges) => {
      const asked = requestsOf(ad, 'search').length;
      const { picture } = await readAll(await ldapReader(ad, changes));
      return { users: picture.users.size, searches: requestsOf(ad, 'search').length - asked };
    };
    const all = await searches({});
    const nobody = await searches({ userFilter: { kind: 'equality', attribute: 'mail', value: 'nobody@example.test' } });
    assert.deepEqual([all.users, nobody.users], [people.length, 0]);
    assert.equal(all.searches, nobody.searches);
  });

  test('pages that are empty are not the end, nor are ones that are smaller than was asked for', async () => {
    ad.traits.givesEmptyPages = true;
    ad.traits.maxPageSize = 7;
    const { picture } = await readAll(await ldapReader(ad));
    assert.equal(picture.users.size, people.length);
    assert.equal(picture.groups.size, 3);
  });

  test('other parts of the forest are named, and not asked', async () => {
    const { picture } = await readAll(await ldapReader(ad, { usersScope: [ad.baseDn], groupsScope: [ad.baseDn] }));
    assert.equal(picture.users.size, people.length + 1);
    assert.equal(new Set(requestsOf(ad, 'bind').map(({ name }) => name)).size, 1);
  });

  test('a size, time or administrative limit fails the read, and says what to do', async () => {
    for (const [code, advice] of [
      [3, /time limit/],
      [4, /limit of entries/],
      [11, /LDAP_PAGE_SIZE/],
    ] as const) {
      ad.every('search', ({ request, answer, send }) => {
        const isPage = request.kind === 'search' && request.scope === 'sub';
        if (isPage) refusing({ code })({ request, answer, send, disconnect: () => undefined, hangUp: () => undefined });
        else send(answer());
      });
      assert.match((await failureOf(readAll(await ldapReader(ad)))).message, advice);
      ad.mend();
    }
  });

  test('a server that takes us for another at the end fails the read', async () => {
    const reader = await ldapReader(ad);
    const { sink } = hearing();
    const forgetful: ReadSink = {
      ...sink,
      group(group) {
        ad.traits.takesUsFor = 'another';
        sink.group(group);
      },
    };
    assert.match(
      (await failureOf(reader.readAll(forgetful, never))).message,
      /At the end of the read the directory takes us for another/,
    );
  });

  test('a server that forgets who we are, disconnects or hangs up between two pages fails the read', async () => {
    const endings: readonly (() => void)[] = [
      () => ad.forgetBinds(),
      () => ad.disconnectAll({ code: 52, text: 'going down' }),
      () => ad.hangUpAll(),
    ];
    for (const end of endings) {
      const { sink } = hearing();
      let isDone = false;
      const reader = await ldapReader(ad, { pageSize: 5 });
      const ending: ReadSink = {
        ...sink,
        user(user) {
          if (!isDone) end();
          isDone = true;
          sink.user(user);
        },
      };
      await failureOf(reader.readAll(ending, never));
    }
  });

  test('a server that says nothing more is given up after the read timeout', async () => {
    const reader = await ldapReader(ad, { readTimeoutMs: 300 });
    ad.every('search', ({ request, answer, send }) => {
      if (request.kind !== 'search' || request.scope !== 'sub') send(answer());
    });
    assert.match((await failureOf(readAll(reader))).message, /300|timed out|answer/i);
  });

  test('without numbers of changes in the root DSE there is no delta', async () => {
    const means = await (await ldapReader(ad)).means(never);
    assert.equal(means.name, null);
    assert.match(means.reason, /highestCommittedUSN/);
  });
});

/** A script for searches that ask for a range; others are answered. */
function onRange(script: Script): Script {
  return (exchange) => {
    const { request, answer, send } = exchange;
    const asksForRange = request.kind === 'search' && request.attributes.some((name) => name.includes(';range='));
    if (asksForRange) script(exchange);
    else send(answer());
  };
}
