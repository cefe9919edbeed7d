import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type AttributeTypeAndValue, type Dn, formatDn, parseDn, parseRdns } from '../../src/access/dn.ts';
import { type EntryId, parseEntryId } from '../../src/access/ids.ts';
import { MEMBER_ATTRIBUTES, type MemberAttribute } from '../../src/access/membership.ts';
import {
  type Directory,
  DirectoryError,
  type GroupEntry,
  type Resolution,
  type UserEntry,
} from '../../src/directory/directory.ts';
import { until } from './system.ts';

/** What somebody with all rights does to the directory, beside the adapter under test. */
export interface DirectoryAdmin {
  addUser(user: { dn: Dn; uids: readonly string[]; mails: readonly string[] }): Promise<void>;
  addGroup(group: { dn: Dn; name: string; attribute: MemberAttribute; values: readonly string[] }): Promise<void>;
  rename(dn: Dn, newDn: Dn): Promise<void>;
  delete(dn: Dn): Promise<void>;
  idOf(dn: Dn): Promise<EntryId>;
  members(group: Dn): Promise<readonly string[]>;
  change(group: Dn, change: { attribute: MemberAttribute; add?: readonly string[]; remove?: readonly string[] }): Promise<void>;
  /** The connector's account sees nothing at and beneath the name. */
  hide(dn: Dn): Promise<void>;
  /** The connector's account may not search or read the members of that group. */
  hideMembers(dn: Dn): Promise<void>;
  showAll(): Promise<void>;
}

export interface DirectoryUnderTest {
  /** Started and up. It looks for users beneath `usersScope`, for groups beneath `groupsScope`. */
  readonly directory: Directory;
  readonly admin: DirectoryAdmin;
  readonly baseDn: Dn;
  readonly usersScope: Dn;
  readonly groupsScope: Dn;
  /** A container beneath the base and outside both scopes. */
  readonly elsewhere: Dn;
  /** True where member values follow a rename and go with a deletion. */
  readonly hasReferentialIntegrity: boolean;
  /** The answer to the next request is lost after the directory has acted on it. */
  loseNextAnswer(): void;
  /** Resolves when the directory can be used again after a lost answer. */
  untilUp(): Promise<void>;
  close(): Promise<void>;
}

/** Values that need care in names and filters: special characters, blanks, other scripts (RFC 4514 §2.4, RFC 4515 §3). */
const AWKWARD_NAMES = [
  'Doe, Jane',
  'Research + Development',
  'say "hello"',
  ' leading blank',
  'trailing blank ',
  '#hash first',
  'back\\slash',
  'ends with backslash\\',
  'semi;colon',
  '<angle> = brackets',
  '(paren) * star',
  'slash/and:colon',
  'Zoë Ñandú-Łęcki',
  'ひろし 田中',
  '🙂 emoji',
];

/** What an attacker would write into a filter that is made of text. */
const INJECTIONS = ['*', '*)(uid=*', ')(uid=*', '*)(objectClass=*', 'a\0b', '\\2a', '(|(uid=*))', '\u0000', '%2a', '&', '!'];

const NO_SUCH_ID = '00000000-0000-4000-8000-00000000dead';

/** The contract of the port `Directory`: what every adapter, and the fake, must do. */
export function directoryContract(name: string, open: () => Promise<DirectoryUnderTest>): void {
  suite(`the directory contract: ${name}`, () => {
    let world: DirectoryUnderTest;
    before(async () => {
      world = await open();
    });
    after(() => world.close());
    const get = () => world;
    resolutionTests(get);
    ownEntryTests(get);
    awkwardNameTests(get);
    probeTests(get);
    changeTests(get);
    lastMemberTests(get);
    identityTests(get);
    goneTests(get);
    lostAnswerTests(get);
  });
}

type Get = () => DirectoryUnderTest;

const signal = new AbortController().signal;
let serial = 0;

function unique(prefix: string): string {
  serial += 1;
  return `${prefix}-${serial}`;
}

function child(rdn: AttributeTypeAndValue, parent: Dn): Dn {
  const above = parseRdns(parent);
  assert.ok(above.ok);
  return formatDn([[rdn], ...above.value]);
}

interface MadeUser {
  readonly id: EntryId;
  readonly dn: Dn;
  readonly uid: string;
  readonly mail: string;
}

async function makeUser(world: DirectoryUnderTest, options: { under?: Dn; mail?: string; cn?: string } = {}): Promise<MadeUser> {
  const uid = unique('user');
  const mail = options.mail ?? `${uid}@example.test`;
  const rdn = options.cn === undefined ? { type: 'uid', value: uid } : { type: 'cn', value: options.cn };
  const dn = child(rdn, options.under ?? world.usersScope);
  await world.admin.addUser({ dn, uids: [uid], mails: [mail] });
  return { id: await world.admin.idOf(dn), dn, uid, mail };
}

