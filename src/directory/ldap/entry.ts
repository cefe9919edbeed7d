import type { Entry } from 'ldapts';
import { type Dn, parseDn } from '../../access/dn.ts';
import { equality, type Filter } from '../../access/filter.ts';
import type { EntryId } from '../../access/ids.ts';
import { DirectoryError } from '../directory.ts';
import type { StableId } from './flavours/stable-id.ts';

/** Every entry has an object class (RFC 4512 §2.4.1). */
export const ANY_ENTRY: Filter = { kind: 'present', attribute: 'objectClass' };

/** An entry as it was read: its name as the server spells it, and the asked attributes by lower-case name, as bytes. */
export interface LdapEntry {
  readonly dn: Dn;
  readonly attributes: ReadonlyMap<string, readonly Uint8Array[]>;
}

/**
 * Copies an entry of ldapts by the names that were asked for, since a server could send an attribute named `dn` or
 * `__proto__`. Throws where the name cannot be read.
 */
export function readEntry(entry: Entry, asked: readonly string[]): LdapEntry {
  const wanted = new Set(asked.map((name) => name.toLowerCase()));
  const attributes = new Map<string, readonly Uint8Array[]>();
  for (const [name, value] of Object.entries(entry)) {
    const key = askedAs(name.toLowerCase(), wanted);
    if (key !== 'dn' && wanted.has(key)) attributes.set(key, bytesIn(value));
  }
  const dn = typeof entry.dn === 'string' ? parseDn(entry.dn) : { ok: false as const, problem: 'its name is not text' };
  if (!dn.ok) throw new DirectoryError('refused', `The directory gave an entry whose name cannot be read: ${dn.problem}.`);
  return { dn: dn.value, attributes };
}

/** Where a range was asked for that goes beyond the end, it comes back with a star for its end ([MS-ADTS] §3.1.1.3.1.3.3). */
function askedAs(name: string, wanted: ReadonlySet<string>): string {
  if (wanted.has(name) || !name.endsWith('-*')) return name;
  return [...wanted].find((asked) => asked.replace(/-\d+$/, '-*') === name) ?? name;
}

function bytesIn(value: Entry[string]): readonly Uint8Array[] {
  const values: readonly (string | Uint8Array)[] = Array.isArray(value) ? value : [value];
  return values.map((one) => (typeof one === 'string' ? Buffer.from(one, 'utf8') : one));
}

/** The values of an attribute as they came, none where it is absent or must not be read. */
export function bytesOf(entry: LdapEntry, attribute: string): readonly Uint8Array[] {
  return entry.attributes.get(attribute.toLowerCase()) ?? [];
}

/** The same as text. Values that are not UTF-8 are left out: nothing that is read as text may have such. */
export function valuesOf(entry: LdapEntry, attribute: string): readonly string[] {
  return bytesOf(entry, attribute).flatMap((bytes) => {
    const text = Buffer.from(bytes).toString('utf8');
    return Buffer.from(text, 'utf8').equals(bytes) ? [text] : [];
  });
}

/** The stable id of an entry. Rejects as `refused` where the account may not read it. */
export function idOf(entry: LdapEntry, stableId: StableId): EntryId {
  const [bytes] = bytesOf(entry, stableId.attribute);
  const id = bytes === undefined ? undefined : stableId.read(bytes);
  if (id !== undefined) return id;
  const found =
    bytes === undefined
      ? 'none can be read; give the account the right to read it'
      : `${bytes.length} bytes that are none (${Buffer.from(bytes).toString('hex').slice(0, 80)}) are there; check LDAP_FLAVOUR`;
  throw new DirectoryError('refused', `The entry "${entry.dn}" must have a stable id in ${stableId.attribute}, and ${found}.`);
}

/** Asserts the stable id, for a search. */
export function hasId(id: EntryId, stableId: StableId): Filter {
  return equality(stableId.attribute, stableId.assertion(id));
}
