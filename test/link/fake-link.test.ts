import { fakeClock } from '../support/fake-clock.ts';
import { fakeLink } from '../support/fake-link.ts';
import { linkContract } from '../support/link-contract.ts';

linkContract('fake', () => {
  const link = fakeLink(fakeClock());
  return Promise.resolve({ link, nextPeer: () => link.nextPeer(), close: () => Promise.resolve() });
});
