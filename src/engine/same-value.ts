import { foldDn } from '../access/dn.ts';
import type { MemberAttribute } from '../access/membership.ts';

/** True where two member values mean the same: names by folding, `memberUid` to the letter (RFC 2307, caseExactIA5Match). */
export function sameValue(attribute: MemberAttribute, one: string, other: string): boolean {
  return one === other || (attribute !== 'memberUid' && foldDn(one as never) === foldDn(other as never));
}