interface MadeGroup {
  readonly id: EntryId;
  readonly dn: Dn;
  readonly name: string;
  readonly attribute: MemberAttribute;
}

async function makeGroup(
  world: DirectoryUnderTest,
  options: { attribute?: MemberAttribute; values?: readonly string[]; under?: Dn; name?: string } = {},
): Promise<MadeGroup> {
  const { attribute = 'member' } = options;
  const name = options.name ?? unique('group');
  const dn = child({ type: 'cn', value: name }, options.under ?? world.groupsScope);
  const filler = attribute === 'memberUid' ? [] : [child({ type: 'uid', value: 'filler' }, world.usersScope)];
  await world.admin.addGroup({ dn, name, attribute, values: options.values ?? filler });
  return { id: await world.admin.idOf(dn), dn, name, attribute };
}

function found<Entry>(resolution: Resolution<Entry>): Entry {
  assert.equal(resolution.kind, 'found');
  assert.ok(resolution.kind === 'found');
  return resolution.entry;
}

async function presence(world: DirectoryUnderTest, group: MadeGroup, value: string) {
  const [only] = await world.directory.probe({ group: group.dn, attribute: group.attribute, values: [value] }, signal);
  return only;
}

function resolutionTests(get: Get): void {
  test('a user is found by name, id, e-mail address and username, and is then in scope', async () => {
    const { directory } = get();
    const { id, dn, uid, mail } = await makeUser(get());
    for (const ref of [
      { by: 'dn', dn },
      { by: 'id', id },
      { by: 'email', email: mail },
      { by: 'username', username: uid },
    ] as const) {
      const user: UserEntry = found(await directory.findUser(ref, null, signal));
      assert.deepEqual({ id: user.id, uids: user.uids, inScope: user.inScope }, { id, uids: [uid], inScope: true }, ref.by);
    }
  });

  test('a group is found by name, id and common name, with the attribute of its members', async () => {
    const { directory } = get();
    for (const attribute of MEMBER_ATTRIBUTES) {
      const { id, dn, name } = await makeGroup(get(), { attribute });
      for (const ref of [
        { by: 'dn', dn },
        { by: 'id', id },
        { by: 'name', name },
      ] as const) {
        const group: GroupEntry = found(await directory.findGroup(ref, null, signal));
        assert.deepEqual(
          { id: group.id, name: group.name, memberAttribute: group.memberAttribute, inScope: group.inScope },
          { id, name, memberAttribute: attribute, inScope: true },
        );
      }
    }
  });

  test('names, addresses and usernames are found in another spelling', async () => {
    const { directory } = get();
    const { id, dn, uid, mail } = await makeUser(get());
    const spelt = parseDn(dn.replace('uid=', 'UID = ').toUpperCase());
    assert.ok(spelt.ok);
    for (const ref of [
      { by: 'dn', dn: spelt.value },
      { by: 'email', email: mail.toUpperCase() },
      { by: 'username', username: uid.toUpperCase() },
    ] as const) {
      assert.equal(found(await directory.findUser(ref, null, signal)).id, id);
    }
  });

  test('what does not exist is not found', async () => {
    const { directory, usersScope, groupsScope } = get();
    const id = idOf(NO_SUCH_ID);
    const dn = child({ type: 'uid', value: 'nobody' }, usersScope);
    const refs = [
      { by: 'dn', dn },
      { by: 'id', id },
      { by: 'email', email: 'no@example.test' },
      { by: 'username', username: 'no' },
    ] as const;
    for (const ref of refs) assert.deepEqual(await directory.findUser(ref, null, signal), { kind: 'not_found' });
    const groupDn = child({ type: 'cn', value: 'nothing' }, groupsScope);
    for (const ref of [
      { by: 'dn', dn: groupDn },
      { by: 'id', id },
      { by: 'name', name: 'nothing' },
    ] as const)
      assert.deepEqual(await directory.findGroup(ref, null, signal), { kind: 'not_found' });
  });

  test('an address that several users have is ambiguous, and they are counted', async () => {
    const { directory } = get();
    const mail = `${unique('shared')}@example.test`;
    for (const count of [1, 2, 3]) {
      await makeUser(get(), { mail });
      const resolution = await directory.findUser({ by: 'email', email: mail }, null, signal);
      if (count === 1) assert.equal(resolution.kind, 'found');
      else assert.deepEqual(resolution, { kind: 'ambiguous', count });
    }
  });

  test('a name outside the scope is out of scope, whether an entry is there or not; any other reference finds nothing', async () => {
    const { directory, elsewhere } = get();
    const { id, dn, uid, mail } = await makeUser(get(), { under: elsewhere });
    const nothing = child({ type: 'uid', value: 'nobody' }, elsewhere);
    for (const outside of [dn, nothing])
      assert.deepEqual(await directory.findUser({ by: 'dn', dn: outside }, null, signal), { kind: 'out_of_scope' });
    for (const ref of [
      { by: 'id', id },
      { by: 'email', email: mail },
      { by: 'username', username: uid },
    ] as const)
      assert.deepEqual(await directory.findUser(ref, null, signal), { kind: 'not_found' });
    const group = await makeGroup(get(), { under: elsewhere });
    assert.deepEqual(await directory.findGroup({ by: 'dn', dn: group.dn }, null, signal), { kind: 'out_of_scope' });
    assert.deepEqual(await directory.findGroup({ by: 'id', id: group.id }, null, signal), { kind: 'not_found' });
    assert.deepEqual(await directory.findGroup({ by: 'name', name: group.name }, null, signal), { kind: 'not_found' });
  });

  test('a name that only looks like one beneath the scope is outside', async () => {
    const { directory, usersScope, baseDn } = get();
    const parsed = parseRdns(usersScope);
    assert.ok(parsed.ok);
    const lookalike = formatDn([[{ type: 'uid', value: 'x,' + usersScope }], ...rdns(baseDn)]);
    assert.deepEqual(await directory.findUser({ by: 'dn', dn: lookalike }, null, signal), { kind: 'out_of_scope' });
    const emptyName = parseDn('');
    assert.ok(emptyName.ok);
    assert.deepEqual(await directory.findUser({ by: 'dn', dn: emptyName.value }, null, signal), { kind: 'out_of_scope' });
  });

  test('a group is no user and a user is no group', async () => {
    const { directory, usersScope, groupsScope } = get();
    const user = await makeUser(get());
    const group = await makeGroup(get());
    assert.deepEqual(await directory.findUser({ by: 'dn', dn: usersScope }, null, signal), { kind: 'not_found' });
    assert.deepEqual(await directory.findGroup({ by: 'dn', dn: groupsScope }, null, signal), { kind: 'not_found' });
    assert.deepEqual(await directory.findUser({ by: 'id', id: group.id }, null, signal), { kind: 'not_found' });
    assert.deepEqual(await directory.findGroup({ by: 'id', id: user.id }, null, signal), { kind: 'not_found' });
  });

  test('no value is ever read as a filter', async () => {
    const { directory } = get();
    await makeUser(get());
    for (const text of INJECTIONS) {
      assert.deepEqual(await directory.findUser({ by: 'username', username: text }, null, signal), { kind: 'not_found' }, text);
      assert.deepEqual(await directory.findUser({ by: 'email', email: text }, null, signal), { kind: 'not_found' }, text);
      assert.deepEqual(await directory.findGroup({ by: 'name', name: text }, null, signal), { kind: 'not_found' }, text);
      assert.equal(await directory.occupant('memberUid', text, signal), null, text);
      assert.deepEqual(await directory.groupsNamed(text, signal), [], text);
    }
  });
}

