import { type AccessRules, accountDn, comments, distinctDns, memberAttributesOf, NESTING_ATTRIBUTES } from './access-rules.ts';

/** In words: no two servers have one language for this. */
export const ACCESS_RULES_IN_WORDS: AccessRules = (wanted) => {
  const account = accountDn(wanted);
  if (!account.ok) return account;
  const groups = distinctDns(wanted.groupsScope);
  const members = memberAttributesOf(wanted).join(', ');
  return {
    ok: true,
    value: comments(
      'The language of this server is not known (LDAP_FLAVOUR names those that are). The rights that the connector needs, and no more:',
      `account: ${account.value}`,
      ...groups.map((dn) => `beneath ${dn}: write ${members}`),
      ...distinctDns([...groups, ...wanted.usersScope]).map((dn) => `beneath ${dn}: search, read and compare all but passwords`),
      `beneath ${wanted.baseDn}: search, read and compare objectClass and ${wanted.idAttribute}`,
      `beneath ${wanted.baseDn}: search (not read) ${NESTING_ATTRIBUTES.join(', ')}`,
      'paged searches (RFC 2696) without a limit on the whole',
    ),
  };
};
