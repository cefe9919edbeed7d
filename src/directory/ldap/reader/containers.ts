import type { Filter } from '../../../access/filter.ts';
import { ANY_ENTRY } from '../entry.ts';
import type { Line } from './line.ts';
import type { Reading } from './reading.ts';

/**
 * Whether an entry of these object classes is neither a user nor a group: a container, or something that nobody here asks about.
 * It is judged here, since a filter cannot say it: where the server does not know one of the classes, a negation is never true
 * (RFC 4511 §4.5.1.7).
 */
function isNeitherKind({ landscape }: Pick<Reading, 'landscape'>, objectClasses: readonly string[]): boolean {
  const classes = new Set(objectClasses.map((name) => name.toLowerCase()));
  const { users, groups } = landscape.flavour;
  return !mayMatch(users, classes) && !mayMatch(groups, classes);
}

/** Whether a filter may match, as far as object classes tell. */
function mayMatch(filter: Filter, classes: ReadonlySet<string>): boolean {
  switch (filter.kind) {
    case 'and':
      return filter.filters.every((one) => mayMatch(one, classes));
    case 'or':
      return filter.filters.some((one) => mayMatch(one, classes));
    case 'equality':
      return filter.attribute.toLowerCase() !== 'objectclass' || classes.has(String(filter.value).toLowerCase());
    // What is asked beside the classes is not known here.
    case 'not':
    case 'present':
    case 'greaterOrEqual':
    case 'lessOrEqual':
    case 'approx':
    case 'extensible':
    case 'substrings':
      return true;
    default:
      return filter satisfies never;
  }
}

/** Entries that are neither users nor groups; no more are kept than are looked at. */
export function otherEntries(reading: Pick<Reading, 'landscape'>): {
  readonly dns: ReadonlySet<string>;
  met(dn: string, objectClasses: readonly string[]): void;
} {
  const dns = new Set<string>();
  return {
    dns,
    met(dn, objectClasses) {
      if (dns.size <= MOST_LOOKED_AT && isNeitherKind(reading, objectClasses)) dns.add(dn);
    },
  };
}

/** Looked at one by one; where more have changed, a full read costs less than to find out. */
const MOST_LOOKED_AT = 50;

const SUCCESS = 0;
const SIZE_LIMIT_EXCEEDED = 4;

/**
 * The first of some changed entries that has others beneath it; null where none has. A container that was renamed or moved takes
 * what is beneath it along, and no entry there is changed by it, so that no delta tells of them.
 */
async function changedContainer(line: Line, dns: readonly string[], signal: AbortSignal): Promise<string | null> {
  for (const dn of dns) {
    let hasChild = false;
    const result = await line.search(
      { base: dn, scope: 'one', filter: ANY_ENTRY, attributes: [], sizeLimit: 1, controls: [] },
      { entry: () => void (hasChild = true) },
      signal,
    );
    // One that cannot be looked into may be one.
    if (hasChild || (result.resultCode !== SUCCESS && result.resultCode !== SIZE_LIMIT_EXCEEDED)) return dn;
  }
  return null;
}

/** Why a delta cannot tell all, with these entries changed beside users and groups; null where it can. */
export async function containerReason(line: Line, dns: ReadonlySet<string>, signal: AbortSignal): Promise<string | null> {
  if (dns.size > MOST_LOOKED_AT) return `more than ${MOST_LOOKED_AT} entries have changed that are neither users nor groups`;
  const container = await changedContainer(line, [...dns], signal);
  if (container === null) return null;
  return `the container "${container}" has changed, and with it, perhaps, the names of all entries beneath it`;
}
