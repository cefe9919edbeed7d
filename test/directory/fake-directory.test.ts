import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type Dn, leafRdn, parseDn } from '../../src/access/dn.ts';
import type { EntryId } from '../../src/access/ids.ts';
import { DirectoryError } from '../../src/directory/directory.ts';
import { type DirectoryAdmin, RFC_DIFFERENCES, type ServerDifferences } from '../support/directory-contract/world.ts';
import { directoryContract } from '../support/directory-contract.ts';
import { type FakeDirectory, fakeDirectory } from '../support/fake-directory.ts';
import { PERSONALITIES, type ServerName } from '../support/fake-servers.ts';

const PERSONALITY_DIFFERENCES: Readonly<Record<ServerName, Partial<ServerDifferences>>> = {
  openldap: {},
  openldap_refint: { hasReferentialIntegrity: true },
  '389ds': { demandsMember: false },
  samba: {
    hasReferentialIntegrity: true,
    refusesUnknown: true,
    demandsMember: false,
    absentName: 'refused',
  },
};

for (const [name, differences] of Object.entries(PERSONALITY_DIFFERENCES)) {
  directoryContract(`the fake as ${name}`, {
    differences: { ...RFC_DIFFERENCES, ...differences },
    open: async () => {
      const fake = fakeDirectory({ personality: PERSONALITIES[name as ServerName] });
      fake.directory.start();
      return {
        directory: fake.directory,
        admin: adminOf(fake),
        baseDn: fake.baseDn,
        usersScope: fake.usersScope,
        groupsScope: fake.groupsScope,
        elsewhere: dn(`ou=elsewhere,${fake.baseDn}`),
        loseNextAnswer: () => fake.loseNextAnswer('applied'),
        untilUp: async () => undefined,
        close: () => fake.directory.close(),
      };
    },
  });
}

suite('the switches of the fake', () => {
  const signal = new AbortController().signal;

  function oneGroup() {
    const fake = fakeDirectory();
    const group = dn(`cn=ops,${fake.groupsScope}`);
    fake.tree.add({ kind: 'group', dn: group, name: 'ops', attribute: 'memberUid' });
    fake.directory.start();
    const change = () => fake.directory.change({ group, attribute: 'memberUid', add: ['ann'], remove: [] }, ['ann']);
    const probe = () => fake.directory.probe({ group, attribute: 'memberUid', values: ['ann'] }, signal);
    return { fake, change, probe };
  }

  test('down rejects with its fault and tells listeners, once for each change', async () => {
    const { fake, change } = oneGroup();
    const states: string[] = [];
    fake.directory.onChange(({ state }) => states.push(state));
    fake.goDown('bind_refused');
    fake.goDown('bind_refused');
    await assert.rejects(change(), (error) => error instanceof DirectoryError && error.fault === 'bind_refused' && !error.sent);
    fake.goUp();
    assert.equal((await change()).result, 'ok');
    assert.deepEqual(states, ['down', 'up']);
  });

  test('a lost answer may be of a change that was not applied, or is applied later', async () => {
    const { fake, change, probe } = oneGroup();
    fake.loseNextAnswer('not_applied');
    await assert.rejects(change(), { sent: true });
    assert.deepEqual(await probe(), ['absent']);
    fake.loseNextAnswer('applied_later');
    await assert.rejects(change(), { sent: true });
    assert.deepEqual(await probe(), ['absent']);
    fake.applyLate();
    assert.deepEqual(await probe(), ['member']);
  });

  test('a refusal changes nothing and holds for one change', async () => {
    const { fake, change } = oneGroup();
    fake.refuseNext('busy');
    assert.deepEqual((await change()).presences, ['absent']);
    assert.deepEqual((await change()).presences, ['member']);
  });

  test('blind probes say unknown', async () => {
    const { fake, change, probe } = oneGroup();
    fake.probesAreUnknown(true);
    assert.deepEqual((await change()).presences, ['unknown']);
    fake.probesAreUnknown(false);
    assert.deepEqual(await probe(), ['member']);
  });

  test('a held call goes on when it is let', async () => {
    const { fake, change } = oneGroup();
    const hold = fake.holdNext('change');
    const changing = change();
    await hold.reached;
    assert.deepEqual(
      fake.operations.map(({ method }) => method),
      ['change'],
    );
    hold.go();
    assert.equal((await changing).result, 'ok');
  });
});

function adminOf({ tree }: FakeDirectory): DirectoryAdmin {
  return {
    addUser: async (user) => void tree.add({ kind: 'user', ...user }),
    addUsers: async (users) => {
      for (const user of users) tree.add({ kind: 'user', ...user });
    },
    addGroup: async (group) => void tree.add({ kind: 'group', ...group }),
    rename: async (from, to) => tree.rename(from, to),
    delete: async (name) => tree.delete(name),
    idOf: async (name): Promise<EntryId> => {
      const entry = tree.at(name);
      assert.ok(entry !== null, `no entry ${JSON.stringify(leafRdn(name))}`);
      return entry.id;
    },
    members: async (name) => tree.group(name)?.values ?? [],
    change: async (group, { attribute, add = [], remove = [] }) => {
      assert.equal(tree.apply({ group, attribute, add, remove }), 0);
    },
    hide: async (name) => tree.hide(name),
    hideMembers: async (name) => tree.hideMembers(name),
    showAll: async () => tree.showAll(),
  };
}

function dn(text: string): Dn {
  const parsed = parseDn(text);
  assert.ok(parsed.ok);
  return parsed.value;
}
