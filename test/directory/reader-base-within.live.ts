import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type SambaAd, startSambaAd } from '../../src/sandbox/samba-ad.ts';
import type { DirectoryAdmin } from '../support/directory-contract/world.ts';
import { dn, simpleBind } from '../support/ldap-directory-under-test.ts';
import { ldapReader, readAll, readChanges, shownPicture } from '../support/read-directory.ts';
import { sambaAdAdmin } from '../support/samba-ad-admin.ts';

suite('a delta of Active Directory for an account that sees deleted objects, with a base within the domain', () => {
  let server: SambaAd;
  let admin: DirectoryAdmin;
  before(async () => {
    server = await startSambaAd();
    admin = sambaAdAdmin(server);
  });
  after(() => server.stop());

  test('knows who is moved out of the base', async () => {
    const base = dn(server.usersScope);
    const reader = await ldapReader(server, {
      bind: simpleBind(server.adminDn, server.adminPassword),
      baseDn: base,
      usersScope: [base],
      groupsScope: [base],
    });
    const names = await server.search({ base, scope: 'one', filter: '(objectClass=user)', attributes: ['1.1'] });
    const [deleted, moved] = names.map((entry) => dn(entry.dn));
    assert.ok(deleted !== undefined && moved !== undefined);
    await admin.delete(deleted);
    const first = await readAll(reader);
    const rdn = moved.slice(0, moved.indexOf(','));
    await admin.rename(moved, dn(`${rdn},ou=contractors,${server.baseDn}`));
    const delta = await readChanges(reader, first);
    assert.ok('picture' in delta, JSON.stringify(delta));
    const fresh = await readAll(reader);
    assert.equal(fresh.picture.users.size, first.picture.users.size - 1);
    assert.deepEqual(shownPicture(delta.picture), shownPicture(fresh.picture));
  });
});
