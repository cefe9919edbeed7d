import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLdapDirectory } from '../../src/directory/ldap/open-ldap-directory.ts';
import { startDs389 } from '../../src/sandbox/ds389.ts';
import { formatEntry } from '../../src/sandbox/ldif.ts';
import { dn, ldapDirectoryOptions, untilState } from '../support/ldap-directory-under-test.ts';

const BASE = 'ou=people,dc=example,dc=test';
/** Each spelling names a person of its own, by the number in it. */
const SPELLINGS: readonly ((n: number) => string)[] = [
  (n) => `uid=ada${n},${BASE}`,
  (n) => `uid=ADA${n},ou=People,DC=Example,DC=test`,
  (n) => `UID = ada${n} , OU=people , dc=example, dc=test`,
  (n) => `uid=ada${n};ou=people;dc=example;dc=test`,
  (n) => `uid=\\61da${n},${BASE}`,
  (n) => `uid=\\41DA${n},${BASE}`,
  (n) => `uid="ada${n}",${BASE}`,
];

test('a member of 389 Directory Server is found by a compare however its name was written, and nobody else is', async () => {
  const stored = SPELLINGS.map((spell, n) => spell(n));
  const groups = [0, 20].map((others) => ({
    cn: `with-${others}`,
    members: [...stored, ...Array.from({ length: others }, (_, i) => `uid=other${i},${BASE}`)],
  }));
  const ldif = groups.map(({ cn }) =>
    formatEntry(`cn=${cn},ou=groups,dc=example,dc=test`, [
      ['objectClass', 'groupOfNames'],
      ['cn', cn],
    ]),
  );
  await using server = await startDs389({ ldif: ldif.join('') });
  for (const { cn, members } of groups)
    await server.modify(
      `dn: ${server.groupDn(cn)}\nchangetype: modify\nadd: member\n${members.map((member) => `member: ${member}\n`).join('')}\n`,
    );
  const directory = openLdapDirectory(await ldapDirectoryOptions(server));
  directory.start();
  try {
    await untilState(directory, 'up');
    const asked = stored.flatMap((_, n) => [`uid=Ada${n},${BASE}`, `uid=ada${n}0,${BASE}`]);
    for (const { cn } of groups) {
      const probed = { group: dn(server.groupDn(cn)), attribute: 'member', values: asked } as const;
      assert.deepEqual(
        await directory.probe(probed, AbortSignal.timeout(30_000)),
        stored.flatMap(() => ['member', 'absent']),
      );
      const denial = `(targetattr="member")(version 3.0; acl "hidden"; deny (all) userdn="ldap:///${server.connectorDn}";)`;
      await server.modify(`dn: ${server.groupDn(cn)}\nchangetype: modify\nadd: aci\naci: ${denial}\n`);
      const hidden = await directory.probe(probed, AbortSignal.timeout(30_000));
      assert.deepEqual(new Set(hidden), new Set(['unknown']), 'a compare that is not allowed says nothing');
    }
  } finally {
    await directory.close();
  }
});
