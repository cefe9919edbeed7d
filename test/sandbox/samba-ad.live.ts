import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type SambaAd, startSambaAd } from '../../src/sandbox/samba-ad.ts';
import { commandsOfConnector } from '../support/commands-of-connector.ts';
import { change, everything, throwAwayDirectoryTests } from './throw-away-directory-tests.ts';

throwAwayDirectoryTests({
  start: startSambaAd,
  module: 'samba-ad.ts',
  exportName: 'startSambaAd',
  inClear: 8,
  uniqueMember: 'member',
  // Another domain would be provisioned for it, which takes several seconds.
  suffix: 'dc=example,dc=test',
  extraGroup: ({ groupDn, personDn }) => `dn: ${groupDn}\nobjectClass: group\nsAMAccountName: extra\nmember: ${personDn}\n`,
});

suite('where no compiler makes the library that moves its ports', () => {
  let server: SambaAd;
  before(async () => {
    server = await startSambaAd({ ports: 'namespace' });
  });
  after(() => server.stop());

  test('a server in a network of its own is reached all the same, also after it has been killed', async () => {
    await server.modify(change(server.groupDn('deploy'), 'add: memberUid\nmemberUid: zoe'));
    await server.kill('SIGKILL');
    await server.start();
    assert.deepEqual(await server.members(server.groupDn('deploy')), ['zoe']);
  });

  test('the connector binds with its distinguished name, its user principal name and its down-level name', async () => {
    for (const name of [server.connectorDn, server.connectorUpn, server.connectorDownLevelName]) {
      const connector = await commandsOfConnector(server, server.ldapsUrl, name);
      const search = { base: server.connectorDn, scope: 'base', filter: everything, attributes: ['objectGUID'] } as const;
      const [entry] = await connector.search(search);
      assert.match(entry?.attributes.get('objectguid')?.[0] ?? '', /^[\w+/]{22}==$/);
    }
  });

  test('the connector may write the members of a group, and no other attribute', async () => {
    const connector = await commandsOfConnector(server, server.ldapsUrl);
    const writable = async (base: string) => {
      const attributes = ['allowedAttributesEffective'];
      const [entry] = await connector.search({ base, scope: 'base', filter: everything, attributes });
      return entry?.attributes.get('allowedattributeseffective')?.toSorted() ?? [];
    };
    assert.deepEqual(await writable(server.groupDn('engineering')), ['member', 'memberUid']);
    assert.deepEqual(await writable(`CN=facilities,OU=other-groups,${server.baseDn}`), []);
    assert.deepEqual(await writable(server.personDn('grace')), []);
  });

  test('there are groups of every scope and type', async () => {
    const groups = await server.search({ base: server.groupsScope, scope: 'one', filter: everything, attributes: ['groupType'] });
    const types = new Set(groups.flatMap(({ attributes }) => attributes.get('grouptype') ?? []));
    assert.deepEqual([...types].toSorted(), ['-2147483640', '-2147483644', '-2147483646', '2', '8']);
  });
});
