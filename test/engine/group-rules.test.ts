import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import type { GroupRule, NamedGroupRule } from '../../src/access/group-rules.ts';
import type { EntryId } from '../../src/access/ids.ts';
import type { EntryRef } from '../../src/access/reference.ts';
import { groupRules } from '../../src/engine/group-rules.ts';
import { capturedLog } from '../support/captured-log.ts';
import { fakeClock } from '../support/fake-clock.ts';

const ID = '00000000-0000-4000-8000-000000000001' as EntryId;
const OTHER = '00000000-0000-4000-8000-000000000002' as EntryId;
const DN = 'cn=admins,ou=groups,dc=example,dc=test' as Dn;
const NOWHERE = 'cn=elsewhere,ou=groups,dc=example,dc=test' as Dn;

const SAYS_NOTHING: GroupRule = {
  place: '/default',
  requestedBy: null,
  maxGrantMs: null,
  maxActiveGrants: null,
  rate: null,
  ratePerUser: null,
  exclusive: null,
};

function named(group: NamedGroupRule['group'], says: Partial<GroupRule>): NamedGroupRule {
  return { ...SAYS_NOTHING, place: `/groups/${group.by}`, group, ...says };
}

/** Rules over a directory that answers what the texts mean. */
function rulesOver(
  meant: Map<string, readonly EntryRef[]>,
  groups: readonly NamedGroupRule[],
  byDefault: GroupRule | null = null,
) {
  const asked: string[] = [];
  const clock = fakeClock();
  const rules = groupRules({
    rules: { groups, default: byDefault, userRate: null },
    directory: {
      async groupsNamed(text) {
        asked.push(text);
        return meant.get(text) ?? [];
      },
    },
    kept: { of: () => [], keep: () => undefined },
    clock,
    log: capturedLog().logger,
  });
  return { rules, asked, clock, resolve: () => rules.resolve(new AbortController().signal) };
}

test('what was found goes before what is spelled, an id before a DN before a name, and each leaves to the next what it does not say', async () => {
  const meant = new Map([
    ['admins', [{ id: ID, dn: DN }]],
    [DN, [{ id: ID, dn: DN }]],
  ]);
  const { rules, resolve } = rulesOver(
    meant,
    [
      named({ by: 'name', name: 'admins' }, { requestedBy: ['name'], maxGrantMs: 1, maxActiveGrants: 1 }),
      named({ by: 'dn', dn: DN }, { requestedBy: ['dn'], maxGrantMs: 2 }),
      named({ by: 'id', id: ID }, { requestedBy: ['id'] }),
    ],
    { ...SAYS_NOTHING, maxActiveGrants: 9, rate: { grants: 1, perMs: 1000 } },
  );
  await resolve();
  const limits = rules.limitsOf({ id: ID, dn: DN, name: 'admins' });
  assert.deepEqual(limits.maxGrantMs, { value: 2, rule: 'LATCHKEY_POLICY_FILE#/groups/dn/maxGrant' });
  assert.deepEqual(limits.maxActiveGrants?.value, 1);
  assert.deepEqual(limits.rate?.rule, 'LATCHKEY_POLICY_FILE#/default/rate');
  // The id is not among what was found here, but the group is spelled by it; what was found goes first.
  assert.deepEqual(limits.requestedBy?.value, ['dn']);
});

test('a rule binds a group that was renamed, and whoever goes by its name now; another group is left to the default', async () => {
  const { rules, resolve } = rulesOver(new Map([['admins', [{ id: ID, dn: DN }]]]), [
    named({ by: 'name', name: 'admins' }, { requestedBy: ['bot'] }),
  ]);
  await resolve();
  const bound = (group: Parameters<typeof rules.limitsOf>[0]) => rules.limitsOf(group).requestedBy !== null;
  assert.ok(bound({ id: ID, dn: NOWHERE, name: 'harmless' }));
  assert.ok(bound({ id: OTHER, dn: NOWHERE, name: 'Admins' }));
  assert.ok(!bound({ id: OTHER, dn: NOWHERE, name: 'harmless' }));
});

test('what means nothing is asked for again, but not with each grant', async () => {
  const meant = new Map<string, readonly EntryRef[]>();
  const { rules, asked, clock, resolve } = rulesOver(meant, [named({ by: 'name', name: 'later' }, { maxGrantMs: 1 })]);
  assert.equal(rules.unresolved(), null);
  for (let i = 0; i < 3; i += 1) await resolve();
  assert.deepEqual([asked.length, rules.unresolved()], [1, ['later']]);
  clock.advance(60_000);
  meant.set('later', [{ id: ID, dn: DN }]);
  for (let i = 0; i < 3; i += 1) await resolve();
  assert.deepEqual([asked.length, rules.unresolved()], [2, []]);
});

test('a rule by id or DN binds no group whose name is a text that reads as that id or DN', async () => {
  const lax = { maxGrantMs: 9 };
  const { rules, resolve } = rulesOver(
    new Map(),
    [named({ by: 'id', id: ID }, lax), named({ by: 'dn', dn: DN }, lax), named({ by: 'name', name: 'a=b' }, lax)],
    { ...SAYS_NOTHING, maxGrantMs: 1 },
  );
  await resolve();
  const mostOf = (group: Parameters<typeof rules.limitsOf>[0]) => rules.limitsOf(group).maxGrantMs?.value;
  for (const name of [ID, DN]) assert.equal(mostOf({ id: OTHER, dn: NOWHERE, name }), 1, name);
  assert.equal(mostOf({ id: OTHER, dn: NOWHERE, name: 'a=b' }), 9);
  assert.equal(mostOf({ id: ID, dn: NOWHERE, name: 'x' }), 9);
  assert.equal(mostOf({ id: OTHER, dn: DN, name: 'x' }), 9);
});
