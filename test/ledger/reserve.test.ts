import assert from 'node:assert/strict';
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openReserve } from '../../src/ledger/sqlite/reserve.ts';
import { temporaryStateDir } from '../support/ledgers-under-test.ts';

const BYTES = 64 * 1024;

async function opened(t: TestContext) {
  const path = join(await temporaryStateDir(t), 'ledger.reserve');
  const reserve = openReserve({ path, bytes: BYTES, logger: undefined });
  t.after(() => reserve.close());
  return { path, reserve, size: () => statSync(path).size };
}

test('a reserve of which some was given is made whole again once the disk has room', async (t) => {
  const { reserve, size } = await opened(t);
  assert.equal(size(), BYTES);
  assert.ok(reserve.give());
  assert.ok(size() < BYTES);
  assert.equal(reserve.space(), 'ok');
  assert.equal(size(), BYTES);
});

test('endings are not given what the next start needs to open the ledger, and a start is', async (t) => {
  const { reserve, size } = await opened(t);
  while (reserve.give()) assert.ok(size() >= 0);
  assert.ok(size() > 0);
  assert.ok(reserve.giveForOpening());
  while (reserve.giveForOpening()) assert.ok(size() >= 0);
  assert.equal(size(), 0);
});

test('a reserve whose file somebody removed to make room neither fails a commit nor stays low', async (t) => {
  const { reserve, path } = await opened(t);
  assert.ok(reserve.give());
  rmSync(path);
  assert.equal(reserve.space(), 'ok');
});
