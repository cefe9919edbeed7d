import type { Dn } from '../../../access/dn.ts';
import type { EntryId } from '../../../access/ids.ts';
import { idOf, type LdapEntry } from '../entry.ts';
import type { StableId } from '../flavours/stable-id.ts';
import type { DecodedEntry } from './decoded-entry.ts';
import type { Columns } from './mapping.ts';

/** Where the attributes lie that a rule of the flavour reads. */
export type FactPlaces = readonly (readonly [name: string, place: number])[];

export function factPlaces({ place }: Columns, attributes: readonly string[]): FactPlaces {
  return attributes.map((name) => [name.toLowerCase(), place(name)] as const);
}

/** An entry as the flavours' rules read it: with the attributes that they ask for and no others. It holds as its bytes do. */
export function factsEntry({ dn, bytes }: DecodedEntry, places: FactPlaces): LdapEntry {
  const attributes = new Map<string, readonly Uint8Array[]>();
  for (const [name, place] of places) {
    const values = bytes[place];
    if (values !== undefined && values.length > 0) attributes.set(name, values);
  }
  // Servers give names in the form of RFC 4514; whoever compares one reads it again.
  return { dn: dn as Dn, attributes };
}

/** The stable id of an entry. Throws where there is none to be read. */
export function idAt(entry: DecodedEntry, { place, stableId }: { place: number; stableId: StableId }): EntryId {
  const [bytes] = entry.bytes[place] ?? [];
  const id = bytes === undefined ? undefined : stableId.read(bytes);
  return id ?? idOf(factsEntry(entry, [[stableId.attribute.toLowerCase(), place]]), stableId);
}
