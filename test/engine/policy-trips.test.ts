import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GrantId } from '../../src/access/ids.ts';
import { instant } from '../../src/access/instant.ts';
import { policyTrips } from '../../src/engine/policy-trips.ts';
import { trustedClock } from '../../src/engine/trusted-clock.ts';
import { capturedLog } from '../support/captured-log.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { memoryLedger } from '../support/memory-ledger.ts';

const GRANT = 'g1' as GrantId;

function underTest() {
  const clock = fakeClock();
  const ledger = memoryLedger({ now: () => clock.wall() });
  const log = capturedLog();
  let wakes = 0;
  const time = trustedClock({ clock, mark: instant(0) });
  const trips = policyTrips({ ledger, clock, time, log: log.logger, onTold: () => (wakes += 1) });
  const told = async () =>
    (await ledger.events({ after: 0, limit: 500 })).map(({ event }) =>
      event.kind === 'policy.tripped' ? `${event.rule}: ${event.detail}` : event.kind,
    );
  return { clock, ledger, log, trips, told, wakes: () => wakes };
}

test('a local limit that stopped work is told as an event, an audit record of the grant and a line of the log', async () => {
  const { ledger, log, trips, told, wakes } = underTest();
  await trips.tell({ rule: 'group_cap', subject: 'id-1', detail: 'the group is full', grantId: GRANT });
  assert.deepEqual(await told(), ['group_cap: the group is full']);
  const [{ record } = { record: null }] = await ledger.auditOf({ grantId: GRANT, after: 0, limit: 5 });
  assert.deepEqual([record?.kind, record?.facts], ['policy.tripped', { rule: 'group_cap', detail: 'the group is full' }]);
  const line = log.lines.find(({ event }) => event === 'policy.tripped');
  assert.deepEqual([line?.['rule'], line?.['subject'], line?.['grantId']], ['group_cap', 'id-1', 'g1']);
  assert.equal(wakes(), 1);
});

test('an exclusive group stops nothing, and the log does not say so', async () => {
  const { log, trips } = underTest();
  await trips.tell({ rule: 'exclusive', subject: 'id-1', detail: 'two are in it' });
  await trips.tell({ rule: 'user_rate', subject: 'ada', detail: 'ada asks' });
  assert.deepEqual(
    log.lines.map(({ message }) => message),
    ['a local rule is not kept: two are in it', 'a local limit stopped work: ada asks'],
  );
});

test('one rule is told of one subject once a minute, and what was not told is counted in the next', async () => {
  const { clock, trips, told } = underTest();
  for (let left = 3; left > 0; left -= 1) await trips.tell({ rule: 'user_rate', subject: 'ada', detail: 'ada asks' });
  await trips.tell({ rule: 'group_rate', subject: 'ada', detail: 'a group of that name' });
  clock.advance(59_999);
  await trips.tell({ rule: 'user_rate', subject: 'ada', detail: 'ada asks' });
  clock.advance(1);
  await trips.tell({ rule: 'user_rate', subject: 'ada', detail: 'ada asks again' });
  assert.deepEqual(await told(), [
    'user_rate: ada asks',
    'group_rate: a group of that name (and 2 more that were not told one by one)',
    'user_rate: ada asks again (and 1 more that were not told one by one)',
  ]);
});

test('however many subjects there are, no more than a hundred trips are told in a minute', async () => {
  const { clock, trips, told } = underTest();
  for (let i = 0; i < 150; i += 1) await trips.tell({ rule: 'user_rate', subject: `u${i}`, detail: 'x' });
  assert.equal((await told()).length, 100);
  clock.advance(60_000);
  await trips.tell({ rule: 'user_rate', subject: 'u149', detail: 'x' });
  assert.equal((await told()).at(-1), 'user_rate: x (and 50 more that were not told one by one)');
});
