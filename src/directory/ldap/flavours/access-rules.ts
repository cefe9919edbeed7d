import type { AccountName } from '../../../access/account-name.ts';
import type { Parsed } from '../../../access/brand.ts';
import { type Dn, foldDn, sameDn } from '../../../access/dn.ts';
import { MEMBER_ATTRIBUTES, type MemberAttribute } from '../../../access/membership.ts';

/** For whom, and where, the least rights are to be printed. */
export interface WantedAccess {
  /** Null where only a certificate says who we are. */
  readonly account: AccountName | null;
  readonly baseDn: Dn;
  readonly usersScope: readonly Dn[];
  readonly groupsScope: readonly Dn[];
  /** Null: whichever a group has. */
  readonly memberAttribute: MemberAttribute | null;
  readonly idAttribute: string;
}

/**
 * The least rights that the connector's account needs, in the server's own language and as text that can be pasted; all else is
 * a comment. They let it write the members of the groups in scope, read users and groups but no password, and find any entry
 * beneath the base by its id: whoever leaves the scopes must still lose what they were given (ARCHITECTURE, Directory). And they let
 * it ask in which groups one is, anywhere: whether a group is nested in a protected one must be told, not read.
 */
export type AccessRules = (wanted: WantedAccess) => Parsed<string>;

/** By which a group can be nested in another: whether one is in a protected group anywhere must be told, whatever attribute is forced. */
export const NESTING_ATTRIBUTES: readonly MemberAttribute[] = MEMBER_ATTRIBUTES.filter((name) => name !== 'memberUid');

export function memberAttributesOf({ memberAttribute }: WantedAccess): readonly MemberAttribute[] {
  return memberAttribute === null ? MEMBER_ATTRIBUTES : [memberAttribute];
}

/** The account as a DN, which most servers know it by and no other way. */
export function accountDn({ account }: WantedAccess): Parsed<Dn> {
  if (account === null)
    return {
      ok: false,
      problem: 'LDAP_BIND_DN must say who the account is; with LDAP_BIND=external, whom the certificate stands for',
    };
  return account.form === 'dn'
    ? { ok: true, value: account.dn }
    : { ok: false, problem: `LDAP_BIND_DN must be a distinguished name on this kind of server, not "${account.text}"` };
}

/** Each name once, however it is spelt. */
export function distinctDns(names: readonly Dn[]): readonly Dn[] {
  return [...new Map(names.map((dn) => [foldDn(dn), dn])).values()];
}

/** True where reading a scope is reading the whole base. */
export function coversBase({ baseDn, usersScope, groupsScope }: WantedAccess): boolean {
  return [...usersScope, ...groupsScope].some((scope) => sameDn(scope, baseDn));
}

/**
 * One attribute of LDIF (RFC 2849). Its value is the words with a blank between each two; where it is plain text, each but the
 * first has a line of its own.
 */
export function ldifLine(name: string, ...words: readonly string[]): string {
  const value = words.join(' ');
  if (/^(?![ :<])[\x20-\x7e]*(?<! )$/.test(value)) return `${name}: ${words.join('\n  ')}`;
  return `${name}:: ${Buffer.from(value, 'utf8').toString('base64')}`;
}

export function comments(...lines: readonly string[]): string {
  return lines.map((line) => (line === '' ? '#\n' : `# ${line}\n`)).join('');
}
