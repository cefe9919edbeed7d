import { startSambaAd } from '../../src/sandbox/samba-ad.ts';
import { readerContract } from '../support/reader-contract.ts';
import { sambaAdAdmin } from '../support/samba-ad-admin.ts';

readerContract('Samba Active Directory', {
  differences: {
    userRdn: 'CN',
    means: 'uSNChanged',
    told: 'present',
    demandsMember: false,
    hasPosixGroups: false,
    // Disabled, with an ordinary account's other bits ([MS-ADTS] §2.2.16).
    disabling: ['userAccountControl', '514'],
    owner: 'managedBy',
  },
  // It has limits of a page alone, and every read is in pages.
  limits: [],
  start: () => startSambaAd(),
  admin: sambaAdAdmin,
});
