import { type Dn, isBeneath } from '../../../access/dn.ts';
import { and, type Filter } from '../../../access/filter.ts';
import type { EntryId } from '../../../access/ids.ts';
import type { ReadSink } from '../../directory-reader.ts';
import type { WantedAttribute } from './attribute-places.ts';
import type { DecodedEntry } from './decoded-entry.ts';
import { proveEmpty } from './empty-groups.ts';
import { idAt } from './facts-entry.ts';
import type { Line, SearchReceiver } from './line.ts';
import { columns, textsAt } from './mapping.ts';
import { readPages } from './pages.ts';
import { peopleReader } from './people.ts';
import { readRanges } from './ranges.ts';
import { type EntryKind, filterOf, type Reading, scopesOf } from './reading.ts';
import { teamsReader } from './teams.ts';

/** Reads entries of one kind and tells them. */
export interface KindReader {
  readonly wanted: readonly WantedAttribute[];
  readonly receiver: SearchReceiver;
  /** Tells what came in part, and proves that what came empty is; to be called when a search of that base has ended. */
  finish(searched: { readonly line: Line; readonly base: string }, signal: AbortSignal): Promise<void>;
}

/** Reads a kind whole. What the server counts to a scope, but is not beneath it by its own name, is not told. */
export function kindReader(reading: Reading, { kind, sink }: { kind: EntryKind; sink: ReadSink }): KindReader {
  const scopes = scopesOf(reading, kind);
  const isInside = (dn: string) => scopes.some((scope) => isBeneath(dn as Dn, scope));
  const room = () => sink.room();
  if (kind === 'user') {
    const people = peopleReader(reading);
    const entry = (one: DecodedEntry) => {
      if (isInside(one.dn)) sink.user(people.user(one));
    };
    return { wanted: people.wanted, receiver: { entry, room }, finish: async () => undefined };
  }
  const teams = teamsReader(reading, sink);
  return {
    wanted: teams.wanted,
    receiver: {
      values(one, place, values) {
        if (isInside(one.dn)) teams.values(one, place, values);
      },
      entry(one) {
        if (isInside(one.dn)) teams.entry(one);
      },
      room,
    },
    async finish({ line, base }, signal) {
      for (const group of teams.takeCut())
        await readRanges(line, { group, placeholder: reading.mapping.placeholder, sink }, signal);
      const groups = teams.takeEmpty();
      if (groups.length > 0) await proveEmpty(reading, { line, base, groups }, signal);
    },
  };
}

/** Tells everything of a kind that is in scope and filter, or of that what matches `narrowed`. */
export async function scan(
  reading: Reading,
  { line, kind, sink, narrowed = null }: { line: Line; kind: EntryKind; sink: ReadSink; narrowed?: Filter | null },
  signal: AbortSignal,
): Promise<void> {
  const { wanted, receiver, finish } = kindReader(reading, { kind, sink });
  const own = filterOf(reading, kind);
  const filter = narrowed === null ? own : and(own, narrowed);
  const { pageSize } = reading.mapping;
  for (const base of scopesOf(reading, kind)) {
    await readPages(line, { base, scope: 'sub', filter, attributes: wanted, pageSize }, receiver, signal);
    await finish({ line, base }, signal);
  }
}

/** The ids of entries beneath a base that match, with their names and object classes. */
export async function scanIds(
  reading: Reading,
  { line, base, filter, room }: { line: Line; base: string; filter: Filter; room?: ReadSink['room'] },
  { found, signal }: { found: (id: EntryId, dn: string, objectClasses: readonly string[]) => void; signal: AbortSignal },
): Promise<void> {
  const { id: stableId } = reading.landscape.flavour;
  const { wanted, place } = columns({ bytes: [stableId.attribute], text: ['objectClass'] });
  const classes = place('objectClass');
  const at = { place: place(stableId.attribute), stableId };
  const receiver: SearchReceiver = {
    entry: (one) => found(idAt(one, at), one.dn, textsAt(one, classes)),
    ...(room === undefined ? {} : { room }),
  };
  const { pageSize } = reading.mapping;
  await readPages(line, { base, scope: 'sub', filter, attributes: wanted, pageSize }, receiver, signal);
}

/** Tells as present everything of a kind that is in scope and filter and was not told otherwise. */
export async function scanPresent(
  reading: Reading,
  { line, kind, sink, told }: { line: Line; kind: EntryKind; sink: ReadSink; told: ReadonlySet<EntryId> },
  signal: AbortSignal,
): Promise<void> {
  const filter = filterOf(reading, kind);
  const scopes = scopesOf(reading, kind);
  const found = (id: EntryId, dn: string) => {
    if (!told.has(id) && scopes.some((scope) => isBeneath(dn as Dn, scope))) sink.present(id);
  };
  for (const base of scopes) await scanIds(reading, { line, base, filter, room: () => sink.room() }, { found, signal });
}
