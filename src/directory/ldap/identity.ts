import type { AccountName } from '../../access/account-name.ts';
import { type Dn, parseDn, sameDn } from '../../access/dn.ts';
import { equality, type Filter } from '../../access/filter.ts';
import { DirectoryError } from '../directory.ts';
import { ANY_ENTRY, bytesOf, type LdapEntry, valuesOf } from './entry.ts';
import type { Session } from './session.ts';

/** Who the server takes us for, in words, and our own entry where there is one; or why it is not for our account. */
export type Identity =
  | { readonly proved: true; readonly shown: string; readonly account: Dn | null }
  | { readonly proved: false; readonly why: string };

/**
 * Asks the server who it takes us for, since a bind that was answered with success may still be nobody's (RFC 4513 §5.1.2).
 *
 * Who am I? (RFC 4532) answers it with a DN on OpenLDAP and 389 Directory Server. Active Directory answers with `u:` and a name,
 * Samba not at all; there the root DSE has the security ids of this very session (tokenGroups, MS-ADTS §3.1.1.3.2), and ours
 * must be among them. Where neither is known, our own entry must be readable.
 *
 * `name` is null for SASL EXTERNAL without a configured name: then whoever the certificate stands for is our account.
 * Rejects where the session ends.
 */
export async function proveIdentity(session: Session, name: AccountName | null): Promise<Identity> {
  const authzId = await session.whoAmI();
  if (authzId === '') return { proved: false, why: 'takes us for nobody' };
  const parsed = authzId?.startsWith('dn:') === true ? parseDn(authzId.slice('dn:'.length).trim()) : undefined;
  if (authzId !== null && parsed?.ok === true) return await provedByName(session, { authzId, taken: parsed.value, name });
  return await provedBySecurityId(session, name);
}

/** Names have more than one spelling, but a server spells that of one entry always alike. */
async function provedByName(
  session: Session,
  { authzId, taken, name }: { authzId: string; taken: Dn; name: AccountName | null },
): Promise<Identity> {
  if (name === null) return { proved: true, shown: authzId, account: await entryAt(session, taken) };
  if (name.form === 'dn' && sameDn(taken, name.dn)) return { proved: true, shown: authzId, account: taken };
  const ours = await ownEntry(session, name, undefined);
  const theirs = await entryAt(session, taken);
  return ours !== null && theirs !== null && sameDn(theirs, ours)
    ? { proved: true, shown: authzId, account: ours }
    : { proved: false, why: `takes us for ${authzId}` };
}

async function provedBySecurityId(session: Session, name: AccountName | null): Promise<Identity> {
  const root = await readAt(session, '', ['defaultNamingContext', 'tokenGroups']);
  const ids = root === null ? [] : securityIds(root, 'tokenGroups');
  const [base] = root === null ? [] : valuesOf(root, 'defaultNamingContext');
  const [first] = ids;
  // The first is the account's own, the others are its groups'.
  const ofFirst = first === undefined ? null : `<SID=${first}>`;
  const ours = name !== null ? await ownEntry(session, name, base) : ofFirst === null ? null : await entryAt(session, ofFirst);
  if (ours === null)
    return { proved: false, why: name === null ? 'does not say for whom; set LDAP_BIND_DN' : 'does not show that entry to it' };
  if (ids.length === 0) return { proved: true, shown: ours, account: ours };
  const read = await readAt(session, ours, ['objectSid']);
  const [own] = read === null ? [] : securityIds(read, 'objectSid');
  if (own === undefined) return { proved: false, why: `does not show the objectSid of "${ours}" to it` };
  return ids.includes(own)
    ? { proved: true, shown: ours, account: ours }
    : { proved: false, why: `takes us for another than "${ours}"` };
}

function securityIds(entry: LdapEntry, attribute: string): readonly string[] {
  return bytesOf(entry, attribute).map((bytes) => Buffer.from(bytes).toString('hex'));
}

/** The entry of the account by its configured name; null where none, or more than one, is shown to us. */
async function ownEntry(session: Session, name: AccountName, base: string | undefined): Promise<Dn | null> {
  switch (name.form) {
    case 'dn':
      return await entryAt(session, name.dn);
    case 'principal':
      // Without an attribute of its own, an account goes by its logon name in its domain.
      return (
        (await entryWith(session, base, equality('userPrincipalName', name.text))) ??
        (await entryWith(session, base, equality('sAMAccountName', name.user)))
      );
    case 'domain_user':
      return await entryWith(session, base, equality('sAMAccountName', name.user));
    default:
      return name satisfies never;
  }
}

async function entryWith(session: Session, base: string | undefined, filter: Filter): Promise<Dn | null> {
  if (base === undefined) return null;
  const [entry, ...others] = (await session.search({ base, scope: 'sub', filter, attributes: ['1.1'], sizeLimit: 2 })).entries;
  return entry !== undefined && others.length === 0 ? entry.dn : null;
}

async function entryAt(session: Session, base: string): Promise<Dn | null> {
  return (await readAt(session, base, ['1.1']))?.dn ?? null;
}

/** One entry, named as the server spells it; null where it is not there, or must not be read. */
async function readAt(session: Session, base: string, attributes: readonly string[]): Promise<LdapEntry | null> {
  try {
    const [entry] = (await session.search({ base, scope: 'base', filter: ANY_ENTRY, attributes, sizeLimit: 1 })).entries;
    return entry ?? null;
  } catch (error) {
    // Any answer but success shows no entry; no answer is for the caller to know.
    if (error instanceof DirectoryError && error.ldap !== null && !session.isOver) return null;
    throw error;
  }
}
