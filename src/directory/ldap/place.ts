import type { Control } from 'ldapts';
import { type Dn, formatDn, parseRdns } from '../../access/dn.ts';
import type { Filter } from '../../access/filter.ts';
import { DirectoryError } from '../directory.ts';
import type { LdapEntry } from './entry.ts';
import type { HybridGroup } from './hybrid-groups.ts';
import type { Landscape } from './landscape.ts';
import type { Session } from './session.ts';

/** A session and the landscape that was learnt on it. */
export interface Place {
  readonly session: Session;
  readonly landscape: Landscape;
  /** Told of each group whose object classes allow more than one attribute of members. */
  readonly onHybrid: (group: HybridGroup) => void;
}

/** How many entries one look-up beneath the base may come to before it is a mistake: the groups that one name means, or the users of one batch. */
const MOST_FOUND = 200;

/** The entries anywhere beneath the base that match. Rejects as `refused` where the base is not there, or too many match. */
export async function beneathBase(
  { session, landscape }: Omit<Place, 'onHybrid'>,
  { filter, attributes }: { filter: Filter; attributes: readonly string[] },
  signal: AbortSignal,
): Promise<readonly LdapEntry[]> {
  const base = landscape.baseDn;
  const answer = await session
    .search({ base, scope: 'sub', filter, attributes, sizeLimit: MOST_FOUND }, signal)
    .catch((error: unknown) => {
      throw asUnreadable(error, base);
    });
  // Not every server keeps to a size limit.
  if (answer.isCut || answer.entries.length > MOST_FOUND)
    throw new DirectoryError('refused', `More than ${answer.entries.length} entries beneath "${base}" match.`);
  return answer.entries;
}

/** The one entry at a name, null where there is none, or none that matches. */
export async function entryAt(
  { session }: Pick<Place, 'session'>,
  { dn, filter, attributes, control }: { dn: string; filter: Filter; attributes: readonly string[]; control?: Control },
  signal: AbortSignal | undefined,
): Promise<LdapEntry | null> {
  try {
    const request = { base: asSpelt(dn), scope: 'base', filter, attributes, sizeLimit: 1 } as const;
    const answer = await session.search({ ...request, ...(control === undefined ? {} : { control }) }, signal);
    return answer.entries[0] ?? null;
  } catch (error) {
    if (error instanceof DirectoryError && error.fault === 'gone') return null;
    throw error;
  }
}

/** As RFC 4514 spells it: some servers cannot read a name that has blanks around its equals signs. */
function asSpelt(dn: string): string {
  const rdns = parseRdns(dn);
  return rdns.ok ? formatDn(rdns.value) : dn;
}

/** A base that is not there says nothing about what is beneath it, so result 32 must not look like an entry that is gone. */
export function asUnreadable(error: unknown, base: Dn): unknown {
  if (!(error instanceof DirectoryError) || error.fault !== 'gone') return error;
  const message = `"${base}" is not there, or the account must not read it; check LDAP_BASE_DN, the scopes and the rights. ${error.message}`;
  return new DirectoryError('refused', message, { ldap: error.ldap, cause: error });
}
