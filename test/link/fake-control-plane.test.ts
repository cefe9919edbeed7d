import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeClock } from '../support/fake-clock.ts';
import { fakeControlPlane } from '../support/fake-control-plane.ts';
import { fakeLink } from '../support/fake-link.ts';
import { revokeJob } from '../support/link-contract.ts';
import { recordingListener } from '../support/recording-listener.ts';

function started() {
  const link = fakeLink(fakeClock());
  const listener = recordingListener();
  const controlPlane = fakeControlPlane(link);
  link.start(listener);
  return { link, listener, controlPlane, [Symbol.asyncDispose]: () => link.stop() };
}

const REPLACED = { kind: 'ledger.replaced', previousLedgerId: 'before' } as const;
const event = (seq: number) => ({ type: 'event', seq, at: '2026-01-01T00:00:00.000Z', event: REPLACED }) as const;

test('a job is delivered on each connection until it is received', async () => {
  await using under = started();
  under.listener.store = () => Promise.reject(new Error('disk full'));
  under.controlPlane.deliver(revokeJob('j'));
  await under.listener.welcomes.next();
  under.controlPlane.lose();
  under.listener.store = () => Promise.resolve();
  await under.controlPlane.received('j');
  under.controlPlane.lose();
  await under.listener.welcomes.next();
  const { connection } = await under.listener.welcomes.next();
  connection.send(event(1));
  await under.listener.acks.next();
  assert.equal(under.listener.jobs.left.length, 1);
});

test('withheld acks come on release, and tell the highest seq', async () => {
  await using under = started();
  const { connection } = await under.listener.welcomes.next();
  under.controlPlane.withholdAcks(true);
  for (const seq of [1, 2]) connection.send(event(seq));
  await under.controlPlane.event(({ kind }) => kind === 'ledger.replaced');
  under.controlPlane.lose();
  const again = await under.listener.welcomes.next();
  assert.equal(again.welcome.ackedSeq, undefined);
  for (const seq of [1, 2]) again.connection.send(event(seq));
  under.controlPlane.withholdAcks(false);
  assert.equal(await under.listener.acks.next(), 2);
  assert.equal(under.controlPlane.events.length, 2);
});

test('a withheld welcome comes on release', async () => {
  await using under = started();
  under.controlPlane.withholdWelcome(true);
  under.controlPlane.lose();
  under.controlPlane.withholdWelcome(false);
  const { connection } = await under.listener.welcomes.next();
  connection.send(event(1));
  assert.equal(await under.listener.acks.next(), 1);
  assert.equal(under.link.status().state, 'connected');
});
