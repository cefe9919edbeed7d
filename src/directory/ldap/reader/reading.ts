import type { Clock } from '../../../access/clock.ts';
import { type Dn, isBeneath } from '../../../access/dn.ts';
import { and, type Filter } from '../../../access/filter.ts';
import type { EntryId } from '../../../access/ids.ts';
import { DirectoryError } from '../../directory.ts';
import type { ReadSink } from '../../directory-reader.ts';
import { ANY_ENTRY, bytesOf, idOf, valuesOf } from '../entry.ts';
import { entryAt } from '../place.ts';
import type { Schema } from '../schema.ts';
import type { Session } from '../session.ts';
import { type Line, openLine } from './line.ts';
import type { ReadPlace } from './mapping.ts';

/** One read of a directory: a connection of its own, and what was learnt on it. */
export interface Reading extends ReadPlace {
  readonly session: Session;
  readonly schema: Schema;
  readonly clock: Clock;
  readonly readTimeoutMs: number;
  /** The stable id of the base entry, by which one directory is told from another. */
  readonly baseId: EntryId;
  /** Where to look, none of them beneath another, as the server spells them. */
  readonly usersScopes: readonly Dn[];
  readonly groupsScopes: readonly Dn[];
}

/** Lets a line be had while `work` goes on. */
export async function onLine<T>(
  reading: Pick<Reading, 'session' | 'clock' | 'readTimeoutMs'>,
  work: (line: Line) => Promise<T>,
): Promise<T> {
  using line = openLine(reading.session, reading);
  return await work(line);
}

/**
 * Finds each scope and reads its id; rejects where one is not there or must not be read, since nothing would then be found beneath
 * it. Active Directory shows the bare name of an entry to those who must read nothing of it.
 */
export async function provedScopes(
  { session, landscape }: Pick<Reading, 'session' | 'landscape'>,
  scopes: readonly Dn[],
  signal: AbortSignal,
): Promise<readonly Dn[]> {
  const { attribute } = landscape.flavour.id;
  const proved = async (dn: Dn): Promise<Dn> => {
    const entry = await entryAt({ session }, { dn, filter: ANY_ENTRY, attributes: [attribute] }, signal);
    if (entry !== null && bytesOf(entry, attribute).length > 0) return entry.dn;
    throw new DirectoryError(
      'refused',
      `"${dn}" is not there, or the account must not read it; check LDAP_BASE_DN, the scopes and the rights. Nothing of this read is used.`,
    );
  };
  const found = await Promise.all(scopes.map(proved));
  return found.filter(
    (dn, at) => !found.some((other, i) => i !== at && isBeneath(dn, other) && (i < at || !isBeneath(other, dn))),
  );
}

/** The base entry's own id. Rejects where it cannot be read. */
export async function baseIdOf(
  { session, landscape }: Pick<Reading, 'session' | 'landscape'>,
  signal: AbortSignal,
): Promise<EntryId> {
  const { baseDn, flavour } = landscape;
  const entry = await entryAt({ session }, { dn: baseDn, filter: ANY_ENTRY, attributes: [flavour.id.attribute] }, signal);
  if (entry !== null) return idOf(entry, flavour.id);
  throw new DirectoryError(
    'refused',
    `"${baseDn}" is not there, or the account must not read it; check LDAP_BASE_DN and the rights.`,
  );
}

/** Values of the root DSE (RFC 4512 §5.1) by attribute; none of what is not there. */
export async function rootValues<Name extends string>(
  session: Session,
  attributes: readonly Name[],
  signal: AbortSignal,
): Promise<Readonly<Record<Name, readonly string[]>>> {
  const entry = await entryAt({ session }, { dn: '', filter: ANY_ENTRY, attributes }, signal);
  const values = attributes.map((name) => [name, entry === null ? [] : valuesOf(entry, name)] as const);
  return Object.fromEntries(values) as Record<Name, readonly string[]>;
}

/** The kinds of entries that are told of. */
export type EntryKind = 'user' | 'group';

export function scopesOf({ usersScopes, groupsScopes }: Reading, kind: EntryKind): readonly Dn[] {
  return kind === 'user' ? usersScopes : groupsScopes;
}

/** The built-in filter of a kind and the configured one. */
export function filterOf({ landscape }: Reading, kind: EntryKind): Filter {
  const { flavour, userFilter, groupFilter } = landscape;
  const [builtIn, configured] = kind === 'user' ? [flavour.people, userFilter] : [flavour.groups, groupFilter];
  return configured === null ? builtIn : and(builtIn, configured);
}

/** A sink that remembers which entries were told to it. */
export function remembering(sink: ReadSink): { sink: ReadSink; told: ReadonlySet<EntryId> } {
  const told = new Set<EntryId>();
  return {
    told,
    sink: {
      user(user) {
        told.add(user.id);
        sink.user(user);
      },
      members: (values) => sink.members(values),
      group(group) {
        told.add(group.id);
        sink.group(group);
      },
      gone: (id) => sink.gone(id),
      present: (id) => sink.present(id),
      room: () => sink.room(),
    },
  };
}
