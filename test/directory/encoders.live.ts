import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import * as fc from 'fast-check';
import { type Dn, foldDn, parseDn } from '../../src/access/dn.ts';
import { startDs389 } from '../../src/sandbox/ds389.ts';
import { startOpenLdap } from '../../src/sandbox/openldap.ts';
import { startSambaAd } from '../../src/sandbox/samba-ad.ts';
import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';
import { child, type DirectoryAdmin, type DirectoryUnderTest, signal } from '../support/directory-contract/world.ts';
import { directoryWorld } from '../support/directory-world.ts';
import { ds389Admin } from '../support/ds389-admin.ts';
import { CORPUS } from '../support/injection-corpus.ts';
import { dn } from '../support/ldap-directory-under-test.ts';
import { type SentSearch, searchOf } from '../support/ldap-messages.ts';
import { startLdapProxy } from '../support/ldap-proxy.ts';
import { record } from '../support/ldif-admin.ts';
import { openLdapAdmin } from '../support/openldap-admin.ts';
import { sambaAdAdmin } from '../support/samba-ad-admin.ts';
import { atScale } from '../support/scale.ts';
import { seedOf } from '../support/seeded.ts';

/** What holds the values to search for: a DirectoryString on every server (RFC 4519 §2.5), where a mail address is ASCII. */
const ATTRIBUTE = 'description';
const COUNT = atScale({ sample: 40, full: 1_000 });
const BATCH = 500;
const SEED = seedOf(20_261_122);

interface Server {
  readonly name: string;
  readonly userRdn: 'uid' | 'cn';
  /** Characters that need care, as far as this server lets them stand in a name. */
  readonly special: string;
  readonly open: () => ReturnType<typeof opened>;
}

/** What the adapter sends is seen on the way. */
async function opened<S extends ThrowAwayDirectory>(start: () => Promise<S>, admin: (server: S) => DirectoryAdmin) {
  const server = await start();
  const sent: Buffer[] = [];
  const proxy = await startLdapProxy(server, (message) => void sent.push(message));
  const changes = { emailAttribute: ATTRIBUTE };
  const world = await directoryWorld({ ...server, ldapsUrl: proxy.url }, { admin, transport: 'ldaps', changes });
  return {
    server,
    sent,
    world: {
      ...world,
      async close() {
        await world.close();
        await proxy[Symbol.asyncDispose]();
      },
    },
  };
}

const SPECIAL = ' #+,;<=>"\\*()&|!~/:%\'`{}[]^$@?-_.';
const SERVERS: readonly Server[] = [
  { name: 'OpenLDAP', userRdn: 'uid', special: `${SPECIAL}\t\n\r`, open: () => opened(startOpenLdap, openLdapAdmin) },
  // Its default plug-ins keep a uid to ASCII, and it loses a line break at the beginning (see the flavour).
  { name: '389 Directory Server', userRdn: 'cn', special: `${SPECIAL}\t`, open: () => opened(startDs389, ds389Admin) },
  // It gives names with a line feed to what was deleted ([MS-ADTS] §3.1.1.5.5).
  { name: 'Samba Active Directory', userRdn: 'cn', special: `${SPECIAL}\t`, open: () => opened(startSambaAd, sambaAdAdmin) },
];

/** What every server keeps in the attribute, and reads back, as it is. */
const STORABLE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** Texts of any script, rich in what needs care, and most of all at their ends. A number within makes each the only one of its kind. */
function valuesFor(special: string): readonly string[] {
  const unit = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...Array.from(special)) },
    { weight: 2, arbitrary: fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 1 }) },
    { weight: 1, arbitrary: fc.constantFrom(...Array.from('äßñŁΩжあ漢ﬁ🙂\u00a0'), 'e\u0301') },
  );
  const end = fc.string({ unit, maxLength: 8 });
  const drawn = fc.sample(fc.tuple(end, end), { seed: SEED, numRuns: COUNT });
  return drawn.map(([head, tail], index) => `${head}${index}x${tail}`);
}

