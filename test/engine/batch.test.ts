import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MembershipChange } from '../../src/directory/directory.ts';
import { HOUR_MS, MINUTE_MS, startedEngine, userDn } from '../support/engine-under-test.ts';
import { atScale } from '../support/scale.ts';

/** In full, more than one modify may hold. */
const COUNT = atScale({ sample: 60, full: 510 });
const name = (number: number): string => `user${number}`;

test('many endings that are due at once are each judged alone, and leave in a few modifies', async () => {
  const { rig, admins } = await startedEngine();
  const values = (): readonly string[] => rig.fake.tree.group(admins)?.values ?? [];
  for (let i = 0; i < COUNT; i += 1) rig.addUser(name(i));
  const standing = userDn(name(3));
  rig.fake.tree.apply({ group: admins, attribute: 'member', add: [standing], remove: [] });
  const expiresAt = rig.in(HOUR_MS);
  await Promise.all(Array.from({ length: COUNT }, (_, i) => rig.grant({ grantId: `g${i}`, user: name(i), expiresAt })));
  await rig.pass(1000);
  await rig.grant({ grantId: 'longer', user: name(4), expiresAt: rig.in(2 * HOUR_MS) });
  rig.fake.tree.apply({ group: admins, attribute: 'member', add: [], remove: [userDn(name(5))] });
  rig.fake.tree.rename(userDn(name(6)), userDn('renamed'));
  rig.fake.tree.apply({ group: admins, attribute: 'member', add: [userDn('renamed')], remove: [userDn(name(6))] });
  const before = rig.fake.operations.length;
  const held = rig.fake.holdNext('change');
  await rig.pass(HOUR_MS);
  await held.reached;
  held.go();
  await rig.pass(MINUTE_MS);

  const memberships = new Map(rig.of('grant.ended').map(({ grant, membership }) => [grant.grantId, membership]));
  assert.equal(memberships.size, COUNT);
  assert.equal(memberships.get('g3'), 'kept_standing');
  assert.equal(memberships.get('g4'), 'kept_by_grant');
  assert.equal(memberships.get('g5'), 'already_absent');
  assert.equal(memberships.get('g6'), 'removed');
  assert.deepEqual(values().toSorted(), [userDn('keeper'), standing, userDn(name(4))].toSorted());
  const changes = rig.fake.operations
    .slice(before)
    .filter(({ method }) => method === 'change')
    .map(({ args: [change] }) => change as MembershipChange);
  assert.ok(changes.length < 10, `${changes.length} modifies`);
  assert.ok(changes.every(({ remove }) => remove.length <= 500));
});
