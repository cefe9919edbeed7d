import { type Dn, isBeneath, sameDn } from '../../../access/dn.ts';
import { and, equality, type Filter, or } from '../../../access/filter.ts';
import { DirectoryError } from '../../directory.ts';
import { ANY_ENTRY, bytesOf, hasId, idOf, type LdapEntry } from '../entry.ts';
import { contextBeneath } from '../gone.ts';
import { isInside } from '../kinds.ts';
import { asUnreadable, entryAt, type Place } from '../place.ts';
import { type Finding, failed, ok, warned } from './steps.ts';

/** The base is there, and the whole of it can be searched by id: else nothing that leaves the scopes could be followed. */
export async function checkBase({ session, landscape }: Place, signal: AbortSignal): Promise<Finding> {
  const { baseDn, namingContexts, flavour } = landscape;
  const attributes = [flavour.id.attribute];
  const at = await session
    .search({ base: baseDn, scope: 'base', filter: ANY_ENTRY, attributes, sizeLimit: 1 }, signal)
    .catch((error: unknown) => {
      throw asUnreadable(error, baseDn);
    });
  const [entry] = at.entries;
  if (entry === undefined) throw unreadable(baseDn);
  const filter = hasId(idOf(entry, flavour.id), flavour.id);
  const found = await session.search({ base: baseDn, scope: 'sub', filter, attributes: ['1.1'], sizeLimit: 2 }, signal);
  if (found.entries.length !== 1)
    throw new DirectoryError(
      'refused',
      `A search of "${baseDn}" by ${flavour.id.attribute} finds ${found.entries.length} entries where it must find one; give the account the right to search the whole base by it.`,
    );
  const detail = `${baseDn} can be searched by ${flavour.id.attribute}`;
  const elsewhere = found.references.filter((uri) => contextBeneath(baseDn, { uri, namingContexts }) === undefined);
  if (elsewhere.length === 0) return ok(detail);
  return warned(
    `${detail}, but not the parts of it on other servers (${elsewhere.join(', ')}): nobody there is found, and no deletion can be proved; name a server in LDAP_URL that has them, or set LDAP_BASE_DN beneath`,
  );
}

function unreadable(dn: Dn): DirectoryError {
  return new DirectoryError(
    'refused',
    `"${dn}" cannot be read: check that it is spelled as in the directory, and give the account the right to read it, latchkey acl says how.`,
  );
}

export async function checkScope({ session }: Place, scope: Dn, signal: AbortSignal): Promise<Finding> {
  const request = { base: scope, scope: 'base', filter: ANY_ENTRY, attributes: ['1.1'], sizeLimit: 1 } as const;
  const at = await session.search(request, signal).catch((error: unknown) => {
    throw asUnreadable(error, scope);
  });
  if (at.entries.length === 0) throw unreadable(scope);
  return ok(scope);
}

/** How many entries are looked through for one that is outside of the scopes. */
const MOST_LOOKED_THROUGH = 200;

/**
 * What left the scopes must still be found by its id, or no grant of it could be ended. It is tried with our own entry, which is
 * known to be there, or with another that is neither a user nor a group.
 */
export async function checkOutside(place: Place, signal: AbortSignal): Promise<Finding> {
  const { session, landscape } = place;
  const { baseDn, flavour } = landscape;
  const own = isOutside(place, session.account) ? await readId(place, session.account, signal) : null;
  const entry = own ?? (await anyOutside(place, signal));
  const needed = `entry, objectClass and ${flavour.id.attribute} must be readable beneath the whole base, or a grant to somebody who leaves the scopes could not be ended; latchkey acl prints the right`;
  if (entry === null) return failed(`no entry outside of them can be found by ${flavour.id.attribute}: ${needed}`);
  const filter = and(ANY_ENTRY, hasId(idOf(entry, flavour.id), flavour.id));
  const found = await session.search({ base: baseDn, scope: 'sub', filter, attributes: ['1.1'], sizeLimit: 2 }, signal);
  if (found.entries.length !== 1) return failed(`"${entry.dn}" is not found by its ${flavour.id.attribute}: ${needed}`);
  return ok(`an entry outside of them is found by ${flavour.id.attribute} (tried with "${entry.dn}")`);
}

function isOutside({ landscape }: Place, dn: Dn | null): dn is Dn {
  const { baseDn, usersScope, groupsScope } = landscape;
  return dn !== null && isBeneath(dn, baseDn) && !sameDn(dn, baseDn) && !isInside(dn, [...usersScope, ...groupsScope]);
}

/** The entry with its id; null where either cannot be read. */
async function readId({ session, landscape }: Place, dn: Dn, signal: AbortSignal): Promise<LdapEntry | null> {
  const { attribute } = landscape.flavour.id;
  const entry = await entryAt({ session }, { dn, filter: ANY_ENTRY, attributes: [attribute] }, signal);
  return entry !== null && bytesOf(entry, attribute).length > 0 ? entry : null;
}

/** What is neither a user nor a group, and is in every tree. */
const CONTAINERS: Filter = or(
  ...['organizationalUnit', 'organization', 'container', 'organizationalRole'].map((name) => equality('objectClass', name)),
);

async function anyOutside(place: Place, signal: AbortSignal): Promise<LdapEntry | null> {
  const { baseDn, flavour } = place.landscape;
  const attributes = [flavour.id.attribute];
  const request = { base: baseDn, scope: 'sub', filter: CONTAINERS, attributes, sizeLimit: MOST_LOOKED_THROUGH } as const;
  const { entries } = await place.session.search(request, signal);
  return entries.find((entry) => isOutside(place, entry.dn) && bytesOf(entry, flavour.id.attribute).length > 0) ?? null;
}
