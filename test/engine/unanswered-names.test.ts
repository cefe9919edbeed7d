import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Directory } from '../../src/directory/directory.ts';
import { MINUTE_MS, startedEngine, userDn } from '../support/engine-under-test.ts';
import { PERSONALITIES } from '../support/fake-servers.ts';

/** A filter with a name that no entry has is neither true nor false (RFC 4511 §4.5.1.7), as Active Directory may take it. */
function threeValued(directory: Directory): Directory {
  return {
    ...directory,
    async probe(values, signal) {
      const presences = await directory.probe(values, signal);
      const occupants = await Promise.all(values.values.map((value) => directory.occupant(values.attribute, value, signal)));
      return presences.map((presence, i) => (occupants[i] === null ? 'unknown' : presence));
    },
  };
}

suite('where a server says nothing of a name that nobody has', () => {
  for (const links of [true, false])
    test(`a user who was renamed ${links ? 'is taken out' : 'is not told to be out while values are texts'}`, async () => {
      const { rig, ada, admins } = await startedEngine({
        personality: links ? PERSONALITIES.samba : PERSONALITIES.openldap_refint,
        watch: { ledger: (ledger) => ledger, directory: threeValued },
      });
      await rig.grant({ seconds: 3600 });
      const renamed = userDn('ada2');
      rig.fake.tree.rename(ada, renamed);
      const revoke = await rig.revoke();
      await rig.pass(MINUTE_MS);
      assert.equal(rig.outcomeOf(revoke), links ? 'revoked' : null);
      if (links) assert.ok(!rig.isMember(renamed, admins));
    });

  for (const fate of ['applied', 'not_applied'] as const)
    test(`a user who was renamed after a write that was ${fate === 'applied' ? 'applied' : 'not applied'} and whose answer was lost is granted`, async () => {
      const { rig, ada, admins } = await startedEngine({
        personality: PERSONALITIES.samba,
        watch: { ledger: (ledger) => ledger, directory: threeValued },
      });
      rig.fake.loseNextAnswer(fate);
      const job = await rig.grant({ seconds: 3600 });
      const renamed = userDn('ada2');
      rig.fake.tree.rename(ada, renamed);
      await rig.pass(5 * MINUTE_MS);
      assert.equal(rig.outcomeOf(job), 'granted');
      assert.ok(rig.isMember(renamed, admins));
    });
});
