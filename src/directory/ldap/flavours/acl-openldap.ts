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
  type WantedAccess,
} from './access-rules.ts';

/** Access rules of slapd (slapd.access(5)), which come before all others and say nothing about anybody else. */
export const ACCESS_RULES_OF_OPENLDAP: AccessRules = (wanted) => {
  const account = accountDn(wanted);
  if (!account.ok) return account;
  const who = `dn.exact=${quoted(account.value)}`;
  const rules = rulesFor(wanted, who);
  const limits = [who, 'size.pr=500 size.prtotal=unlimited'];
  const olcAccess = rules.map(([first = '', ...others], at) => ldifLine('olcAccess', `{${at}}${first}`, ...others));
  const ldif = [
    'dn: olcDatabase={1}mdb,cn=config',
    'changetype: modify',
    'add: olcAccess',
    ...olcAccess,
    '-',
    'add: olcLimits',
    ldifLine('olcLimits', `{0}${limits.join(' ')}`),
  ];
  const value = [
    comments(
      'The rights of the connector, for ldapmodify -H ldapi:/// -Y EXTERNAL as root on the server. Adapt the name of the database:',
      'ldapsearch -LLL -H ldapi:/// -Y EXTERNAL -b cn=config olcSuffix',
    ),
    `${ldif.join('\n')}\n`,
    comments(
      '',
      'The same for slapd.conf, among the lines of the database and before its other rules:',
      ...rules.flatMap(([first = '', ...others]) => [`access to ${first.slice('to '.length)}`, ...others.map((by) => `  ${by}`)]),
      `limits ${limits.join(' ')}`,
    ),
  ].join('');
  return { ok: true, value };
};

type Rule = readonly string[];

function rulesFor(wanted: WantedAccess, who: string): readonly Rule[] {
  const { baseDn, groupsScope, usersScope, idAttribute } = wanted;
  const rule = (what: string, right: string): Rule => [`to ${what}`, `by ${who} ${right}`, 'by * break'];
  const beneath = (dn: Dn) => `dn.subtree=${quoted(dn)}`;
  const groups = distinctDns(groupsScope);
  const members = memberAttributesOf(wanted).join(',');
  return [
    rule('attrs=userPassword', 'none'),
    ...groups.map((dn) => rule(`${beneath(dn)} attrs=${members}`, 'write')),
    ...distinctDns([...groups, ...usersScope]).map((dn) => rule(beneath(dn), 'read')),
    ...(coversBase(wanted)
      ? []
      : [
          rule(`${beneath(baseDn)} attrs=entry,objectClass,${idAttribute}`, 'read'),
          rule(`${beneath(baseDn)} attrs=${NESTING_ATTRIBUTES.join(',')}`, 'search'),
        ]),
  ];
}

/** In slapd's files a quotation mark and a backslash are written behind a backslash. */
function quoted(dn: Dn): string {
  return `"${dn.replace(/["\\]/g, '\\$&')}"`;
}
