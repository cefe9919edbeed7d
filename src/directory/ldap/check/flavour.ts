import type { RootDse } from '../flavours/flavour.ts';
import { flavourOf } from '../flavours/flavour-of.ts';
import type { FlavourName } from '../flavours/names.ts';
import type { Landscape } from '../landscape.ts';
import { type Finding, failed, ok, warned } from './steps.ts';

export interface FlavourChecked {
  readonly root: RootDse;
  /** LDAP_FLAVOUR; null where it is not set. */
  readonly configured: FlavourName | null;
  readonly landscape: Pick<Landscape, 'flavour' | 'vendor' | 'version'>;
  /** What was found of the base by the rules of this flavour. */
  readonly base: Finding;
}

/**
 * Which kind of server this is. One that is configured is used whatever the server says of itself: a contradiction is warned of,
 * and fails where the server does not even have the base of that kind.
 */
export function checkFlavour({ root, configured, landscape, base }: FlavourChecked): Finding {
  const { flavour, vendor, version } = landscape;
  const found = flavourOf(root, null).name;
  if (configured === null || configured === found || saysNothing(root))
    return ok(`${flavour.name} (${[vendor, version].filter((text) => text !== undefined).join(' ')})`);
  const said = [root.vendorName, root.vendorVersion].filter((text) => text !== undefined).join(' ');
  const shown = `LDAP_FLAVOUR is ${configured}, but the root DSE is that of ${found}${said === '' ? '' : ` (${said})`}`;
  const todo = `leave LDAP_FLAVOUR out, or set it to ${found}`;
  return base.status === 'fail' ? failed(`${shown}: ${todo}. As ${configured}: ${base.detail}`) : warned(`${shown}: ${todo}`);
}

/** A root DSE that shows nothing of its kind, or is not shown, contradicts nobody. */
function saysNothing({ objectClasses, vendorName, supportedCapabilities }: RootDse): boolean {
  const telling = objectClasses.filter((name) => name.toLowerCase() !== 'top');
  return telling.length === 0 && vendorName === undefined && supportedCapabilities.length === 0;
}