for (const { name, userRdn, special, open } of SERVERS) {
  suite(`encoders against ${name}, ${COUNT} values of seed ${SEED}`, () => {
    let server: ThrowAwayDirectory;
    let world: DirectoryUnderTest;
    let sent: Buffer[];
    const values = valuesFor(special);
    let users: readonly { readonly value: string; readonly dn: Dn }[];
    let group: Dn;

    before(async () => {
      ({ server, world, sent } = await open());
      users = values.map((value) => ({ value, dn: child({ type: userRdn, value }, world.usersScope) }));
      const keeper = child({ type: userRdn, value: 'keeper' }, world.usersScope);
      await world.admin.addUsers([
        { dn: keeper, uids: ['keeper'], mails: [] },
        ...users.map((user, index) => ({ dn: user.dn, uids: [`encoded-${index}`], mails: [] })),
      ]);
      const described = users.map((user) =>
        record(user.dn, 'modify', [
          ['add', ATTRIBUTE],
          [ATTRIBUTE, user.value],
        ]),
      );
      await server.modify(described.join('\n'));
      group = child({ type: 'cn', value: 'encoded' }, world.groupsScope);
      await world.admin.addGroup({ dn: group, name: 'encoded', attribute: 'member', values: [keeper] });
    });
    after(async () => world?.close());

    test('a name that was written is read by the server as the value, to the last character', async () => {
      const entries = await server.search({
        base: world.usersScope,
        scope: 'one',
        filter: `(${ATTRIBUTE}=*)`,
        attributes: [userRdn, ATTRIBUTE],
      });
      const held = new Map(entries.map(({ attributes }) => [attributes.get(ATTRIBUTE)?.[0], attributes.get(userRdn) ?? []]));
      for (const { value } of users) assert.ok(held.get(value)?.includes(value), JSON.stringify(value));
    });

    test('a name that was written, and a value that was searched for, are found as exactly that one entry', async () => {
      for (const user of users) {
        const id = await world.admin.idOf(user.dn);
        const byName = await world.directory.findUser({ by: 'dn', dn: user.dn }, null, signal);
        assert.equal(byName.kind === 'found' ? byName.entry.id : byName.kind, id, `by name: ${JSON.stringify(user.value)}`);
        const byValue = await world.directory.findUser({ by: 'email', email: user.value }, null, signal);
        assert.equal(byValue.kind === 'found' ? byValue.entry.id : byValue.kind, id, `by value: ${JSON.stringify(user.value)}`);
        const other = await world.directory.findUser({ by: 'email', email: `${user.value}y` }, null, signal);
        assert.equal(other.kind, 'not_found', `by another value: ${JSON.stringify(user.value)}`);
      }
    });

    test('members that were written are there, each as the probe says and as the administrator reads, and go again', async () => {
      const keeper = await server.members(group);
      for (let from = 0; from < users.length; from += BATCH) {
        const names = users.slice(from, from + BATCH).map((user) => user.dn);
        const added = await world.directory.change({ group, attribute: 'member', add: names, remove: [] }, names);
        assert.equal(added.result, 'ok');
        assert.deepEqual(
          names.filter((_name, index) => added.presences[index] !== 'member'),
          [],
        );
        const held = await server.members(group);
        assert.equal(held.length, keeper.length + names.length);
        const folded = new Set(held.map((member) => foldDn(dn(member))));
        for (const one of names) assert.ok(folded.has(foldDn(one)), one);
        const removed = await world.directory.change({ group, attribute: 'member', add: [], remove: names }, names);
        assert.equal(removed.result, 'ok');
        assert.deepEqual(
          names.filter((_name, index) => removed.presences[index] !== 'absent'),
          [],
        );
        assert.deepEqual(await server.members(group), keeper);
      }
    });

    test(`each of ${CORPUS.length} texts of an attacker is one value of a filter of the same shape, and finds exactly its own entry`, async () => {
      const holders = CORPUS.map((text, index) => ({
        text,
        dn: child({ type: 'cn', value: `holder ${index}` }, world.usersScope),
      }));
      const stored = holders.filter(({ text }) => STORABLE.test(text));
      assert.ok(stored.length > CORPUS.length / 2);
      await world.admin.addUsers(stored.map((user, index) => ({ dn: user.dn, uids: [`holder-${index}`], mails: [] })));
      await server.modify(
        stored
          .map((user) =>
            record(user.dn, 'modify', [
              ['add', ATTRIBUTE],
              [ATTRIBUTE, user.text],
            ]),
          )
          .join('\n'),
      );

      const searches = async (work: () => Promise<unknown>): Promise<readonly SentSearch[]> => {
        sent.length = 0;
        await work();
        return sent.map(searchOf).filter((search) => search !== null);
      };
      const found = async (text: string): Promise<string> => {
        const answer = await world.directory.findUser({ by: 'email', email: text }, null, signal);
        return answer.kind === 'found' ? foldDn(answer.entry.dn) : answer.kind;
      };
      const asked = (text: string) => [
        { as: 'email', ask: () => found(text) },
        { as: 'username', ask: () => world.directory.findUser({ by: 'username', username: text }, null, signal) },
        { as: 'group', ask: () => world.directory.findGroup({ by: 'name', name: text }, null, signal) },
      ];
      const shapes = new Map<string, Set<string>>();
      for (const harmless of ['nobody', users[0]?.value ?? ''])
        for (const { as, ask } of asked(harmless))
          shapes.set(as, new Set([...(shapes.get(as) ?? []), ...(await searches(ask)).map(({ shape }) => shape)]));

      let askedFor = 0;
      for (const { text, dn: holder } of holders) {
        for (const { as, ask } of asked(text)) {
          let answer: unknown;
          const made = await searches(async () => {
            answer = await ask();
          });
          for (const { shape } of made) assert.ok(shapes.get(as)?.has(shape), `${as}: ${shape} for ${JSON.stringify(text)}`);
          const asserted = made.flatMap((search) => search.values.map(String));
          assert.ok(
            made.length === 0 || asserted.includes(text.toWellFormed()),
            `${as}: ${JSON.stringify(text)} as ${asserted.join()}`,
          );
          if (made.length > 0) askedFor += 1;
          if (as === 'email') assert.equal(answer, STORABLE.test(text) ? foldDn(holder) : 'not_found', JSON.stringify(text));
        }
        // As a name beneath the scope it is the name of that one entry, which is not there.
        const own = child({ type: userRdn, value: text }, world.usersScope);
        const parsed = parseDn(own);
        const named = parsed.ok ? await world.directory.findUser({ by: 'dn', dn: parsed.value }, null, signal) : null;
        assert.ok(named === null || named.kind === 'not_found', JSON.stringify(text));
      }
      assert.ok(askedFor > 2 * CORPUS.length, `only ${askedFor} were asked for`);
    });
  });
}

test('a member whose name begins with a line break is refused and never told absent by 389 Directory Server, which cannot find it', async () => {
  const { world } = await opened(startDs389, ds389Admin);
  try {
    const user = child({ type: 'cn', value: '\nada' }, world.usersScope);
    const group = child({ type: 'cn', value: 'lost' }, world.groupsScope);
    await world.admin.addUser({ dn: user, uids: ['lost'], mails: [] });
    await world.admin.addGroup({ dn: group, name: 'lost', attribute: 'member', values: [] });
    await world.admin.change(group, { attribute: 'member', add: [user] });
    assert.equal((await world.admin.members(group)).length, 1);
    const found = await world.directory.findUser({ by: 'username', username: 'lost' }, null, signal);
    assert.match(found.kind === 'found' ? (found.entry.refusal ?? '') : found.kind, /begins with a line break.*rename the entry/);
    const [presence] = await world.directory.probe({ group, attribute: 'member', values: [user] }, signal);
    assert.equal(presence, 'unknown');
  } finally {
    await world.close();
  }
});
