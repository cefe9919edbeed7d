import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type OpenLdap, startOpenLdap } from '../../../../src/sandbox/openldap.ts';
import { ldapReader, type Read, readAll, shownPicture } from '../../../support/read-directory.ts';
import { atScale } from '../../../support/scale.ts';

const MEMBERS = atScale({ sample: 20_000, full: 200_000 });

suite('the reader’s connection', () => {
  let server: OpenLdap;
  let secured: Read;
  before(async () => {
    const base = 'dc=example,dc=test';
    const members = Array.from(
      { length: MEMBERS },
      (_, i) => `member: uid=u${String(i + 1).padStart(4, '0')},ou=people,${base}\n`,
    );
    const ldif = `dn: cn=large,ou=groups,${base}\nobjectClass: groupOfNames\ncn: large\n${members.join('')}\n`;
    server = await startOpenLdap({ requireTls: false, people: 700, ldif });
    secured = await readAll(await ldapReader(server));
  });
  after(() => server.stop());

  test('in clear, by StartTLS and by ldaps the same is read', async () => {
    for (const changes of [
      { url: server.ldapUrl },
      { url: server.ldapUrl, startTls: true },
      { url: server.ldapUrl, pageSize: 7 },
    ]) {
      const { picture } = await readAll(await ldapReader(server, changes));
      assert.deepEqual(shownPicture(picture), shownPicture(secured.picture));
    }
  });

  test('a large group is told in parts, and whole', () => {
    const large = [...secured.picture.groups.values()].find(({ name }) => name === 'large');
    assert.equal(new Set(large?.members).size, MEMBERS);
    assert.ok(secured.heard.longestPart <= 1_000);
  });

  test('a server that is not known to tell changes has every read a full one', async () => {
    assert.equal(secured.end.cursor, null);
    const reader = await ldapReader(server);
    const end = await reader.readChanges('', { ...sinkOfNothing }, new AbortController().signal);
    assert.equal(end.told, 'full_needed');
  });
});

const sinkOfNothing = {
  user: () => undefined,
  members: () => undefined,
  group: () => undefined,
  gone: () => undefined,
  present: () => undefined,
  room: () => null,
};
