import { startDs389 } from '../../src/sandbox/ds389.ts';
import { startOpenLdap } from '../../src/sandbox/openldap.ts';
import { startSambaAd } from '../../src/sandbox/samba-ad.ts';
import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';
import type { DirectoryAdmin } from './directory-contract/world.ts';
import { ds389Admin } from './ds389-admin.ts';
import { openLdapAdmin } from './openldap-admin.ts';
import { sambaAdAdmin } from './samba-ad-admin.ts';

/** A kind of directory server, and how it differs. */
export interface KnownDirectory {
  readonly name: string;
  /** With so many generated people. */
  start(people: number): Promise<ThrowAwayDirectory>;
  admin(server: ThrowAwayDirectory): DirectoryAdmin;
  /** Whether members follow a rename, and go with a deletion. */
  readonly keepsReferences: boolean;
  /** Whether a group may hold its members in `memberUid`. */
  readonly hasPosixGroups: boolean;
}

/** What most tests run on. */
export const PLAIN_OPENLDAP: KnownDirectory = {
  name: 'OpenLDAP',
  start: (people) => startOpenLdap({ people }),
  admin: openLdapAdmin,
  keepsReferences: false,
  hasPosixGroups: true,
};

export const REFINT_OPENLDAP: KnownDirectory = {
  name: 'OpenLDAP with referential integrity',
  start: (people) => startOpenLdap({ people, memberof: true }),
  admin: openLdapAdmin,
  keepsReferences: true,
  hasPosixGroups: true,
};

/** As it is delivered. */
export const PLAIN_389: KnownDirectory = {
  name: '389 Directory Server',
  start: (people) => startDs389({ people }),
  admin: ds389Admin,
  keepsReferences: false,
  hasPosixGroups: true,
};

export const REFINT_389: KnownDirectory = {
  name: '389 Directory Server with referential integrity',
  start: (people) => startDs389({ people, memberof: true }),
  admin: ds389Admin,
  keepsReferences: true,
  hasPosixGroups: true,
};

export const SAMBA_AD: KnownDirectory = {
  name: 'Samba Active Directory',
  start: (people) => startSambaAd({ people }),
  admin: sambaAdAdmin,
  keepsReferences: true,
  hasPosixGroups: false,
};
