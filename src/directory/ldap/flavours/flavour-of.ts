import { DIRECTORY_SERVER_389 } from './389ds.ts';
import { ACTIVE_DIRECTORY } from './active-directory.ts';
import type { Flavour, RootDse } from './flavour.ts';
import { GENERIC } from './generic.ts';
import type { FlavourName } from './names.ts';
import { OPENLDAP } from './openldap.ts';

const FLAVOURS: Readonly<Record<FlavourName, Flavour>> = {
  openldap: OPENLDAP,
  '389ds': DIRECTORY_SERVER_389,
  'active-directory': ACTIVE_DIRECTORY,
  generic: GENERIC,
};

/** The flavour of that name. */
export function flavourNamed(name: FlavourName): Flavour {
  return FLAVOURS[name];
}

/** The flavour of the server that a root DSE describes, unless one is configured (`LDAP_FLAVOUR`). */
export function flavourOf(root: RootDse, configured: FlavourName | null): Flavour {
  if (configured !== null) return FLAVOURS[configured];
  const { generic, ...telling } = FLAVOURS;
  return Object.values(telling).find(({ isSpokenBy }) => isSpokenBy(root)) ?? generic;
}
