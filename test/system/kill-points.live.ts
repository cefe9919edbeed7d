import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { FAIL_POINTS } from '../../src/access/fail-point.ts';
import { type KillSystem, killCase, killsOf, startKillSystem } from '../support/kill-cases.ts';
import { SCENARIOS } from '../support/kill-scenarios.ts';
import { FULL_SCALE } from '../support/scale.ts';
import { startSystem } from '../support/system.ts';

const ALL = killsOf(SCENARIOS);

/** In a sample each place once that the crash tables do not kill at, in the last scenario that passes it. */
const IN_CRASH_TABLES = /^(job\.(received|stored)|event\.|grant\.(resolved|probed|intent|modify|claimed)|end\.(?!located))/;
const SAMPLE = new Map(ALL.filter(({ at }) => !IN_CRASH_TABLES.test(at)).map((kill) => [nameOf(kill.at), kill]));
const KILLS = FULL_SCALE ? ALL : [...SAMPLE.values()];

function nameOf(at: string): string {
  return at.split(':')[0] ?? '';
}

suite('a connector killed at every named place', { concurrency: false }, () => {
  let k: KillSystem;

  before(async () => {
    k = await startKillSystem(await startSystem({ ldap: { people: 3 * ALL.length }, env: { LATCHKEY_LOG_LEVEL: 'info' } }));
  });
  after(() => k.s[Symbol.asyncDispose]());

  test('every place is passed by one scenario at least, and there are thirty at least', () => {
    const passed = new Set(ALL.map(({ at }) => nameOf(at)));
    assert.deepEqual(
      FAIL_POINTS.filter((point) => !passed.has(point)),
      [],
    );
    assert.ok(FAIL_POINTS.length >= 30);
  });

  for (const kill of KILLS) killCase(kill, () => k);
});
