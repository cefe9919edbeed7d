import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { straceProgram } from '../support/strace.ts';
import { hasStrayed } from '../support/strace-cases.ts';
import { openTheatre, TRACED_SCENARIOS } from '../support/strace-scenarios.ts';
import { straceTests } from '../support/strace-tests.ts';

straceTests('a stop');

test('a fault that strays to the lock of the signal handlers, without which no process exits, holds nothing up', {
  timeout: 120_000,
}, async () => {
  const compiled = await mkdtemp(join(tmpdir(), 'latchkey-compiled-'));
  try {
    await using theatre = await openTheatre({ program: await straceProgram(), cases: 1, compiled });
    // The handler of SIGTERM writes first to the pipe of its loop, and then gives the lock back.
    const { calls, ended } = await TRACED_SCENARIOS['a stop'](theatre, { call: 'write', nth: 2, fault: 'EIO' });
    assert.ok(hasStrayed(calls));
    assert.equal(ended, 'SIGKILL');
  } finally {
    await rm(compiled, { recursive: true, force: true });
  }
});
