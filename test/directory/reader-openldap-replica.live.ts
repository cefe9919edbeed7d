import { startOpenLdap } from '../../src/sandbox/openldap.ts';
import { type OpenLdapReplica, startOpenLdapReplica } from '../../src/sandbox/openldap-replica.ts';
import { record } from '../support/ldif-admin.ts';
import { openLdapAdmin, replicatedAdmin, SIZE_LIMIT_OF_OPENLDAP } from '../support/openldap-admin.ts';
import { readerContract } from '../support/reader-contract.ts';

// A replica follows without the overlay syncprov, so that it offers no content synchronisation, and has the provider's contextCSN.
let provider: Awaited<ReturnType<typeof startOpenLdap>>;
let replica: OpenLdapReplica;

readerContract('a replica of OpenLDAP, which only numbers its changes', {
  differences: {
    userRdn: 'uid',
    means: 'entryCSN',
    told: 'present',
    demandsMember: true,
    hasPosixGroups: true,
    disabling: null,
    owner: 'owner',
  },
  limits: [SIZE_LIMIT_OF_OPENLDAP],
  async start() {
    provider = await startOpenLdap({ replicated: true });
    replica = await startOpenLdapReplica(provider);
    await replica.configModify(
      record('olcDatabase={1}mdb,cn=config', 'modify', [
        ['add', 'olcAccess'],
        ['olcAccess', `{0}to dn.base="${replica.baseDn}" attrs=contextCSN by dn.exact="${replica.connectorDn}" read by * break`],
      ]),
    );
    return {
      ...replica,
      async modify(ldif) {
        await provider.modify(ldif);
        await replica.caughtUp();
      },
      async stop() {
        await replica.stop();
        await provider.stop();
      },
    };
  },
  admin: () =>
    replicatedAdmin({ provider: openLdapAdmin(provider), replica: openLdapAdmin(replica), caughtUp: () => replica.caughtUp() }),
});
