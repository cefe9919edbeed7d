import { test } from 'node:test';
import { runHistory } from '../support/engine-history.ts';
import { PERSONALITIES, type ServerName } from '../support/fake-servers.ts';
import { checkHistories, givenOrRandom } from '../support/history-report.ts';
import type { Step } from '../support/history-steps.ts';

/** A few, to hear of what is broken at once; twenty thousand and a million are in the live file. */
const RUNS = 80;

test('whatever happens, nothing leaks, nothing is stolen, everything is told once', async () => {
  const failure = await checkHistories({ runs: RUNS, ...givenOrRandom() });
  if (failure !== null) throw new Error(failure);
});

/** Histories that were found by chance, and what they broke. Each is run on every server. */
const FOUND: readonly { readonly rule: string; readonly steps: readonly Step[] }[] = [
  {
    rule: 'who was made anew, had a grant and was then put in by hand stays when the grant of the one before ends',
    steps: [
      { do: 'grant', user: 0, group: 0, grant: 0, seconds: 40, by: 'username' },
      { do: 're-create', user: 0 },
      { do: 'grant', user: 0, group: 0, grant: 1, seconds: 40, by: 'username' },
      { do: 'revoke', grant: 1 },
      { do: 'put in', user: 0, group: 0 },
      { do: 'revoke', grant: 0 },
      { do: 'pass', ms: 15_000 },
    ],
  },
  {
    rule: 'a ledger that cannot say at a start what a job waits for does not keep the next job undecided',
    steps: [
      { do: 'lose', fate: 'applied' },
      { do: 'grant', user: 0, group: 0, grant: 0, seconds: 1, by: 'username' },
      { do: 'crash at', point: 'job.stored' },
      { do: 'ledger', method: 'known' },
      { do: 'grant', user: 0, group: 0, grant: 0, seconds: 1, by: 'username' },
    ],
  },
  {
    rule: 'a membership of one who was made anew is held by the new grant, whatever becomes of the one before',
    steps: [
      { do: 'lose', fate: 'applied' },
      { do: 'grant', user: 0, group: 0, grant: 0, seconds: 1, by: 'username' },
      { do: 're-create', user: 0 },
      { do: 'grant', user: 0, group: 0, grant: 1, seconds: 16, by: 'username' },
    ],
  },
  {
    rule: 'what was written for one who was made anew is not granted to the one before, whose write came to nothing',
    steps: [
      { do: 'lose', fate: 'applied_later' },
      { do: 'grant', user: 0, group: 0, grant: 0, seconds: 1, by: 'username' },
      { do: 're-create', user: 0 },
      { do: 'grant', user: 0, group: 0, grant: 1, seconds: 1, by: 'username' },
    ],
  },
  {
    rule: 'the grant of one who was made anew holds what was written late for the one before, and takes it out',
    steps: [
      { do: 'lose', fate: 'applied_later' },
      { do: 'grant', user: 0, group: 0, grant: 0, seconds: 40, by: 'username' },
      { do: 're-create', user: 0 },
      { do: 'grant', user: 0, group: 0, grant: 1, seconds: 40, by: 'username' },
      { do: 'take out', user: 0, group: 0 },
      { do: 'late' },
      { do: 'pass', ms: 15_000 },
    ],
  },
  {
    rule: 'the ending of one who is gone does not take out who was made anew, for whom it was written',
    steps: [
      { do: 'grant', user: 0, group: 0, grant: 0, seconds: 1, by: 'username' },
      { do: 're-create', user: 0 },
      { do: 'grant', user: 0, group: 0, grant: 1, seconds: 16, by: 'username' },
    ],
  },
  {
    rule: 'a refusal of the second write does not settle the first, whose answer was lost',
    steps: [
      { do: 'lose', fate: 'applied_later' },
      { do: 'grant', grant: 1, user: 1, group: 0, seconds: 1, by: 'username' },
      { do: 'refuse', fault: 'refused' },
      { do: 'pass', ms: 1000 },
    ],
  },
  {
    rule: 'a value that followed its user to another name is found before the grant may fail',
    steps: [
      { do: 'lose', fate: 'applied' },
      { do: 'grant', grant: 0, user: 0, group: 0, seconds: 1, by: 'username' },
      { do: 'rename', user: 0 },
      { do: 'revoke', grant: 0 },
    ],
  },
  {
    rule: 'who was put in again by hand after our removal stays at each restart on the same server',
    steps: [
      { do: 'fail over' },
      { do: 'grant', user: 0, group: 0, grant: 0, seconds: 30, by: 'username' },
      { do: 'revoke', grant: 0 },
      { do: 'put in', user: 0, group: 0 },
      { do: 'crash' },
      { do: 'pass', ms: 1000 },
      { do: 'crash' },
    ],
  },
  {
    rule: 'who was put in by hand after a change of servers was decided stays at each restart',
    steps: [
      { do: 'grant', user: 0, group: 0, grant: 0, seconds: 30, by: 'username' },
      { do: 'lag' },
      { do: 'revoke', grant: 0 },
      { do: 'fail over' },
      { do: 'pass', ms: 1000 },
      { do: 'put in', user: 0, group: 0 },
      { do: 'crash' },
      { do: 'pass', ms: 1000 },
    ],
  },
  {
    rule: 'a name put in by hand, of a user who is gone, cannot be told from a removal that was lost where another server took over',
    steps: [
      { do: 'grant', user: 0, group: 0, grant: 0, seconds: 1, by: 'username' },
      { do: 'pass', ms: 15_000 },
      { do: 'delete', user: 0 },
      { do: 'put in', user: 0, group: 0 },
      { do: 'fail over' },
      { do: 'rename', user: 0 },
    ],
  },
  {
    rule: 'a name that nobody has met stays where its user is gone and it is the last of its group',
    steps: [
      { do: 'grant', user: 0, group: 0, grant: 0, seconds: 1, by: 'username' },
      { do: 'rename', user: 0 },
      { do: 'take out', user: 5, group: 0 },
      { do: 'delete', user: 0 },
    ],
  },
  {
    rule: 'what was written for one who is gone stays where it followed the next of that name to another',
    steps: [
      { do: 'lose', fate: 'applied_later' },
      { do: 'grant', user: 1, group: 0, grant: 0, seconds: 1, by: 'username' },
      { do: 're-create', user: 1 },
      { do: 'crash' },
      { do: 'rename', user: 1 },
    ],
  },
  {
    rule: 'an addition that is applied late leaves with its grant, also where the user is gone and a removal of it was sent before',
    steps: [
      { do: 'lose', fate: 'applied_later' },
      { do: 'grant', user: 0, group: 0, grant: 4, seconds: 1, by: 'username' },
      { do: 're-create', user: 0 },
      { do: 'put in', user: 0, group: 0 },
      { do: 'revoke', grant: 4 },
      { do: 'directory', up: false },
    ],
  },
  {
    rule: 'what somebody took out, and a server that lags brings back, is ours again and leaves with its grant',
    steps: [
      { do: 'crowd', group: 0, users: 2, seconds: 1 },
      { do: 'refuse', fault: 'refused' },
      { do: 'lag' },
      { do: 'take out', user: 0, group: 0 },
      { do: 'crowd', group: 0, users: 2, seconds: 1 },
      { do: 'fail over' },
      { do: 'revoke', grant: 0 },
    ],
  },
  {
    rule: 'a grant ends where both its user and its group are gone',
    steps: [
      { do: 'grant', user: 1, group: 0, grant: 0, seconds: 1, by: 'username' },
      { do: 'delete', user: 1 },
      { do: 're-create group', group: 0 },
    ],
  },
  {
    rule: 'a grant whose write was lost fails where both its user and its group are gone',
    steps: [
      { do: 'lose', fate: 'applied' },
      { do: 'grant', user: 1, group: 0, grant: 0, seconds: 1, by: 'username' },
      { do: 'delete', user: 1 },
      { do: 'delete group', group: 0 },
    ],
  },
];

for (const { rule, steps } of FOUND) {
  test(rule, async () => {
    for (const server of Object.keys(PERSONALITIES) as ServerName[]) await runHistory({ server, steps });
  });
}
