import type { Dn } from '../../../access/dn.ts';
import type { Filter } from '../../../access/filter.ts';
import type { EntryId } from '../../../access/ids.ts';
import type { ReadSink } from '../../directory-reader.ts';
import { entryAt } from '../place.ts';
import { containerReason, otherEntries } from './containers.ts';
import type { DeltaEnd } from './delta.ts';
import type { Line } from './line.ts';
import { onLine, type Reading, remembering } from './reading.ts';
import { scan, scanIds, scanPresent } from './scan.ts';

/** What a server that numbers its changes can be asked. */
export interface NumberedChanges {
  /** Matches what has changed since the state. */
  readonly since: Filter;
  /** The state to begin the next delta with; it was read before anything of this one. */
  readonly next: string;
  /**
   * Tells the ids of what was deleted since then; null where the account may not see them, or not everything that has left the
   * scopes: then all that is there is told instead.
   */
  readonly deleted: ((line: Line, found: (id: EntryId) => void, signal: AbortSignal) => Promise<void>) | null;
}

/**
 * Why changes cannot be found by an attribute: a filter about one that must not be searched is never true, and everything would
 * seem unchanged. Null where each scope's own entry is found by it.
 */
export async function unsearchable(
  { session, usersScopes, groupsScopes }: Reading,
  attribute: string,
  signal: AbortSignal,
): Promise<string | null> {
  const isFound = async (dn: Dn): Promise<boolean> =>
    (await entryAt({ session }, { dn, filter: { kind: 'present', attribute }, attributes: ['1.1'] }, signal)) !== null;
  const scopes = [...new Set([...usersScopes, ...groupsScopes])];
  const found = await Promise.all(scopes.map(isFound));
  const dn = scopes.find((_, i) => found[i] === false);
  return dn === undefined ? null : `the account may not search for ${attribute} in "${dn}", or there is none`;
}

/**
 * What has changed by the server's own numbers. What changed in scope and filter is told whole; what changed anywhere beneath the
 * base and is not in scope and filter (any more) is gone, as is what was deleted.
 */
export async function numberedDelta(
  reading: Reading,
  { since, next, deleted }: NumberedChanges,
  { sink: given, signal }: { sink: ReadSink; signal: AbortSignal },
): Promise<DeltaEnd> {
  const { sink, told } = remembering(given);
  const base = reading.landscape.baseDn;
  return await onLine(reading, async (line) => {
    const others = otherEntries(reading);
    const changed = new Set<EntryId>();
    const found = (id: EntryId, dn: string, objectClasses: readonly string[]) => {
      if (deleted !== null) changed.add(id);
      others.met(dn, objectClasses);
    };
    await scanIds(reading, { line, base, filter: since }, { found, signal });
    const reason = await containerReason(line, others.dns, signal);
    if (reason !== null) return { told: 'full_needed', reason };
    await deleted?.(line, (id) => void changed.add(id), signal);
    await scan(reading, { line, kind: 'user', sink, narrowed: since }, signal);
    await scan(reading, { line, kind: 'group', sink, narrowed: since }, signal);
    if (deleted === null) {
      await scanPresent(reading, { line, kind: 'user', sink, told }, signal);
      await scanPresent(reading, { line, kind: 'group', sink, told }, signal);
      return { told: 'present', state: next };
    }
    for (const id of changed) if (!told.has(id)) sink.gone(id);
    return { told: 'changes', state: next };
  });
}
