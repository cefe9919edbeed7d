import type { GroupAbove, Protector } from '../directory/directory.ts';
import type { EngineParts } from './engine-parts.ts';

/**
 * Why a group is never granted, as a sentence without its full stop: it is protected itself, or nested in a protected one. Null where
 * it may be granted. Rejects where the directory cannot tell, which is no permission.
 */
export async function protectionOf(
  { protectedGroups, directory, signal }: Pick<EngineParts, 'protectedGroups' | 'directory' | 'signal'>,
  group: GroupAbove,
): Promise<string | null> {
  const own = ownProtection({ protectedGroups }, group);
  if (own !== null) return `"${group.dn}" is ${own}`;
  // Who names a group in LATCHKEY_UNPROTECTED_GROUPS knows what it is in by nature; what the configuration protects stays that.
  const isReleased = protectedGroups.releases(group);
  const isProtected = (above: GroupAbove): boolean =>
    protectedGroups.protects(above) || (!isReleased && protectedGroups.protectsBuiltIn(above));
  const { onlyByNature } = protectedGroups;
  const asked = { group: { id: group.id, dn: group.dn }, isProtected, mustBeTold: protectedGroups.ids(), onlyByNature };
  const protector = await directory.protectorOf(asked, signal);
  if (protector === null) return null;
  const why = ownProtection({ protectedGroups }, protector.group) ?? 'protected';
  return `"${group.dn}" is nested in "${protector.group.dn}", which is ${why}: ${shownChain(protector)}`;
}

function ownProtection({ protectedGroups }: Pick<EngineParts, 'protectedGroups'>, group: GroupAbove): string | null {
  if (protectedGroups.protects(group)) return 'protected by LATCHKEY_PROTECTED_GROUPS on the connector and is never granted';
  if (!protectedGroups.protectsBuiltIn(group)) return null;
  return `${group.builtIn}, one of the groups that rule over the directory, and is never granted unless LATCHKEY_UNPROTECTED_GROUPS on the connector names it`;
}

/** Of a way that is longer, the two ends are told. */
const MOST_SHOWN = 8;

function shownChain({ chain }: Protector): string {
  const shown = chain.length <= MOST_SHOWN ? chain : [...chain.slice(0, MOST_SHOWN - 1), '…', ...chain.slice(-1)];
  return shown.map((dn) => (dn === '…' ? dn : `"${dn}"`)).join(' in ');
}