function ownEntryTests(get: Get): void {
  test('a reference that names the recorded user finds it where it has moved to, and says that it is out of scope', async () => {
    const { directory, admin, elsewhere } = get();
    const user = await makeUser(get());
    const own = { id: user.id, dn: user.dn };
    const moved = child({ type: 'uid', value: user.uid }, elsewhere);
    await admin.rename(user.dn, moved);
    for (const ref of [
      { by: 'id', id: user.id },
      { by: 'dn', dn: user.dn },
      { by: 'dn', dn: moved },
    ] as const) {
      const entry = found(await directory.findUser(ref, own, signal));
      assert.deepEqual({ id: entry.id, inScope: entry.inScope }, { id: user.id, inScope: false });
    }
    assert.deepEqual(await directory.findUser({ by: 'id', id: user.id }, null, signal), { kind: 'not_found' });
  });

  test('a reference that names the recorded user finds it under its new name', async () => {
    const { directory, admin, usersScope } = get();
    const user = await makeUser(get());
    const own = { id: user.id, dn: user.dn };
    await admin.rename(user.dn, child({ type: 'uid', value: unique('renamed') }, usersScope));
    const entry = found(await directory.findUser({ by: 'dn', dn: user.dn }, own, signal));
    assert.deepEqual({ id: entry.id, inScope: entry.inScope }, { id: user.id, inScope: true });
  });

  test('a recorded name that another user has taken over names that other user', async () => {
    const { directory, admin, usersScope } = get();
    const user = await makeUser(get());
    const own = { id: user.id, dn: user.dn };
    await admin.rename(user.dn, child({ type: 'uid', value: unique('renamed') }, usersScope));
    await admin.addUser({ dn: user.dn, uids: [user.uid], mails: [] });
    assert.equal(found(await directory.findUser({ by: 'dn', dn: user.dn }, own, signal)).id, await admin.idOf(user.dn));
  });

  test('an address that the recorded user shares with another names the recorded user', async () => {
    const { directory } = get();
    const mail = `${unique('shared')}@example.test`;
    await makeUser(get(), { mail });
    const { id, dn } = await makeUser(get(), { mail });
    assert.equal(found(await directory.findUser({ by: 'email', email: mail }, { id, dn }, signal)).id, id);
  });

  test('a reference that names another than the recorded user finds the other', async () => {
    const { directory } = get();
    const [one, other] = [await makeUser(get()), await makeUser(get())];
    const own = { id: one.id, dn: one.dn };
    assert.equal(found(await directory.findUser({ by: 'dn', dn: other.dn }, own, signal)).id, other.id);
    assert.equal(found(await directory.findUser({ by: 'username', username: other.uid }, own, signal)).id, other.id);
  });

  test('the recorded group is found where it has moved to', async () => {
    const { directory, admin, elsewhere } = get();
    const group = await makeGroup(get());
    await admin.rename(group.dn, child({ type: 'cn', value: group.name }, elsewhere));
    const entry = found(await directory.findGroup({ by: 'dn', dn: group.dn }, { id: group.id, dn: group.dn }, signal));
    assert.deepEqual({ id: entry.id, inScope: entry.inScope }, { id: group.id, inScope: false });
  });
}

