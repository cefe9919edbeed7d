import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { FAIL_POINTS } from '../../src/access/fail-point.ts';
import { type IndependentCheck, independentCheck } from '../support/independent-check.ts';
import { SCENARIOS, type Scenario, stageOf } from '../support/kill-scenarios.ts';
import { FULL_SCALE } from '../support/scale.ts';
import { killed, startReady } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

interface Kill {
  readonly scenario: Scenario;
  readonly at: Scenario['points'][number];
}

const ALL: readonly Kill[] = SCENARIOS.flatMap((scenario) => scenario.points.map((at) => ({ scenario, at })));

/** In a sample each place once that the crash tables do not kill at, in the last scenario that passes it. */
const IN_CRASH_TABLES = /^(job\.(received|stored)|event\.|grant\.(resolved|probed|intent|modify|claimed)|end\.(?!located))/;
const SAMPLE = new Map(ALL.filter(({ at }) => !IN_CRASH_TABLES.test(at)).map((kill) => [nameOf(kill.at), kill]));
const KILLS = FULL_SCALE ? ALL : [...SAMPLE.values()];

function nameOf(at: string): string {
  return at.split(':')[0] ?? '';
}

suite('a connector killed at every named place', { concurrency: false }, () => {
  const number = { people: 0, groups: 0 };
  let s: System;
  let check: IndependentCheck;
  let killFile: string;

  before(async () => {
    s = await startSystem({ ldap: { people: 3 * ALL.length }, env: { LATCHKEY_LOG_LEVEL: 'info' } });
    killFile = join(s.folder, 'kill-at');
    check = await independentCheck(s);
    await s.startStub();
    await startReady(s, { env: { TEST_KILL_FILE: killFile } });
  });
  after(() => s[Symbol.asyncDispose]());

  test('every place is passed by one scenario at least, and there are thirty at least', () => {
    const passed = new Set(ALL.map(({ at }) => nameOf(at)));
    assert.deepEqual(
      FAIL_POINTS.filter((point) => !passed.has(point)),
      [],
    );
    assert.ok(FAIL_POINTS.length >= 30);
  });

  for (const { scenario, at } of KILLS) {
    test(`${scenario.title}, killed at ${at}${scenario.after === undefined ? '' : `, after ${scenario.after}`}`, async () => {
      const { act, meanwhile } = await scenario.arrange(stageOf(s, check, number));
      await writeFile(killFile, scenario.after ?? at);
      await act();
      await killed(s);
      if (scenario.after !== undefined) {
        await writeFile(killFile, at);
        await s.startConnector({ welcome: false, env: { TEST_KILL_FILE: killFile } }).catch(() => undefined);
        await killed(s);
      }
      await rm(killFile);
      await meanwhile?.();
      await startReady(s, { env: { TEST_KILL_FILE: killFile } });
      await check.assertAllIsRight();
    });
  }
});
