import type { Filter } from '../../../access/filter.ts';
import type { DeltaMeans, FullNeeded, ReadSink } from '../../directory-reader.ts';
import { ds389Delta } from './delta-389ds.ts';
import { activeDirectoryDelta } from './delta-active-directory.ts';
import { openLdapDelta } from './delta-openldap.ts';
import type { Reading } from './reading.ts';

/** How a delta of it ended, and where the next one begins. */
export type DeltaEnd = FullNeeded | { readonly told: 'changes' | 'present'; readonly state: string };

/** A way to find what has changed. */
export interface DeltaWay {
  readonly name: Exclude<DeltaMeans['name'], null>;
  readonly reason: string;
  /** Of which server, or of which directory, its states are. */
  readonly server: string;
  /** The state now, by the directory's own count. */
  readonly state: string;
  changes(state: string, sink: ReadSink, signal: AbortSignal): Promise<DeltaEnd>;
}

/** No way, and why. */
export interface NoDelta {
  readonly name: null;
  readonly reason: string;
}

/** The best way that this server offers to this account. */
export async function deltaWay(reading: Reading, signal: AbortSignal): Promise<DeltaWay | NoDelta> {
  const { flavour, userFilter, groupFilter } = reading.landscape;
  const computed = [userFilter, groupFilter].flatMap((filter) => (filter === null ? [] : attributesIn(filter))).find(isComputed);
  if (computed !== undefined)
    return { name: null, reason: `a configured filter uses ${computed}, which changes without a change of the entry` };
  switch (flavour.delta) {
    case 'entryCSN':
      return await openLdapDelta(reading, signal);
    case 'entryusn':
      return await ds389Delta(reading, signal);
    case 'uSNChanged':
      return await activeDirectoryDelta(reading, signal);
    case null:
      return { name: null, reason: 'this kind of server is not known to tell what has changed' };
    default:
      return flavour.delta satisfies never;
  }
}

/** Attributes whose values follow from other entries. */
const COMPUTED: ReadonlySet<string> = new Set(['memberof', 'ismemberof', 'nsrole', 'tokengroups', 'msds-memberoftransitive']);

function isComputed(attribute: string): boolean {
  return COMPUTED.has(attribute.toLowerCase().replace(/[;:].*/s, ''));
}

function attributesIn(filter: Filter): readonly string[] {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return filter.filters.flatMap(attributesIn);
    case 'not':
      return attributesIn(filter.filter);
    case 'present':
    case 'equality':
    case 'greaterOrEqual':
    case 'lessOrEqual':
    case 'approx':
    case 'extensible':
    case 'substrings':
      return [filter.attribute];
    default:
      return filter satisfies never;
  }
}