function awkwardNameTests(get: Get): void {
  for (const awkward of AWKWARD_NAMES) {
    test(`a user named ${JSON.stringify(awkward)} is found, becomes a member, and is one no longer`, async () => {
      const { directory, admin } = get();
      // Unique without a change to what is awkward about it.
      const { id, dn } = await makeUser(get(), { cn: awkward });
      const byName = found(await directory.findUser({ by: 'dn', dn }, null, signal));
      assert.equal(byName.id, id);
      assert.equal((await directory.locateUser(id, signal))?.id, id);
      for (const attribute of ['member', 'uniqueMember'] as const) {
        const group = await makeGroup(get(), { attribute });
        const add = { group: group.dn, attribute, add: [byName.dn], remove: [] };
        assert.deepEqual((await directory.change(add, [byName.dn, dn])).presences, ['member', 'member']);
        assert.equal((await admin.members(group.dn)).length, 2);
        assert.equal(await directory.occupant(attribute, dn, signal), id);
        const remove = { group: group.dn, attribute, add: [], remove: [dn] };
        assert.deepEqual((await directory.change(remove, [byName.dn, dn])).presences, ['absent', 'absent']);
        assert.equal((await admin.members(group.dn)).length, 1);
      }
      await admin.delete(dn);
    });
  }

  test('a group with an awkward name is found by it, and its members are changed', async () => {
    const { directory } = get();
    const user = await makeUser(get());
    for (const awkward of ['Ops, "core" + (all) * #1', ' blank ', 'trailing\\', '用户']) {
      const group = await makeGroup(get(), { name: awkward });
      assert.equal(found(await directory.findGroup({ by: 'name', name: awkward }, null, signal)).id, group.id);
      const byDn = found(await directory.findGroup({ by: 'dn', dn: group.dn }, null, signal));
      const add = { group: byDn.dn, attribute: 'member' as const, add: [user.dn], remove: [] };
      assert.deepEqual((await directory.change(add, [user.dn])).presences, ['member']);
    }
  });
}

