import type { AccountName } from '../../../access/account-name.ts';
import type { MemberAttribute } from '../../../access/membership.ts';
import { type AccessRules, comments, distinctDns } from './access-rules.ts';

/** schemaIDGUIDs ([MS-ADSC] §2.65, [MS-ADA2] §2.43, [MS-ADA3]). */
const GROUP = 'bf967a9c-0de6-11d0-a285-00aa003049e2';
const GUIDS: Readonly<Record<MemberAttribute, string>> = {
  member: 'bf9679c0-0de6-11d0-a285-00aa003049e2',
  memberUid: '03dab236-672e-4f61-ab64-f77d2dc2ffab',
  uniqueMember: '8f888726-f80a-44d7-b1ee-cb9df21392c8',
};

/** Of any entry: who it is, and of a group what it is by nature, and which groups it is in. */
const FOUND_ANYWHERE = [
  'objectGUID',
  'objectClass',
  'objectSid',
  'groupType',
  'sAMAccountName',
  'adminCount',
  'isCriticalSystemObject',
  'member',
  'memberOf',
];

/**
 * A delegation: the members of groups beneath the scopes, and nothing else. Users and groups any account may read, unless that
 * was taken away.
 */
export const ACCESS_RULES_OF_ACTIVE_DIRECTORY: AccessRules = ({ account, groupsScope, usersScope, baseDn, memberAttribute }) => {
  if (account === null)
    return {
      ok: false,
      problem: 'LDAP_BIND_DN must say whom the client certificate stands for, so that the rights can be given to it',
    };
  const attribute = memberAttribute ?? 'member';
  const groups = distinctDns(groupsScope);
  const entry = (sid: string) => `(OA;CIIO;RPWP;${GUIDS[attribute]};${GROUP};${sid})`;
  const value = [
    comments('The rights of the connector, for PowerShell as an administrator of the domain, where dsacls is.'),
    `$account = ${accountInPowerShell(account)}\n`,
    ...groups.map((dn) => `dsacls ${quoted(dn)} /I:S /G "\${account}:RPWP;${attribute};group"\n`),
    comments(
      'By default any account may read users and groups, and find any entry by its objectGUID. Where that was taken away:',
      ...distinctDns([...groups, ...usersScope]).map((dn) => `  dsacls ${quoted(dn)} /I:T /G "\${account}:GR"`),
      `  dsacls ${quoted(baseDn)} /I:T /G "\${account}:LC" ${FOUND_ANYWHERE.map((name) => `"\${account}:RP;${name}"`).join(' ')}`,
      'The last lets it find entries by their id, and tell whether a group is nested in one that rules over the domain.',
      'Groups that AdminSDHolder protects, Domain Admins and its like, inherit none of this, and must not.',
      '',
      'The same as an access control entry (SDDL), where SID is the objectSid of the account:',
      `  ${entry('SID')}`,
      'With Samba, in a shell on the domain controller:',
      `  sid=${sidInShell(account)}`,
      ...groups.map((dn) => `  samba-tool dsacl set --objectdn=${inShell(dn)} --sddl="${entry('$sid')}"`),
    ),
  ].join('');
  return { ok: true, value };
};

function accountInPowerShell(account: AccountName): string {
  switch (account.form) {
    case 'principal':
    case 'domain_user':
      return quoted(account.text);
    case 'dn':
      return `(Get-ADUser -Identity ${quoted(account.dn)}).SID.Translate([System.Security.Principal.NTAccount]).Value`;
    default:
      return account satisfies never;
  }
}

function sidInShell(account: AccountName): string {
  if (account.form === 'dn') return "'S-1-5-21-…'   # the objectSid of the account";
  return `$(samba-tool user show ${inShell(account.user)} --attributes=objectSid | sed -n 's/^objectSid: //p')`;
}

/** PowerShell's text without anything special in it; also typographic quotation marks end one. */
function quoted(text: string): string {
  return `'${text.replace(/['‘’‚‛]/g, '$&$&')}'`;
}

function inShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
