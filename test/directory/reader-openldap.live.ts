import { startOpenLdap } from '../../src/sandbox/openldap.ts';
import { openLdapAdmin, SIZE_LIMIT_OF_OPENLDAP } from '../support/openldap-admin.ts';
import type { ReaderDifferences, ReaderServer } from '../support/reader-contract/world.ts';
import { readerContract } from '../support/reader-contract.ts';

const DIFFERENCES: ReaderDifferences = {
  userRdn: 'uid',
  means: 'RFC 4533',
  told: 'changes',
  demandsMember: true,
  hasPosixGroups: true,
  disabling: null,
  owner: 'owner',
};

function openLdap(sessionLog: boolean, differences: Partial<ReaderDifferences>): ReaderServer {
  return {
    differences: { ...DIFFERENCES, ...differences },
    limits: [SIZE_LIMIT_OF_OPENLDAP],
    start: () => startOpenLdap({ replicated: true, sessionLog }),
    // What the suite is given is what it started.
    admin: (server) => openLdapAdmin(server as Awaited<ReturnType<typeof startOpenLdap>>),
  };
}

readerContract('OpenLDAP with a session log', openLdap(true, {}));
readerContract('OpenLDAP without a session log', openLdap(false, { told: 'present' }));