function probeTests(get: Get): void {
  test('a probe tells members from others, in the order that was asked', async () => {
    const { directory } = get();
    const [inside, outside] = [await makeUser(get()), await makeUser(get())];
    for (const attribute of MEMBER_ATTRIBUTES) {
      const values = attribute === 'memberUid' ? [inside.uid, outside.uid] : [inside.dn, outside.dn];
      const group = await makeGroup(get(), { attribute, values: values.slice(0, 1) });
      const probed = { group: group.dn, attribute, values };
      assert.deepEqual(await directory.probe(probed, signal), ['member', 'absent']);
      assert.deepEqual(await directory.probe({ ...probed, values: values.toReversed() }, signal), ['absent', 'member']);
    }
  });

  test('a memberUid is a member only exactly as it is written', async () => {
    const user = await makeUser(get());
    const group = await makeGroup(get(), { attribute: 'memberUid', values: [user.uid] });
    assert.equal(await presence(get(), group, user.uid), 'member');
    assert.equal(await presence(get(), group, user.uid.toUpperCase()), 'absent');
  });

  test('a probe of many values answers each', async () => {
    const { directory } = get();
    const values = Array.from({ length: 60 }, (_, index) => `many-${index}`);
    const group = await makeGroup(get(), { attribute: 'memberUid', values: values.filter((_, index) => index % 3 === 0) });
    const presences = await directory.probe({ group: group.dn, attribute: 'memberUid', values }, signal);
    assert.deepEqual(
      presences,
      values.map((_, index) => (index % 3 === 0 ? 'member' : 'absent')),
    );
    assert.deepEqual(await directory.probe({ group: group.dn, attribute: 'memberUid', values: [] }, signal), []);
  });

  for (const attribute of MEMBER_ATTRIBUTES) {
    test(`${attribute}: a probe of hundreds of values is true of each, whatever was thought likely`, async () => {
      const { directory, usersScope } = get();
      const names = Array.from({ length: 300 }, (_, index) => `${unique('many')}-${index}`);
      const values = attribute === 'memberUid' ? names : names.map((value) => child({ type: 'uid', value }, usersScope));
      const sets = [values, [], values.filter((_, i) => i !== 177), values.filter((_, i) => i === 177), values.slice(0, 140)];
      for (const members of sets) {
        const group = await makeGroup(get(), { attribute, values: [...members, values[0] ?? ''].slice(0, members.length || 1) });
        const expected = values.map((value, i) =>
          members.includes(value) || (members.length === 0 && i === 0) ? 'member' : 'absent',
        );
        for (const likely of ['member', 'absent'] as const)
          assert.deepEqual(await directory.probe({ group: group.dn, attribute, values, likely }, signal), expected);
      }
    });
  }

  test('a probe of many awkward names answers each', async () => {
    const { directory, usersScope } = get();
    const values = [...AWKWARD_NAMES, ...INJECTIONS.filter((text) => !text.includes('\0') && text !== '\u0000')].map((value) =>
      child({ type: 'cn', value }, usersScope),
    );
    const members = values.filter((_, i) => i % 5 !== 1);
    const group = await makeGroup(get(), { values: members });
    const probe = (asked: readonly Dn[]) => directory.probe({ group: group.dn, attribute: 'member', values: asked }, signal);
    assert.deepEqual(
      await probe(values),
      values.map((_, i) => (i % 5 === 1 ? 'absent' : 'member')),
    );
    assert.deepEqual(
      await probe(members),
      members.map(() => 'member'),
    );
  });

  test('a group that is not there says nothing of one value, nor of many', async () => {
    const { directory, groupsScope } = get();
    const user = await makeUser(get());
    const group = child({ type: 'cn', value: 'nothing' }, groupsScope);
    for (const values of [[user.dn], Array.from({ length: 20 }, () => user.dn)])
      assert.deepEqual(
        await directory.probe({ group, attribute: 'member', values }, signal),
        values.map(() => 'unknown'),
      );
  });

  test('a group that cannot be seen, or whose members cannot, says nothing', async () => {
    const { admin } = get();
    const user = await makeUser(get());
    const group = await makeGroup(get(), { values: [user.dn] });
    try {
      await admin.hideMembers(group.dn);
      assert.equal(await presence(get(), group, user.dn), 'unknown');
      const probed = { group: group.dn, attribute: group.attribute, values: Array.from({ length: 20 }, () => user.dn) };
      assert.deepEqual(new Set(await get().directory.probe(probed, signal)), new Set(['unknown']));
      await admin.hide(group.dn);
      assert.equal(await presence(get(), group, user.dn), 'unknown');
    } finally {
      await admin.showAll();
    }
    assert.equal(await presence(get(), group, user.dn), 'member');
  });
}

