import { type Dn, parseDn } from '../../access/dn.ts';
import type { DirectoryView } from '../../access/event.ts';
import type { Filter } from '../../access/filter.ts';
import { DirectoryError } from '../directory.ts';
import { ANY_ENTRY, valuesOf } from './entry.ts';
import { type Flavour, flavourOf } from './flavour.ts';
import type { Session } from './session.ts';

/** Where to look, as configured. */
export interface Scopes {
  /** Null: as the root DSE says. */
  readonly baseDn: Dn | null;
  /** Empty: the whole base. */
  readonly usersScope: readonly Dn[];
  readonly groupsScope: readonly Dn[];
  readonly userFilter: Filter | null;
  readonly groupFilter: Filter | null;
  readonly emailAttribute: string;
}

/** Where to look, on this server. */
export interface Landscape extends Scopes {
  readonly baseDn: Dn;
  readonly flavour: Flavour;
  readonly vendor: string;
  readonly version: string | undefined;
}

/** Reads the root DSE (RFC 4512 §5.1), and settles base and scopes. Rejects where there is no one base. */
export async function learnLandscape(session: Session, scopes: Scopes): Promise<Landscape> {
  const answer = await session.search({
    base: '',
    scope: 'base',
    filter: ANY_ENTRY,
    attributes: ['objectClass', 'vendorName', 'vendorVersion', 'namingContexts', 'defaultNamingContext'],
    sizeLimit: 1,
  });
  const [root] = answer.entries;
  const values = (attribute: string) => (root === undefined ? [] : valuesOf(root, attribute));
  const flavour = flavourOf();
  const baseDn = scopes.baseDn ?? baseOf(values('defaultNamingContext'), values('namingContexts'));
  return {
    ...scopes,
    baseDn,
    usersScope: scopes.usersScope.length === 0 ? [baseDn] : scopes.usersScope,
    groupsScope: scopes.groupsScope.length === 0 ? [baseDn] : scopes.groupsScope,
    flavour,
    vendor: values('vendorName')[0] ?? flavour.vendor,
    version: values('vendorVersion')[0],
  };
}

function baseOf(defaults: readonly string[], contexts: readonly string[]): Dn {
  const candidates = defaults.length > 0 ? defaults : contexts;
  const [only, ...others] = candidates;
  const base = only === undefined ? undefined : parseDn(only);
  if (base?.ok && base.value !== '' && others.length === 0) return base.value;
  const found = candidates.length === 0 ? 'none' : candidates.map((name) => `"${name}"`).join(', ');
  throw new DirectoryError(
    'unavailable',
    `The directory must offer one naming context where LDAP_BASE_DN and LDAP_DOMAIN are not set; it offers ${found}.`,
  );
}

/** The landscape as the control plane is told of it. */
export function viewOf({ vendor, version, flavour, baseDn, usersScope, groupsScope }: Landscape): DirectoryView {
  return { vendor, ...(version === undefined ? {} : { version }), flavour: flavour.name, baseDn, usersScope, groupsScope };
}
