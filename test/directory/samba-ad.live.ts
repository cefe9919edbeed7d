import { startSambaAd } from '../../src/sandbox/samba-ad.ts';
import { RFC_DIFFERENCES } from '../support/directory-contract/world.ts';
import { directoryContract } from '../support/directory-contract.ts';
import { directoryWorld } from '../support/directory-world.ts';
import { sambaAdAdmin } from '../support/samba-ad-admin.ts';

directoryContract('Samba Active Directory over ldaps', {
  differences: {
    ...RFC_DIFFERENCES,
    userRdn: 'CN',
    memberAttributes: ['member', 'memberUid'],
    styles: ['member'],
    hasReferentialIntegrity: true,
    refusesUnknown: true,
    demandsMember: false,
    absentName: 'refused',
    hasSeveralMails: false,
    normalisesNames: false,
  },
  open: async () => await directoryWorld(await startSambaAd(), { admin: sambaAdAdmin, transport: 'ldaps' }),
});
