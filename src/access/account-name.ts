import type { Parsed } from './brand.ts';
import { type Dn, parseDn } from './dn.ts';

/**
 * What a directory account is called in a simple bind. Every server takes the DN; Active Directory also takes the user
 * principal name and `DOMAIN\user` (MS-ADTS §5.1.1.1.1).
 */
export type AccountName =
  | { readonly form: 'dn'; readonly text: string; readonly dn: Dn }
  | { readonly form: 'principal'; readonly text: string; readonly user: string; readonly realm: string }
  | { readonly form: 'domain_user'; readonly text: string; readonly domain: string; readonly user: string };

const PRINCIPAL = /^([^@\\=,\p{Cc}]{1,256})@([\p{L}\p{N}._-]{1,255})$/u;
const DOMAIN_USER = /^([\p{L}\p{N}._-]{1,255})\\([^\\/@=,;:|+*?<>"[\]\p{Cc}]{1,256})$/u;

/** Reads one of the three forms. What has a `=` is a DN; the empty name is nobody's. */
export function parseAccountName(text: string): Parsed<AccountName> {
  const [, user, realm] = PRINCIPAL.exec(text) ?? [];
  if (user !== undefined && realm !== undefined) return { ok: true, value: { form: 'principal', text, user, realm } };
  const [, domain, name] = DOMAIN_USER.exec(text) ?? [];
  if (domain !== undefined && name !== undefined) return { ok: true, value: { form: 'domain_user', text, domain, user: name } };
  const parsed = parseDn(text);
  if (!parsed.ok) return parsed;
  if (parsed.value.trim() === '') return { ok: false, problem: 'the empty name' };
  return { ok: true, value: { form: 'dn', text, dn: parsed.value } };
}
