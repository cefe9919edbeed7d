import { startDs389 } from '../../src/sandbox/ds389.ts';
import { ds389Admin, LIMITS_OF_DS389 } from '../support/ds389-admin.ts';
import type { ReaderDifferences } from '../support/reader-contract/world.ts';
import { readerContract } from '../support/reader-contract.ts';

const DIFFERENCES: ReaderDifferences = {
  userRdn: 'uid',
  means: 'entryusn',
  told: 'present',
  demandsMember: false,
  hasPosixGroups: true,
  disabling: ['nsAccountLock', 'true'],
  owner: 'owner',
};

readerContract('389 Directory Server', {
  differences: DIFFERENCES,
  limits: LIMITS_OF_DS389,
  start: () => startDs389({ usn: true }),
  admin: ds389Admin,
});
readerContract('389 Directory Server without the plug-in USN', {
  differences: { ...DIFFERENCES, means: null, told: null },
  limits: [],
  start: () => startDs389(),
  admin: ds389Admin,
});
