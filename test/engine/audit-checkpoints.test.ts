import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { MINUTE_MS, settled, startedEngine } from '../support/engine-under-test.ts';

test('where the audit trail ends is told each minute in which it grew, as an event and in the log', async () => {
  const { rig } = await startedEngine();
  await rig.grant({ seconds: 3600 });
  await rig.pass(MINUTE_MS);
  const head = await rig.ledger.auditHead();
  const [first, ...others] = rig.of('audit.checkpoint');
  assert.deepEqual([first?.count, first?.hash, others.length], [head.count, head.hash, 0]);
  const line = rig.log.lines.find(({ event }) => event === 'audit.checkpoint');
  const { ledgerId } = await rig.ledger.identity();
  assert.deepEqual([line?.['count'], line?.['hash'], line?.['ledgerId']], [head.count, head.hash, ledgerId]);
  await rig.pass(3 * MINUTE_MS);
  assert.equal(rig.of('audit.checkpoint').length, 1, 'nothing was written since');
  await rig.revoke();
  await rig.pass(MINUTE_MS);
  assert.deepEqual(rig.of('audit.checkpoint').at(-1)?.hash, (await rig.ledger.auditHead()).hash);
});

test('a stop tells where the trail ends, after all that it finished', async () => {
  const { rig } = await startedEngine();
  await rig.grant({ seconds: 3600 });
  const stopping = rig.engine.stop(new AbortController().signal);
  await rig.pass(100);
  assert.equal(await stopping, true);
  assert.equal(rig.of('audit.checkpoint').at(-1)?.hash, (await rig.ledger.auditHead()).hash);
});

test('on a full disk the checkpoint is in the log alone; one that could not be stored is told the next minute', async () => {
  const { rig } = await startedEngine();
  await rig.grant({ seconds: 3600 });
  rig.ledger.failNext('auditHead', new LedgerError('failed', 'the disk is away'));
  await rig.pass(MINUTE_MS);
  assert.deepEqual(rig.of('audit.checkpoint'), []);
  await rig.pass(MINUTE_MS);
  assert.equal(rig.of('audit.checkpoint').length, 1);
  await rig.revoke();
  rig.ledger.setSpace('low');
  await rig.pass(MINUTE_MS);
  await settled();
  assert.equal(rig.of('audit.checkpoint').length, 1);
  assert.equal(rig.log.lines.filter(({ event }) => event === 'audit.checkpoint').length, 2);
});
