import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { CheckStep } from '../../../../src/access/event.ts';
import { checkedContents, GROUPS, PEOPLE } from '../../../support/checked-directory.ts';
import { dn } from '../../../support/ldap-directory-under-test.ts';

const troubles = (steps: readonly CheckStep[]) =>
  steps.filter(({ status }) => status !== 'ok').map(({ step, status }) => [step, status]);

/** The one line that is not ok. */
async function onlyTrouble(changed: Parameters<typeof checkedContents>[0]): Promise<CheckStep> {
  const steps = await checkedContents(changed);
  const [only, ...others] = steps.filter(({ status }) => status !== 'ok');
  assert.ok(only !== undefined && others.length === 0, JSON.stringify(steps, null, 2));
  return only;
}

suite('the contents of a directory that are checked', () => {
  test('are a line a step, in this order, where all is as it should be', async () => {
    const steps = await checkedContents({});
    assert.deepEqual(troubles(steps), []);
    assert.deepEqual(
      steps.map(({ step }) => step),
      [
        'flavour',
        'base',
        'users scope',
        'groups scope',
        'outside the scopes',
        'users',
        'groups',
        'e-mail attribute',
        'member attributes',
        'protected groups',
        'rights to read',
        'rights to write',
        'rights beyond that',
        'paging',
        'clock',
      ],
    );
  });

  test('fail by a right to write members that is refused', async () => {
    const { step, status, detail } = await onlyTrouble({ there: { onDelete: () => 50 } });
    assert.deepEqual([step, status], ['rights to write', 'fail']);
    assert.match(detail, /must not write member of "cn=on-call,.*50 \(insufficientAccessRights\).*latchkey acl prints/);
  });

  test('fail by a change that the server does not take, whatever the reason', async () => {
    const { step, status, detail } = await onlyTrouble({
      there: { onDelete: ({ attribute }) => (attribute === 'member' ? 53 : 50) },
    });
    assert.deepEqual([step, status], ['rights to write', 'fail']);
    assert.match(detail, /does not take a change of member of "cn=on-call,.*53/);
  });

  test('warn of an account that may do more than it needs, and name what and where', async () => {
    const { step, status, detail } = await onlyTrouble({ there: { onDelete: () => 16 } });
    assert.deepEqual([step, status], ['rights beyond that', 'warn']);
    assert.match(detail, /it may change description \("cn=on-call,/);
    assert.match(detail, /it may change mail \("uid=ada,/);
  });

  for (const { skewMs, says } of [
    { skewMs: 60_000, says: null },
    { skewMs: 61_000, says: /61 s behind/ },
    { skewMs: -3_600_000, says: /3600 s ahead of/ },
  ])
    test(`warn of clocks that differ by more than a minute: ${skewMs} ms`, async () => {
      const clock = (await checkedContents({ there: { skewMs } })).find(({ step }) => step === 'clock');
      assert.equal(clock?.status, says === null ? 'ok' : 'warn');
      assert.match(clock?.detail ?? '', says ?? /60 s behind/);
    });

  for (const { variable, setting, step } of [
    { variable: 'LDAP_USERNAME_ATTRIBUTE', setting: 'usernameAttribute', step: 'username attribute' },
    { variable: 'LDAP_USER_EMAIL_ATTRIBUTE', setting: 'emailAttribute', step: 'e-mail attribute' },
    { variable: 'LDAP_GROUP_NAME_ATTRIBUTE', setting: 'groupNameAttribute', step: 'group name' },
  ] as const) {
    test(`warn of an attribute that no entry in scope has, and fail by one that the schema has not: ${variable}`, async () => {
      const unused = await onlyTrouble({ scopes: { [setting]: 'title' } });
      assert.deepEqual([unused.step, unused.status], [step, 'warn']);
      assert.match(unused.detail, new RegExp(`^no (user|group) has title: check ${variable}`));
      const unknown = await onlyTrouble({ scopes: { [setting]: 'titel' } });
      assert.deepEqual([unknown.step, unknown.status], [step, 'fail']);
      assert.match(unknown.detail, new RegExp(`schema of this server has no attribute titel: set ${variable}`));
    });
  }

  test('only warn of an attribute that the schema has by another name, or where it cannot be read', async () => {
    const root = { objectClass: ['OpenLDAProotDSE'], namingContexts: ['dc=example,dc=test'] };
    const hidden = await onlyTrouble({ there: { root }, scopes: { usernameAttribute: 'titel' } });
    assert.deepEqual([hidden.step, hidden.status], ['username attribute', 'warn']);
    const named = await onlyTrouble({ scopes: { usernameAttribute: 'UserId' } });
    assert.deepEqual([named.step, named.status], ['username attribute', 'warn']);
  });

  test('fail by a forced member attribute that no group may have, in a line that names the groups', async () => {
    const steps = await checkedContents({ scopes: { memberAttribute: 'memberUid' } });
    assert.deepEqual(troubles(steps), [
      ['member attributes', 'fail'],
      ['rights to write', 'warn'],
    ]);
    const found = steps.find(({ step }) => step === 'member attributes');
    assert.match(found?.detail ?? '', /LDAP_MEMBER_ATTRIBUTE is memberUid, .*"groupOfNames": leave it out/);
    assert.deepEqual(troubles(await checkedContents({ scopes: { memberAttribute: 'member' } })), []);
  });

  test('warn of a forced flavour that the root DSE contradicts, and fail where its rules do not fit', async () => {
    const warned = await onlyTrouble({ scopes: { flavour: 'generic' } });
    assert.deepEqual([warned.step, warned.status], ['flavour', 'warn']);
    assert.match(warned.detail, /LDAP_FLAVOUR is generic, but the root DSE is that of openldap: leave LDAP_FLAVOUR out/);
    const failed = await checkedContents({ scopes: { flavour: 'active-directory' } });
    assert.deepEqual(troubles(failed), [['flavour', 'fail']]);
    assert.equal(failed.length, 1);
    assert.match(failed[0]?.detail ?? '', /set it to openldap\. As active-directory: .*objectGUID/);
  });

  test('are not contradicted by a root DSE that shows nothing of its kind', async () => {
    const root = { namingContexts: ['dc=example,dc=test'], subschemaSubentry: ['cn=Subschema'] };
    for (const flavour of ['openldap', 'generic'] as const)
      assert.deepEqual(troubles(await checkedContents({ there: { root }, scopes: { flavour } })), []);
    const vendor = { ...root, vendorName: ['Somebody'] };
    const other = await onlyTrouble({ there: { root: vendor }, scopes: { flavour: 'openldap' } });
    assert.match(other.detail, /LDAP_FLAVOUR is openldap, but the root DSE is that of generic \(Somebody\)/);
  });

  test('fail once for one cause: a base or scope that is missing', async () => {
    const nowhere = dn('ou=nowhere,dc=example,dc=test');
    for (const [scopes, step] of [
      [{ usersScope: [nowhere] }, 'users scope'],
      [{ groupsScope: [nowhere] }, 'groups scope'],
      [{ baseDn: nowhere, usersScope: [], groupsScope: [] }, 'base'],
    ] as const)
      assert.equal((await onlyTrouble({ scopes })).step, step);
    // What else there is is still looked at.
    const steps = await checkedContents({ scopes: { usersScope: [nowhere, PEOPLE], groupsScope: [GROUPS, nowhere] } });
    assert.deepEqual(troubles(steps), [
      ['users scope', 'fail'],
      ['groups scope', 'fail'],
    ]);
    for (const name of ['users', 'groups', 'e-mail attribute', 'rights to write'])
      assert.equal(steps.find(({ step }) => step === name)?.status, 'ok', name);
  });
});