function changeTests(get: Get): void {
  for (const attribute of MEMBER_ATTRIBUTES) {
    const valueOf = (user: MadeUser) => (attribute === 'memberUid' ? user.uid : user.dn);

    test(`${attribute}: a value is added and deleted, and others stay`, async () => {
      const { directory, admin } = get();
      const [user, other] = [await makeUser(get()), await makeUser(get())];
      const group = await makeGroup(get(), { attribute, values: [valueOf(other)] });
      const value = valueOf(user);
      const added = await directory.change({ group: group.dn, attribute, add: [value], remove: [] }, [value, valueOf(other)]);
      assert.deepEqual(added, { result: 'ok', ldap: null, presences: ['member', 'member'] });
      const removed = await directory.change({ group: group.dn, attribute, add: [], remove: [value] }, [value, valueOf(other)]);
      assert.deepEqual(removed, { result: 'ok', ldap: null, presences: ['absent', 'member'] });
      assert.deepEqual(await admin.members(group.dn), [valueOf(other)]);
    });

    test(`${attribute}: adding what is there, or deleting what is not, is a hint, and the presences are true`, async () => {
      const { directory } = get();
      const [user, other] = [await makeUser(get()), await makeUser(get())];
      const group = await makeGroup(get(), { attribute, values: [valueOf(user)] });
      const again = await directory.change({ group: group.dn, attribute, add: [valueOf(user)], remove: [] }, [valueOf(user)]);
      assert.equal(again.result, 'already_there');
      assert.deepEqual(again.presences, ['member']);
      assert.notEqual(again.ldap, null);
      const absent = await directory.change({ group: group.dn, attribute, add: [], remove: [valueOf(other)] }, [valueOf(other)]);
      assert.equal(absent.result, 'already_absent');
      assert.deepEqual(absent.presences, ['absent']);
    });

    test(`${attribute}: a change with one value that cannot be is refused as a whole`, async () => {
      const { directory, admin } = get();
      const [here, fresh, absent] = [await makeUser(get()), await makeUser(get()), await makeUser(get())];
      const group = await makeGroup(get(), { attribute, values: [valueOf(here)] });
      const adding = { group: group.dn, attribute, add: [valueOf(fresh), valueOf(here)], remove: [] };
      const added = await directory.change(adding, [valueOf(fresh), valueOf(here)]);
      assert.deepEqual([added.result, ...added.presences], ['already_there', 'absent', 'member']);
      const removing = { group: group.dn, attribute, add: [], remove: [valueOf(here), valueOf(absent)] };
      const removed = await directory.change(removing, [valueOf(here), valueOf(absent)]);
      assert.deepEqual([removed.result, ...removed.presences], ['already_absent', 'member', 'absent']);
      assert.deepEqual(await admin.members(group.dn), [valueOf(here)]);
    });

    test(`${attribute}: a value that comes twice is written once`, async () => {
      const { directory, admin } = get();
      const user = await makeUser(get());
      const value = valueOf(user);
      const twice = attribute === 'memberUid' ? [value, value] : [value, value.replace('uid=', 'UID=')];
      const group = await makeGroup(get(), { attribute });
      const count = (await admin.members(group.dn)).length;
      const added = await directory.change({ group: group.dn, attribute, add: twice, remove: [] }, [value]);
      assert.deepEqual([added.result, ...added.presences], ['ok', 'member']);
      assert.equal((await admin.members(group.dn)).length, count + 1);
      const removed = await directory.change({ group: group.dn, attribute, add: [], remove: twice }, [value]);
      assert.deepEqual([removed.result, ...removed.presences], ['ok', 'absent']);
    });
  }

  test('a hundred values go in and out in one change each', async () => {
    const { directory, admin } = get();
    const values = Array.from({ length: 100 }, (_, index) => child({ type: 'uid', value: `bulk-${index}` }, get().usersScope));
    const group = await makeGroup(get());
    const added = await directory.change({ group: group.dn, attribute: 'member', add: values, remove: [] }, values);
    assert.deepEqual(
      added.presences,
      values.map(() => 'member'),
    );
    const removed = await directory.change({ group: group.dn, attribute: 'member', add: [], remove: values }, values);
    assert.deepEqual(
      removed.presences,
      values.map(() => 'absent'),
    );
    assert.equal((await admin.members(group.dn)).length, 1);
  });

  for (const { what, spoil, result } of [
    { what: 'one is absent', spoil: (values: readonly Dn[]) => values.filter((_, i) => i !== 33), result: 'already_absent' },
    { what: 'they are all there are', spoil: (values: readonly Dn[]) => values, result: 'last_member' },
  ] as const) {
    test(`a hundred values that go out in one change all stay where ${what}`, async () => {
      const { directory, admin, usersScope } = get();
      const values = Array.from({ length: 100 }, (_, i) => child({ type: 'uid', value: `atomic-${i}` }, usersScope));
      const there = spoil(values);
      const group = await makeGroup(get(), { values: there });
      const answer = await directory.change({ group: group.dn, attribute: 'member', add: [], remove: values }, values);
      assert.equal(answer.result, result);
      assert.deepEqual(
        answer.presences,
        values.map((value) => (there.includes(value) ? 'member' : 'absent')),
      );
      assert.equal((await admin.members(group.dn)).length, there.length);
    });
  }

  test('a change of a group that is not there is answered as gone, and nothing is known', async () => {
    const { directory, groupsScope } = get();
    const user = await makeUser(get());
    const group = child({ type: 'cn', value: 'nothing' }, groupsScope);
    const answer = await directory.change({ group, attribute: 'member', add: [user.dn], remove: [] }, [user.dn]);
    assert.deepEqual([answer.result, ...answer.presences], ['gone', 'unknown']);
  });
}

