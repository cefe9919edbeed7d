import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, suite, test } from 'node:test';
import type { CheckStep } from '../../../src/access/event.ts';
import { accessRules } from '../../../src/directory/ldap/access-rules.ts';
import { openLdapDirectory } from '../../../src/directory/ldap/open-ldap-directory.ts';
import { startOpenLdap } from '../../../src/sandbox/openldap.ts';
import { startOpenLdapReplica } from '../../../src/sandbox/openldap-replica.ts';
import {
  dn,
  type LdapDirectoryChanges,
  ldapDirectoryOptions,
  simpleBind,
  untilState,
} from '../../support/ldap-directory-under-test.ts';
import { record } from '../../support/ldif-admin.ts';
import { SERVERS, type ServerWithFreshAccount } from '../../support/rights-on-servers.ts';

const signal = new AbortController().signal;

/** What each server says of one who may do everything. */
const TOO_MUCH = {
  openldap: [/change description/, /see userPassword/, /change mail/, /outside of the scopes/, /was not tested/],
  '389ds': [/create such an entry/, /delete it/, /rename it/, /change description/, /see userPassword/, /outside of the scopes/],
  'active-directory': [/a member of Domain Admins/, /change accountNameHistory/, /who has rights to it/, /outside of the scopes/],
} as const;

for (const [flavour, start] of Object.entries(SERVERS)) {
  suite(`the rights of an account on ${flavour}`, { timeout: 120_000 }, () => {
    let under: ServerWithFreshAccount;
    let fresh: LdapDirectoryChanges;
    before(async () => {
      under = await start();
      fresh = { bind: simpleBind(under.account, under.password) };
    });
    after(() => under.server.stop());

    const printed = async () => {
      const rules = await accessRules(await ldapDirectoryOptions(under.server, fresh), signal);
      assert.ok(rules.ok);
      return rules.value;
    };
    const checked = async (changes: LdapDirectoryChanges = fresh): Promise<readonly CheckStep[]> => {
      const directory = openLdapDirectory(await ldapDirectoryOptions(under.server, changes));
      try {
        return await directory.check(signal);
      } finally {
        await directory.close();
      }
    };
    const step = (steps: readonly CheckStep[], name: string) => steps.find((one) => one.step === name);
    /** Everything about users and groups, by another client than ours, in an order of its own. */
    const everything = async () => {
      const options = { scope: 'sub', filter: '(objectClass=*)', attributes: ['*', '+', 'uSNChanged', 'entryusn'] } as const;
      const { groupsScope, usersScope } = under.server;
      return [
        await under.server.search({ base: groupsScope, ...options }),
        await under.server.search({ base: usersScope, ...options }),
      ];
    };

    test('that are missing fail the check, which says how to get them', async () => {
      const failed = (await checked()).filter(({ status }) => status === 'fail');
      // On Active Directory any account may read: there only the right to write is missing.
      const first = flavour === 'active-directory' ? 'rights to write' : 'base';
      assert.deepEqual(
        [failed[0]?.step, /latchkey acl|check .* the rights/.test(failed[0]?.detail ?? '')],
        [first, true],
        JSON.stringify(failed),
      );
    });

    test('as they are printed are enough to pass the check, and to give and take away a membership', async () => {
      await under.paste(await printed());
      const steps = await checked();
      assert.deepEqual(
        steps.filter(({ status }) => status !== 'ok'),
        [],
      );
      assert.ok(step(steps, 'outside the scopes')?.detail.includes(under.account), JSON.stringify(steps));
      const directory = openLdapDirectory(await ldapDirectoryOptions(under.server, fresh));
      try {
        directory.start();
        await untilState(directory, 'up');
        const group = dn(under.server.groupDn('on-call'));
        const found = await directory.findUser({ by: 'email', email: 'grace@example.test' }, null, signal);
        assert.ok(found.kind === 'found');
        const value = found.entry.dn;
        const added = await directory.change({ group, attribute: 'member', add: [value], remove: [] }, [value]);
        assert.deepEqual([added.result, ...added.presences], ['ok', 'member']);
        const removed = await directory.change({ group, attribute: 'member', add: [], remove: [value] }, [value]);
        assert.deepEqual([removed.result, ...removed.presences], ['ok', 'absent']);
      } finally {
        await directory.close();
      }
    });

    test('as they are printed are enough to tell what is nested in a protected group, outside the scopes too', async () => {
      const { server } = under;
      const outside = `cn=facilities,ou=other-groups,${server.baseDn}`;
      const nested = server.groupDn('engineering');
      await server.modify(
        record(outside, 'modify', [
          ['add', 'member'],
          ['member', nested],
        ]),
      );
      const options = await ldapDirectoryOptions(server, fresh);
      const directory = openLdapDirectory(options);
      try {
        directory.start();
        await untilState(directory, 'up');
        const group = await directory.findGroup({ by: 'dn', dn: dn(nested) }, null, signal);
        const [above] = await directory.groupsNamed(outside, signal);
        assert.ok(group.kind === 'found' && above !== undefined);
        const asked = { group: group.entry, isProtected: () => false, mustBeTold: [above.id] };
        assert.equal(await directory.protectorOf(asked, signal), null, 'it is told of the group, which is not protected');
        const found = await directory.protectorOf({ ...asked, isProtected: ({ id }) => id === above.id }, signal);
        assert.equal(found?.group.id, above.id);
        const other = await directory.findGroup({ by: 'dn', dn: dn(server.groupDn('on-call')) }, null, signal);
        assert.ok(other.kind === 'found');
        assert.equal(await directory.protectorOf({ ...asked, group: other.entry }, signal), null);
        const told = step(
          await checked({ ...fresh, checked: { protectedGroups: [outside], ruleGroups: [], login: null } }),
          'protected groups',
        );
        assert.ok(told?.status === 'warn', JSON.stringify(told));
        assert.match(told.detail, new RegExp(`1 group in LDAP_GROUPS_SCOPE is nested .*"${nested}"`, 'i'));
      } finally {
        await directory.close();
        await server.modify(
          record(outside, 'modify', [
            ['delete', 'member'],
            ['member', nested],
          ]),
        );
      }
    });

    test('are tried without a trace', async () => {
      const earlier = await everything();
      assert.ok(earlier.flat().length > 30);
      assert.equal(step(await checked(), 'rights to write')?.status, 'ok');
      assert.deepEqual(await everything(), earlier);
    });

    test('that are too wide are warned of, and leave no trace either', async () => {
      const earlier = await everything();
      const steps = await checked({ bind: simpleBind(under.server.adminDn, under.server.adminPassword) });
      const beyond = step(steps, 'rights beyond that');
      assert.equal(beyond?.status, 'warn');
      for (const pattern of TOO_MUCH[under.server.flavour]) assert.match(beyond.detail, pattern);
      assert.deepEqual(await everything(), earlier);
    });

    for (const { right, name, says } of [
      { right: 'write', name: 'engineering', says: 'must not write' },
      { right: 'see', name: 'on-call', says: 'must not search and read' },
    ] as const) {
      test(`that one group does not give are found, and the group is named: to ${right} its members`, async () => {
        const group = under.server.groupDn(name);
        await under.refuse(group, right);
        const found = step(await checked(), right === 'write' ? 'rights to write' : 'rights to read');
        assert.equal(found?.status, 'fail');
        assert.match(found.detail, new RegExp(`${says} member of "${group}".*latchkey acl prints`));
      });
    }

    test("a user's password is tried once: right, wrong, nobody's, and one that is not enough", async () => {
      const grace = under.server.personDn('grace');
      const secret = 'Aa1-the-password-of-grace';
      await under.setPassword(grace, secret);
      const login = async (user: string, password: string) => {
        const checks = { protectedGroups: [], ruleGroups: [], login: { user, password: { reveal: () => password } } };
        return step(await checked({ ...fresh, checked: checks }), 'login');
      };
      for (const user of ['grace', 'grace@example.test', grace])
        assert.deepEqual([(await login(user, secret))?.status, user], ['ok', user]);
      const wrong = await login('grace', 'Aa1-another');
      assert.equal(wrong?.status, 'fail');
      assert.match(
        wrong.detail,
        flavour === 'active-directory' ? /the password is wrong$/ : /the password is wrong, or the account is locked/,
      );
      assert.match((await login('nobody-here', secret))?.detail ?? '', /no user in scope/);
      assert.match((await login('grace', ''))?.detail ?? '', /an empty password is not sent/);
      assert.ok(!JSON.stringify([await login('grace', secret), wrong]).includes(secret));
      if (under.trouble === null) return;
      await under.trouble.make(grace);
      await login('grace', 'Aa1-another');
      const troubled = await login('grace', secret);
      assert.equal(troubled?.status, 'fail');
      assert.match(troubled.detail, under.trouble.says);
    });
  });
}

