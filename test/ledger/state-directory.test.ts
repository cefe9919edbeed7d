import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { prepareStateDirectory } from '../../src/ledger/sqlite/state-directory.ts';

test('a state directory is made with those above it, for nobody else', () => {
  const top = mkdtempSync(join(tmpdir(), 'latchkey-state-'));
  try {
    const stateDir = join(top, 'a', 'b', 'state');
    prepareStateDirectory(stateDir, undefined);
    prepareStateDirectory(stateDir, undefined);
    assert.equal(statSync(stateDir).mode & 0o777, 0o700);
  } finally {
    rmSync(top, { recursive: true });
  }
});

test('a state directory where none can be made is an error at once', () => {
  const file = import.meta.filename;
  const mode = statSync(file).mode;
  // Where a file is, and beneath one, on any system; beneath /proc Node.js's own way would never come back.
  for (const stateDir of [file, join(file, 'state'), '/proc/latchkey/state'])
    assert.throws(
      () => prepareStateDirectory(stateDir, undefined),
      (error) => error instanceof LedgerError && error.message.includes(stateDir),
    );
  assert.equal(statSync(file).mode, mode);
});
