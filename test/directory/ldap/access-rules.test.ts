import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import { parseAccountName } from '../../../src/access/account-name.ts';
import type { WantedAccess } from '../../../src/directory/ldap/flavours/access-rules.ts';
import { flavourNamed } from '../../../src/directory/ldap/flavours/flavour-of.ts';
import { FLAVOUR_NAMES, type FlavourName } from '../../../src/directory/ldap/flavours/names.ts';
import { dn } from '../../support/ldap-directory-under-test.ts';

function account(text: string): WantedAccess['account'] {
  const parsed = parseAccountName(text);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

function wanted(changes: Partial<WantedAccess> = {}): WantedAccess {
  return {
    account: account('cn=latchkey,ou=system,dc=example,dc=com'),
    baseDn: dn('dc=example,dc=com'),
    usersScope: [dn('ou=people,dc=example,dc=com')],
    groupsScope: [dn('ou=groups,dc=example,dc=com')],
    memberAttribute: null,
    idAttribute: 'entryUUID',
    ...changes,
  };
}

function printed(flavour: FlavourName, changes: Partial<WantedAccess> = {}): string {
  const rules = flavourNamed(flavour).accessRules({ ...wanted(changes), idAttribute: flavourNamed(flavour).id.attribute });
  assert.ok(rules.ok, JSON.stringify(rules));
  return rules.value;
}

function pasted(text: string): string {
  return text.replace(/^#.*\n/gm, '');
}

function problem(flavour: FlavourName, changes: Partial<WantedAccess>): string {
  const rules = flavourNamed(flavour).accessRules(wanted(changes));
  assert.ok(!rules.ok);
  return rules.problem;
}

suite('the least rights', () => {
  test("of README are those that are printed for README's configuration", () => {
    const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
    const blocks = [...readme.matchAll(/^```ldif\n([\s\S]*?)^```$/gm)].map(([, text]) => text);
    assert.ok(blocks.includes(pasted(printed('openldap'))));
  });

  test('are nothing but lines that can be pasted, and comments', () => {
    for (const flavour of FLAVOUR_NAMES) {
      const text = printed(flavour);
      assert.ok(text.endsWith('\n'), flavour);
      assert.ok(/^#/m.test(text), flavour);
      assert.ok(!text.includes('undefined') && !/^#\S/m.test(text), flavour);
    }
    assert.equal(pasted(printed('generic')), '');
    assert.match(
      pasted(printed('active-directory')),
      /^\$account = .*\ndsacls 'ou=groups,[^']*' \/I:S \/G "\$\{account\}:RPWP;member;group"\n$/,
    );
  });

  test('name each scope once, and the whole base once where it is the scope', () => {
    const base = dn('dc=example,dc=com');
    const twice = [dn('ou=A,dc=example,dc=com'), dn('OU=a, dc=example,dc=com'), dn('ou=b,dc=example,dc=com')];
    for (const [flavour, written] of [
      ['openldap', /attrs=member,uniqueMember,memberUid$/gm],
      ['389ds', /acl "latchkey: change who/g],
      ['active-directory', /^dsacls/gm],
    ] as const) {
      assert.equal(pasted(printed(flavour, { groupsScope: twice })).match(written)?.length, 2, flavour);
      assert.equal(pasted(printed(flavour, { groupsScope: [base], usersScope: [base] })).match(written)?.length, 1, flavour);
    }
    assert.doesNotMatch(printed('openldap', { groupsScope: [base], usersScope: [base] }), /entryUUID/);
    assert.doesNotMatch(printed('389ds', { groupsScope: [base], usersScope: [base] }), /find entries/);
  });

  test('are for the one attribute that is forced', () => {
    assert.match(printed('openldap', { memberAttribute: 'memberUid' }), /attrs=memberUid$/m);
    assert.match(printed('389ds', { memberAttribute: 'uniqueMember' }), /targetattr="uniqueMember"/);
    const forced = printed('active-directory', { memberAttribute: 'memberUid' });
    assert.match(forced, /RPWP;memberUid;group"$/m);
    assert.match(forced, /\(OA;CIIO;RPWP;03dab236-672e-4f61-ab64-f77d2dc2ffab;bf967a9c-/);
  });

  test('cannot be broken out of by a name', () => {
    const awkward = dn('ou=a\\22 by * write\\5c,dc=example,dc=com');
    const [rule = ''] = printed('openldap', { groupsScope: [awkward] }).match(/^olcAccess: \{1\}.*$/m) ?? [];
    assert.match(rule, /^olcAccess: \{1\}to dn\.subtree="(?:[^"\\]|\\.)*" attrs=/);
    const quoted = printed('active-directory', { groupsScope: [dn("ou=it's $(calc),dc=example,dc=com")] });
    assert.match(quoted, /^dsacls 'ou=it''s \$\(calc\),dc=example,dc=com' \/I:S/m);
    assert.match(quoted, /--objectdn='ou=it'\\''s \$\(calc\),dc=example,dc=com'/);
    assert.match(problem('389ds', { account: account('cn=a?b,dc=example,dc=com') }), /cannot name/);
  });

  test('are LDIF in whatever letters a name is written', () => {
    const text = printed('389ds', { groupsScope: [dn('ou=Gruppenübersicht,dc=example,dc=com')] });
    const [, encoded = ''] = /^dn:: (.*)$/m.exec(text) ?? [];
    assert.equal(Buffer.from(encoded, 'base64').toString(), 'ou=Gruppenübersicht,dc=example,dc=com');
    const [, rule = ''] = /^olcAccess:: (.*)$/m.exec(printed('openldap', { groupsScope: [dn('ou=é,dc=example,dc=com')] })) ?? [];
    assert.match(
      Buffer.from(rule, 'base64').toString(),
      /^\{1\}to dn\.subtree="ou=é,dc=example,dc=com" attrs=\S+ by dn\.exact="[^"]+" write by \* break$/,
    );
  });

  test('are given to an account by the name that the server knows it by', () => {
    for (const flavour of ['openldap', '389ds', 'generic'] as const) {
      assert.match(problem(flavour, { account: account('latchkey@example.com') }), /must be a distinguished name/);
      assert.match(problem(flavour, { account: null }), /LDAP_BIND_DN/);
    }
    assert.match(problem('active-directory', { account: null }), /LDAP_BIND_DN/);
    assert.match(printed('active-directory', { account: account('EXAMPLE\\latchkey') }), /^\$account = 'EXAMPLE\\latchkey'$/m);
    const principal = printed('active-directory', { account: account('latchkey@example.com') });
    assert.match(principal, /^\$account = 'latchkey@example\.com'$/m);
    assert.match(principal, /samba-tool user show 'latchkey' /);
  });
});