function lastMemberTests(get: Get): void {
  for (const attribute of ['member', 'uniqueMember'] as const) {
    test(`${attribute}: the last member is not deleted, but gives place to the placeholder, and comes back for it`, async () => {
      const { directory, admin } = get();
      const user = await makeUser(get());
      const group = await makeGroup(get(), { attribute, values: [user.dn] });
      const target = { group: group.dn, attribute };
      const refused = await directory.change({ ...target, add: [], remove: [user.dn] }, [user.dn]);
      assert.deepEqual([refused.result, ...refused.presences], ['last_member', 'member']);
      const out = await directory.change({ ...target, add: [''], remove: [user.dn] }, [user.dn, '']);
      assert.deepEqual([out.result, ...out.presences], ['ok', 'absent', 'member']);
      assert.deepEqual(await admin.members(group.dn), ['']);
      const back = await directory.change({ ...target, add: [user.dn], remove: [''] }, [user.dn, '']);
      assert.deepEqual([back.result, ...back.presences], ['ok', 'member', 'absent']);
      assert.deepEqual(await admin.members(group.dn), [user.dn]);
    });

    test(`${attribute}: the placeholder names nobody`, async () => {
      assert.equal(await get().directory.occupant(attribute, '', signal), null);
    });
  }

  test('memberUid: the last member is deleted', async () => {
    const { directory, admin } = get();
    const user = await makeUser(get());
    const group = await makeGroup(get(), { attribute: 'memberUid', values: [user.uid] });
    const answer = await directory.change({ group: group.dn, attribute: 'memberUid', add: [], remove: [user.uid] }, [user.uid]);
    assert.deepEqual([answer.result, ...answer.presences], ['ok', 'absent']);
    assert.deepEqual(await admin.members(group.dn), []);
  });
}

function identityTests(get: Get): void {
  test('a renamed user and a moved one are located by id, with the name that they have now', async () => {
    const { directory, admin, usersScope, elsewhere } = get();
    const user = await makeUser(get());
    const renamed = child({ type: 'uid', value: unique('renamed') }, usersScope);
    await admin.rename(user.dn, renamed);
    const inside = await directory.locateUser(user.id, signal);
    assert.deepEqual([inside?.dn, inside?.inScope], [renamed, true]);
    const moved = child({ type: 'uid', value: unique('moved') }, elsewhere);
    await admin.rename(renamed, moved);
    const outside = await directory.locateUser(user.id, signal);
    assert.deepEqual([outside?.dn, outside?.inScope], [moved, false]);
    assert.equal(await directory.occupant('member', user.dn, signal), null);
    assert.equal(await directory.occupant('member', moved, signal), user.id);
  });

  test('a moved group is located by id, with the attribute of its members', async () => {
    const { directory, admin, elsewhere } = get();
    const group = await makeGroup(get(), { attribute: 'uniqueMember' });
    const moved = child({ type: 'cn', value: group.name }, elsewhere);
    await admin.rename(group.dn, moved);
    const entry = await directory.locateGroup(group.id, signal);
    assert.deepEqual([entry?.dn, entry?.inScope, entry?.memberAttribute], [moved, false, 'uniqueMember']);
  });

  test('an id that no entry has locates nothing', async () => {
    const { directory } = get();
    assert.equal(await directory.locateUser(idOf(NO_SUCH_ID), signal), null);
    assert.equal(await directory.locateGroup(idOf(NO_SUCH_ID), signal), null);
  });

  test('many users are located at once, in the order that was asked, wherever they are', async () => {
    const { directory, elsewhere } = get();
    const inside = [await makeUser(get()), await makeUser(get())];
    const outside = await makeUser(get(), { under: elsewhere });
    const ids = [outside.id, idOf(NO_SUCH_ID), ...inside.map(({ id }) => id), outside.id];
    const located = await directory.locateUsers(ids, signal);
    assert.deepEqual(
      located.map((user) => user && [user.id, user.dn, user.inScope]),
      [[outside.id, outside.dn, false], null, ...inside.map(({ id, dn }) => [id, dn, true]), [outside.id, outside.dn, false]],
    );
  });

  test('another entry under the same name has another id', async () => {
    const { directory, admin } = get();
    const user = await makeUser(get());
    await admin.delete(user.dn);
    await admin.addUser({ dn: user.dn, uids: [user.uid], mails: [] });
    const now = await directory.occupant('member', user.dn, signal);
    assert.notEqual(now, user.id);
    assert.equal(await directory.occupant('memberUid', user.uid, signal), now);
    assert.equal(await directory.locateUser(user.id, signal), null);
  });

  test('member values follow a rename only where the directory keeps references', async () => {
    const { admin, usersScope, hasReferentialIntegrity } = get();
    const [user, other] = [await makeUser(get()), await makeUser(get())];
    const group = await makeGroup(get(), { values: [user.dn, other.dn] });
    const renamed = child({ type: 'uid', value: unique('renamed') }, usersScope);
    await admin.rename(user.dn, renamed);
    const [holding, free] = hasReferentialIntegrity ? [renamed, user.dn] : [user.dn, renamed];
    // A server that keeps references may do so after its answer.
    await until('the member value to be the one that is expected', async () => {
      const [there, gone] = [await presence(get(), group, holding), await presence(get(), group, free)];
      return there === 'member' && gone === 'absent';
    });
  });

  test('a protected group is found by name, by id and by common name, one or several', async () => {
    const { directory, elsewhere, groupsScope } = get();
    const group = await makeGroup(get());
    const outside = await makeGroup(get(), { under: elsewhere });
    for (const text of [group.dn, group.id, group.name]) {
      const [only, ...others] = await directory.groupsNamed(text, signal);
      assert.deepEqual([only?.id, others.length], [group.id, 0]);
    }
    assert.deepEqual(
      (await directory.groupsNamed(outside.dn, signal)).map(({ id }) => id),
      [outside.id],
    );
    assert.deepEqual(
      (await directory.groupsNamed(outside.id, signal)).map(({ id }) => id),
      [outside.id],
    );
    assert.deepEqual(await directory.groupsNamed(child({ type: 'cn', value: 'nothing' }, groupsScope), signal), []);
    assert.deepEqual(await directory.groupsNamed('nothing', signal), []);
  });
}

