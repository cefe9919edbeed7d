import { setImmediate } from 'node:timers/promises';
import { RFC_DIFFERENCES } from '../support/directory-contract/world.ts';
import { directoryContract } from '../support/directory-contract.ts';
import { startFakeAd } from '../support/fake-ad.ts';
import { fakeAdAdmin, upDirectory } from '../support/fake-ad-directory.ts';
import { untilState } from '../support/ldap-directory-under-test.ts';

directoryContract('a fake Active Directory on a socket', {
  differences: {
    ...RFC_DIFFERENCES,
    userRdn: 'cn',
    memberAttributes: ['member', 'memberUid'],
    styles: ['member'],
    hasReferentialIntegrity: true,
    refusesUnknown: true,
    demandsMember: false,
    absentName: 'refused',
    hasSeveralMails: false,
  },
  async open() {
    const ad = await startFakeAd();
    const directory = await upDirectory(ad);
    const { baseDn, usersScope, groupsScope, elsewhere } = ad;
    return {
      directory,
      admin: fakeAdAdmin(ad),
      baseDn,
      usersScope,
      groupsScope,
      elsewhere,
      loseNextAnswer: () =>
        void ad.next('modify', (exchange) => {
          exchange.answer();
          exchange.hangUp();
        }),
      async untilUp() {
        // The adapter hears of the close in the turn in which the change was rejected.
        await setImmediate();
        await untilState(directory, 'up');
      },
      async close() {
        await directory.close();
        await ad.close();
      },
    };
  },
});
