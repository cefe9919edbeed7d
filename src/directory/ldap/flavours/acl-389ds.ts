import type { Dn } from '../../../access/dn.ts';
import {
  type AccessRules,
  accountDn,
  comments,
  coversBase,
  distinctDns,
  ldifLine,
  memberAttributesOf,
  NESTING_ATTRIBUTES,
} from './access-rules.ts';

/** What has a meaning of its own within a bind rule (Red Hat Directory Server, Managing access control). */
const SPECIAL = /["%?*$|]/;

/** Access control instructions of 389 Directory Server. It takes no right of its own to ask for one's effective rights. */
export const ACCESS_RULES_OF_389: AccessRules = (wanted) => {
  const account = accountDn(wanted);
  if (!account.ok) return account;
  if (SPECIAL.test(account.value))
    return {
      ok: false,
      problem: `an access control instruction cannot name "${account.value}"; name the account without any of " % ? * $ |`,
    };
  const aci = (options: { target: string; name: string; rights: string }) =>
    ldifLine(
      'aci',
      `(targetattr${options.target})(version 3.0; acl "latchkey: ${options.name}";`,
      `allow (${options.rights}) userdn="ldap:///${account.value}";)`,
    );
  const members = aci({
    target: `="${memberAttributesOf(wanted).join(' || ')}"`,
    name: 'change who is in the groups',
    rights: 'read, search, compare, write',
  });
  const reading = aci({ target: '!="userPassword || aci"', name: 'read users and groups', rights: 'read, search, compare' });
  const finding = aci({
    target: `="objectClass || ${wanted.idAttribute}"`,
    name: 'find entries by their id',
    rights: 'read, search, compare',
  });
  const nesting = aci({
    target: `="${NESTING_ATTRIBUTES.join(' || ')}"`,
    name: 'ask which groups are nested in which',
    rights: 'search, compare',
  });
  const groups = distinctDns(wanted.groupsScope);
  const isRead = distinctDns([...groups, ...wanted.usersScope]);
  const records = [
    ...groups.map((dn) => adding(dn, members)),
    ...isRead.map((dn) => adding(dn, reading)),
    ...(coversBase(wanted) ? [] : [adding(wanted.baseDn, finding), adding(wanted.baseDn, nesting)]),
    limits(account.value),
  ];
  const head = comments(
    'The rights of the connector, for ldapmodify -x -H ldaps://… -D "cn=Directory Manager" -W. The last record lets it read all of a',
    'large directory, in pages only; leave it out where the limits of the server are high enough.',
  );
  return { ok: true, value: `${head}${records.join('\n')}` };
};

function adding(dn: Dn, aci: string): string {
  return `${[ldifLine('dn', dn), 'changetype: modify', 'add: aci', aci].join('\n')}\n`;
}

/** Limits of an account are attributes of its entry. */
function limits(account: Dn): string {
  const set = [
    ['nsSizeLimit', '500'],
    ['nsPagedSizeLimit', '-1'],
    ['nsLookThroughLimit', '-1'],
    ['nsPagedLookThroughLimit', '-1'],
  ].map(([name, value]) => `replace: ${name}\n${name}: ${value}\n`);
  return `${ldifLine('dn', account)}\nchangetype: modify\n${set.join('-\n')}`;
}
