import type { Dn } from '../../access/dn.ts';
import type { MemberAttribute } from '../../access/membership.ts';
import type { Logger } from '../../observability/logger.ts';

/** A group that could hold its members in several attributes, and the one that is used. */
export interface HybridGroup {
  readonly dn: Dn;
  readonly allowed: readonly MemberAttribute[];
  readonly used: MemberAttribute;
}

/** Beyond so many, groups are told of again rather than remembered without end. */
const MOST_REMEMBERED = 10_000;

/** Says once for each group which of its attributes is used. */
export function hybridGroups(logger: Logger): (group: HybridGroup) => void {
  const told = new Set<Dn>();
  return ({ dn, allowed, used }) => {
    if (told.has(dn)) return;
    if (told.size >= MOST_REMEMBERED) told.clear();
    told.add(dn);
    logger.info(
      { event: 'directory.hybrid-group', group: dn, memberAttribute: used, allowed },
      `the object classes of "${dn}" allow its members in ${allowed.join(' and ')}; they are read and written in ${used} only (LDAP_MEMBER_ATTRIBUTE forces another for all groups)`,
    );
  };
}
