import type { Entry } from 'ldapts';
import { type Dn, parseDn } from '../../access/dn.ts';
import type { Filter } from '../../access/filter.ts';
import { type EntryId, parseEntryId } from '../../access/ids.ts';
import { DirectoryError } from '../directory.ts';

/** Every entry has an object class (RFC 4512 §2.4.1). */
export const ANY_ENTRY: Filter = { kind: 'present', attribute: 'objectClass' };

/** An entry as it was read: its name as the server spells it, and the asked attributes by lower-case name. */
export interface LdapEntry {
  readonly dn: Dn;
  readonly attributes: ReadonlyMap<string, readonly string[]>;
}

/**
 * Copies an entry of ldapts by the names that were asked for, since a server could send an attribute named `dn` or
 * `__proto__`. Values that are not UTF-8 are left out: nothing that is read here may have such. Throws where the name
 * cannot be read.
 */
export function readEntry(entry: Entry, asked: readonly string[]): LdapEntry {
  const wanted = new Set(asked.map((name) => name.toLowerCase()));
  const attributes = new Map<string, readonly string[]>();
  for (const [name, value] of Object.entries(entry)) {
    const key = name.toLowerCase();
    if (key !== 'dn' && wanted.has(key)) attributes.set(key, textsOf(value));
  }
  const dn = typeof entry.dn === 'string' ? parseDn(entry.dn) : { ok: false as const, problem: 'its name is not text' };
  if (!dn.ok) throw new DirectoryError('refused', `The directory gave an entry whose name cannot be read: ${dn.problem}.`);
  return { dn: dn.value, attributes };
}

function textsOf(value: Entry[string]): readonly string[] {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.filter((one) => typeof one === 'string');
}

/** The values of an attribute, none where it is absent or must not be read. */
export function valuesOf(entry: LdapEntry, attribute: string): readonly string[] {
  return entry.attributes.get(attribute.toLowerCase()) ?? [];
}

/** The stable id of an entry. Rejects as `refused` where the account may not read it. */
export function idOf(entry: LdapEntry, idAttribute: string): EntryId {
  const [text] = valuesOf(entry, idAttribute);
  const id = parseEntryId(text ?? '');
  if (id.ok) return id.value;
  const found = text === undefined ? 'none can be read; give the account the right to read it' : `"${text}" is none`;
  throw new DirectoryError('refused', `The entry "${entry.dn}" must have a stable id in ${idAttribute}, and ${found}.`);
}
