import type { Landscape } from '../landscape.ts';
import type { WantedAttribute } from './attribute-places.ts';
import type { DecodedEntry } from './decoded-entry.ts';

/** What of an entry becomes what of a user or a group, and how much is read at a time. */
export interface ReadMapping {
  /** Null: the flavour's. */
  readonly fullNameAttribute: string | null;
  readonly ownerAttribute: string | null;
  readonly managerAttribute: string;
  /** The value that stands in where a group's schema demands one member; it is nobody, and left out. */
  readonly placeholder: string;
  /** Entries a page. */
  readonly pageSize: number;
}

/** A server, as it was found, and what is wanted of it. */
export interface ReadPlace {
  readonly landscape: Landscape;
  readonly mapping: ReadMapping;
}

/** What is asked for of one kind of entries, each attribute once; text and bytes of the same one are asked for as bytes. */
export interface Columns {
  readonly wanted: readonly WantedAttribute[];
  /** The place of an attribute; asking for one that is not there is a mistake of ours. */
  place(name: string): number;
}

export function columns(lists: { readonly [As in WantedAttribute['as']]?: readonly string[] }): Columns {
  const byName = new Map<string, WantedAttribute>();
  for (const as of ['parts', 'bytes', 'text'] as const) {
    for (const name of lists[as] ?? []) if (!byName.has(name.toLowerCase())) byName.set(name.toLowerCase(), { name, as });
  }
  const wanted = [...byName.values()];
  const places = new Map([...byName.keys()].map((name, place) => [name, place]));
  return {
    wanted,
    place(name) {
      const place = places.get(name.toLowerCase());
      if (place === undefined) throw new Error(`${name} is not asked for`);
      return place;
    },
  };
}

/** The values at a place as text, however they were asked for. */
export function textsAt({ texts, bytes }: DecodedEntry, place: number): readonly string[] {
  const text = texts[place] ?? [];
  const raw = bytes[place] ?? [];
  if (raw.length === 0) return text;
  return raw.flatMap((one) => {
    const read = one.toString('utf8');
    return Buffer.from(read, 'utf8').equals(one) ? [read] : [];
  });
}

/** An assertion that a value is one of many, for ids. */
export function chunksOf<T>(values: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, i) => values.slice(i * size, (i + 1) * size));
}
