import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HealthParts, judgeHealth } from '../../src/observability/health.ts';

const ready: HealthParts = {
  directory: { ready: true },
  controlPlane: { ready: true },
  ledger: { ready: true },
  clock: { ready: true },
  policy: { ready: true },
  sync: { ready: true },
  backup: { ready: true },
};

test('readiness is 200 only while every part is ready', () => {
  assert.deepEqual(judgeHealth(ready), { status: 200, body: { ready: true, ...ready } });
  for (const part of ['directory', 'controlPlane', 'ledger', 'clock', 'policy', 'sync'] as const) {
    const parts = { ...ready, [part]: { ready: false, reason: 'down' } };
    assert.deepEqual(judgeHealth(parts), { status: 503, body: { ready: false, ...parts } });
  }
});