function goneTests(get: Get): void {
  test('a deleted user is gone, with a witness and without', async () => {
    const { directory, admin } = get();
    const [user, witness] = [await makeUser(get()), await makeUser(get())];
    const entry = { id: user.id, dn: user.dn };
    assert.equal(await directory.sightGone({ entry, witness: null }, signal), 'found');
    await admin.delete(user.dn);
    assert.equal(await directory.sightGone({ entry, witness: { id: witness.id, dn: witness.dn } }, signal), 'gone');
    assert.equal(await directory.sightGone({ entry, witness: null }, signal), 'gone');
  });

  test('a user that was moved or renamed is found', async () => {
    const { directory, admin, elsewhere } = get();
    const user = await makeUser(get());
    await admin.rename(user.dn, child({ type: 'uid', value: unique('moved') }, elsewhere));
    assert.equal(await directory.sightGone({ entry: { id: user.id, dn: user.dn }, witness: null }, signal), 'found');
  });

  test('a user whose container is gone too is gone', async () => {
    const { directory, usersScope } = get();
    const container = child({ type: 'ou', value: 'closed' }, usersScope);
    const entry = { id: idOf(NO_SUCH_ID), dn: child({ type: 'uid', value: 'nobody' }, container) };
    assert.equal(await directory.sightGone({ entry, witness: null }, signal), 'gone');
  });

  test('nothing is proved while the witness cannot be found', async () => {
    const { directory, admin, usersScope } = get();
    const [user, witness] = [await makeUser(get()), await makeUser(get())];
    const missing = { entry: { id: user.id, dn: user.dn }, witness: { id: witness.id, dn: witness.dn } };
    try {
      await admin.hide(usersScope);
      assert.equal(await directory.sightGone(missing, signal), 'unproven');
    } finally {
      await admin.showAll();
    }
    assert.equal(await directory.sightGone(missing, signal), 'found');
  });

  test('nothing is proved while the base cannot be read', async () => {
    const { directory, admin, baseDn } = get();
    const user = await makeUser(get());
    const entry = { id: user.id, dn: user.dn };
    try {
      await admin.hide(baseDn);
      const sighting = await directory.sightGone({ entry, witness: null }, signal).catch((error: unknown) => {
        assert.ok(error instanceof DirectoryError);
        return 'unproven';
      });
      assert.equal(sighting, 'unproven');
    } finally {
      await admin.showAll();
    }
    assert.equal(await directory.sightGone({ entry, witness: null }, signal), 'found');
  });
}

function lostAnswerTests(get: Get): void {
  test('a change whose answer is lost rejects as sent, and a probe finds out that it was done', async () => {
    const { directory, loseNextAnswer, untilUp } = get();
    const user = await makeUser(get());
    const group = await makeGroup(get());
    for (const [add, remove, presences] of [
      [[user.dn], [], ['member']],
      [[], [user.dn], ['absent']],
    ] as const) {
      loseNextAnswer();
      await assert.rejects(directory.change({ group: group.dn, attribute: 'member', add, remove }, [user.dn]), (error) => {
        assert.ok(error instanceof DirectoryError);
        assert.deepEqual([error.fault, error.sent], ['unavailable', true]);
        return true;
      });
      await untilUp();
      const probed = { group: group.dn, attribute: 'member', values: [user.dn] } as const;
      assert.deepEqual(await directory.probe(probed, signal), presences);
    }
  });
}

function rdns(dn: Dn) {
  const parsed = parseRdns(dn);
  assert.ok(parsed.ok);
  return parsed.value;
}

function idOf(text: string): EntryId {
  const id = parseEntryId(text);
  assert.ok(id.ok);
  return id.value;
}
