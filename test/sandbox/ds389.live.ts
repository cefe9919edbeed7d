import assert from 'node:assert/strict';
import { test } from 'node:test';
import { semaphoreOf, startDs389 } from '../../src/sandbox/ds389.ts';
import { commandsOfConnector } from '../support/commands-of-connector.ts';
import { everything, throwAwayDirectoryTests } from './throw-away-directory-tests.ts';

throwAwayDirectoryTests({
  start: startDs389,
  module: 'ds389.ts',
  exportName: 'startDs389',
  inClear: 13,
  uniqueMember: 'uniqueMember',
  suffix: 'dc=other,dc=test',
  leftovers: (dir) => [semaphoreOf(dir)],
  extraGroup: ({ groupDn, personDn }) => `dn: ${groupDn}\nobjectClass: groupOfNames\ncn: extra\nmember: ${personDn}\n`,
});

test('with memberof, a person shows the groups, and a deleted person leaves them', async () => {
  const ldif =
    'dn: cn=extra,ou=groups,dc=example,dc=test\nobjectClass: groupOfNames\ncn: extra\nmember: uid=liam,ou=people,dc=example,dc=test\n';
  await using server = await startDs389({ memberof: true, ldif, people: 501 });
  const ines = server.personDn('ines');
  const [entry] = await server.search({ base: ines, scope: 'base', filter: everything, attributes: ['memberOf'] });
  const expected = ['audit-reviewers', 'domain-admins'].map(server.groupDn);
  assert.deepEqual(entry?.attributes.get('memberof')?.toSorted(), expected);
  await server.modify(`dn: ${ines}\nchangetype: delete\n`);
  assert.ok(!(await server.members(server.groupDn('domain-admins'))).includes(ines));
  assert.deepEqual(await server.members(server.groupDn('extra')), [server.personDn('liam')]);

  // Two more rules, on the server that runs already.
  const connector = await commandsOfConnector(server, server.ldapsUrl);
  const all = { base: server.usersScope, scope: 'one', filter: everything, attributes: ['1.1'] } as const;
  await assert.rejects(connector.search(all), /ended with 4:/, 'no more than 500 entries unless they are read in pages');

  const dn = `uid=xavier,ou=contractors,${server.baseDn}`;
  const [known] = await server.search({ base: dn, scope: 'base', filter: everything, attributes: ['nsUniqueId'] });
  const filter = `(nsUniqueId=${known?.attributes.get('nsuniqueid')?.[0]})`;
  const attributes = ['*', 'nsUniqueId'];
  const [found] = await connector.search({ base: server.baseDn, scope: 'sub', filter, attributes });
  assert.equal(found?.dn, dn, 'an entry outside the scopes is found by its nsUniqueId');
  assert.deepEqual([...found.attributes.keys()].toSorted(), ['nsuniqueid', 'objectclass'], 'and no more of it is seen');
});
