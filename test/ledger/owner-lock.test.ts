import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { instant } from '../../src/access/instant.ts';
import { lockStateDirectory } from '../../src/ledger/sqlite/owner-lock.ts';

test('an owner whose name cannot be taken away gives the lock back all the same', () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'latchkey-lock-'));
  try {
    const first = lockStateDirectory(stateDir, instant(0));
    assert.throws(() => lockStateDirectory(stateDir, instant(0)), /in use by process/);
    const ownerPath = join(stateDir, 'owner.json');
    rmSync(ownerPath);
    mkdirSync(join(ownerPath, 'in the way'), { recursive: true });
    first.release();
    rmSync(ownerPath, { recursive: true });
    lockStateDirectory(stateDir, instant(1)).release();
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
});
