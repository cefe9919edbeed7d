import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { GrantId } from '../../src/access/ids.ts';
import { MINUTE_MS, settled, startedEngine, userDn } from '../support/engine-under-test.ts';
import { PERSONALITIES } from '../support/fake-servers.ts';

type Rig = Awaited<ReturnType<typeof startedEngine>>['rig'];

/** What looks at a membership that has followed its user, and so sees it absent under the earlier name. */
const LOOKS: Readonly<Record<string, (rig: Rig) => Promise<unknown>>> = {
  'for drift': async (rig) => {
    rig.engine.suspect(['g1' as GrantId]);
    await rig.pass(0);
    await settled();
  },
  'of an extension': (rig) => rig.grant({ seconds: 7200 }),
  'of an ending that the directory refused': (rig) => {
    rig.fake.refuseNext('refused');
    return rig.revoke();
  },
};

suite('an earlier name that a membership was seen to have left with its user', () => {
  for (const [which, look] of Object.entries(LOOKS))
    test(`is the next person's who is put in under it: a look ${which}`, async () => {
      const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES.openldap_refint });
      await rig.grant();
      const renamed = userDn('lovelace');
      rig.fake.tree.rename(ada, renamed);
      await look(rig);
      assert.ok(rig.isMember(renamed, admins));
      rig.fake.tree.apply({ group: admins, attribute: 'member', add: [], remove: [renamed] });
      rig.addUser('ada');
      rig.fake.tree.apply({ group: admins, attribute: 'member', add: [ada], remove: [] });
      await rig.revoke();
      await rig.pass(5 * MINUTE_MS);
      assert.equal(await rig.stateOf(), 'ended');
      assert.ok(rig.isMember(ada, admins));
    });
});
