import { type Dn, isBeneath, parentDn, parseDn, sameDn } from '../../access/dn.ts';
import type { EntryId } from '../../access/ids.ts';
import { DirectoryError, type GoneSighting, type Missing } from '../directory.ts';
import { ANY_ENTRY, hasId, idOf } from './entry.ts';
import { entryAt, type Place as WholePlace } from './place.ts';

type Place = Omit<WholePlace, 'onHybrid'>;

/**
 * Whether an entry is gone, as one session of its own can tell (ARCHITECTURE, invariant 8): `gone` only if its id is not
 * found under the whole base, the nearest recorded ancestor that exists and the scopes that it was in can be read, and an entry that is known to exist is
 * found by its id in the same way. Anything else proves nothing. Rejects where there is no answer.
 *
 * `isKnown` tells whether this is the directory that the id is of.
 */
export async function sightGone(
  place: Place & { readonly isKnown?: () => Promise<boolean> },
  missing: Missing,
  signal: AbortSignal,
): Promise<GoneSighting> {
  const { entry, witness } = missing;
  try {
    const sought = await countById(place, entry.id, signal);
    if (sought.count > 0) return 'found';
    if (!sought.isComplete) return 'unproven';
    if (!(await isAncestorReadable(place, entry.dn, signal))) return 'unproven';
    if (!(await areScopesReadable(place, entry.dn, signal))) return 'unproven';
    // Whoever was recorded and is found by that id vouches for the directory too; nobody else does.
    if (witness === null && (await place.isKnown?.()) === false) return 'unproven';
    const witnesses = witness === null ? await ownWitnesses(place, signal) : [witness.id];
    for (const id of witnesses) {
      if ((await countById(place, id, signal)).count !== 1) return 'unproven';
    }
    return witnesses.length > 0 ? 'gone' : 'unproven';
  } catch (error) {
    // An answer that is no success proves nothing, nor does an entry without an id; no answer at all is for the caller to know.
    if (error instanceof DirectoryError && (error.ldap !== null || error.fault === 'refused')) return 'unproven';
    throw error;
  }
}

/**
 * How many entries have the id, and whether the whole base was looked at. A reference (RFC 4511 §4.5.3) names a part that was
 * not: on Active Directory each search of a whole domain comes with those of its partitions for configuration and DNS. What this
 * server has itself is searched too; what only another has leaves the answer incomplete, since an entry may have moved there.
 */
async function countById(
  { session, landscape }: Place,
  id: EntryId,
  signal: AbortSignal,
): Promise<{ count: number; isComplete: boolean }> {
  const { baseDn, namingContexts, flavour } = landscape;
  const filter = hasId(id, flavour.id);
  const bases = [baseDn];
  let isComplete = true;
  // Grows by naming contexts of this server, each once.
  for (const base of bases) {
    const answer = await session.search({ base, scope: 'sub', filter, attributes: ['1.1'], sizeLimit: 2 }, signal);
    if (answer.entries.length > 0) return { count: answer.entries.length, isComplete: !answer.isCut };
    const parts = answer.references.map((uri) => contextBeneath(base, { uri, namingContexts }));
    isComplete &&= !answer.isCut && !parts.includes(undefined);
    for (const part of parts) if (part !== undefined && !bases.includes(part)) bases.push(part);
  }
  return { count: 0, isComplete };
}

/** The naming context of this server that an LDAP URL (RFC 4516) names; undefined where it names another place. */
export function contextBeneath(
  base: Dn,
  { uri, namingContexts }: { uri: string; namingContexts: readonly Dn[] },
): Dn | undefined {
  const named = parseDn(nameIn(uri));
  if (!named.ok || sameDn(named.value, base) || !isBeneath(named.value, base)) return undefined;
  return namingContexts.find((context) => sameDn(context, named.value));
}

/** The name in an LDAP URL; empty where there is none that can be read. */
function nameIn(uri: string): string {
  try {
    return decodeURIComponent(new URL(uri).pathname.slice(1));
  } catch {
    return '';
  }
}

/** The recorded parent, or, where that is not there, the nearest above it, up to the base. */
async function isAncestorReadable(place: Place, dn: Dn, signal: AbortSignal): Promise<boolean> {
  const { baseDn } = place.landscape;
  for (let at = parentDn(dn); at !== undefined && isBeneath(at, baseDn); at = parentDn(at)) {
    if ((await idAt(place, at, signal)) !== null) return true;
  }
  return false;
}

/**
 * A container that is gone looks like one that must not be read, but a configured scope is there, or the configuration is wrong: an
 * account that has lost the right to see it sees nothing beneath it.
 */
async function areScopesReadable(place: Place, dn: Dn, signal: AbortSignal): Promise<boolean> {
  const { usersScope, groupsScope } = place.landscape;
  for (const scope of [...usersScope, ...groupsScope])
    if (isBeneath(dn, scope) && (await idAt(place, scope, signal)) === null) return false;
  return true;
}

/** Without another known entry: the base, and our own account where it has an entry that was proved to be ours. */
async function ownWitnesses(place: Place, signal: AbortSignal): Promise<readonly EntryId[]> {
  const { baseDn } = place.landscape;
  const base = await idAt(place, baseDn, signal);
  if (base === null) return [];
  const { account } = place.session;
  const own = account !== null && isBeneath(account, baseDn) ? await idAt(place, account, signal) : null;
  return own === null ? [base] : [base, own];
}

async function idAt(place: Place, dn: Dn, signal: AbortSignal): Promise<EntryId | null> {
  const { id } = place.landscape.flavour;
  const entry = await entryAt(place, { dn, filter: ANY_ENTRY, attributes: [id.attribute] }, signal);
  return entry === null ? null : idOf(entry, id);
}