test('the rights on a replica that is only read are tried at the server that it refers to, where that is used', async () => {
  await using provider = await startOpenLdap({ replicated: true });
  await using replica = await startOpenLdapReplica(provider);
  const ca = `${await readFile(replica.caFile, 'utf8')}${await readFile(provider.caFile, 'utf8')}`;
  const written = async (changes: LdapDirectoryChanges) => {
    const directory = openLdapDirectory(await ldapDirectoryOptions(replica, { ca, ...changes }));
    try {
      return (await directory.check(signal)).filter(({ step, status }) => step === 'rights to write' || status !== 'ok');
    } finally {
      await directory.close();
    }
  };
  const [alone, ...none] = await written({});
  assert.deepEqual([alone?.step, alone?.status, none.length], ['rights to write', 'fail', 0]);
  assert.match(alone?.detail ?? '', /takes no changes: 10 .*another server: ldaps:.*LDAP_REFERRALS=follow beside/);
  const both = await written({ url: `${replica.ldapsUrl} ${provider.ldapsUrl}`, referrals: 'follow' });
  assert.deepEqual(
    both.map(({ step, status }) => [step, status]),
    [
      ['rights to write', 'ok'],
      ['rights to write', 'ok'],
    ],
  );
  assert.match(both[1]?.detail ?? '', /can be written/);
});
