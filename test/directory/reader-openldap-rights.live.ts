import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type OpenLdap, startOpenLdap } from '../../src/sandbox/openldap.ts';
import { record } from '../support/ldif-admin.ts';
import { ldapReader } from '../support/read-directory.ts';
import { DELTA, FULL, publishedBy } from '../support/reader-contract/synced.ts';
import { syncUnderTest } from '../support/sync-under-test.ts';

const ACCESS = 'olcDatabase={1}mdb,cn=config';

suite('an account of OpenLDAP that may no longer read an attribute of people', () => {
  let server: OpenLdap;
  before(async () => {
    server = await startOpenLdap({ replicated: true, sessionLog: true });
  });
  after(() => server.stop());

  const write = (change: 'add' | 'delete', rule: string) =>
    server.configModify(
      record(ACCESS, 'modify', [
        [change, 'olcAccess'],
        ['olcAccess', rule],
      ]),
    );

  for (const [attribute, called] of [
    ['mail', /^e-mail address .* none has it now/],
    ['cn', /^full name .* none has it now/],
    ['uid', /^username .* none has it now; uid: /],
    ['manager', /^manager .* none has it now/],
  ] as const)
    test(`holds the sync where that is ${attribute}, and what was told stays`, async () => {
      const reader = await ldapReader(server);
      await using sync = await syncUnderTest({ reader });
      publishedBy(await sync.run(FULL));
      const told = sync.receiver.picture();
      await write('add', `{0}to dn.subtree="${server.usersScope}" attrs=${attribute} by * none`);
      try {
        for (const wish of [FULL, DELTA]) {
          const held = await sync.run(wish);
          assert.ok(held.kind === 'failed' && held.error.code === 'removals_held', JSON.stringify(held));
          assert.match(held.error.message, called);
        }
        assert.equal(sync.receiver.picture(), told);
      } finally {
        await write('delete', '{0}');
      }
      assert.equal(publishedBy(await sync.run(FULL)).changed, 0);
      assert.deepEqual(sync.held(), []);
    });
});
