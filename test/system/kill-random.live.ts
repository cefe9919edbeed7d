import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { independentCheck } from '../support/independent-check.ts';
import { pause, spawnConnector, startedLine } from '../support/killing.ts';
import { atScale, FULL_SCALE } from '../support/scale.ts';
import { seeded, seedOfRun } from '../support/seeded.ts';
import { loadGroups, steadyLoad } from '../support/steady-load.ts';
import { startReady } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

const KILLS = atScale({ sample: 15, full: 2000 });
/** Systems at the same time: two for each core of the smallest machine that the figures are run on, since most of a life is waiting. */
const SIDES = FULL_SCALE ? 4 : 1;
/** A fresh system after so many, since the stub writes all that it knows at each change. */
const KILLS_OF_ONE_SYSTEM = 200;
const KILLS_BETWEEN_CHECKS = 50;

interface Counts {
  kills: number;
  jobs: number;
  /** Kills before the connector said that it had started. */
  early: number;
  /** Starts that found something unfinished. */
  recoveries: number;
  checks: number;
}

suite('a connector killed at random moments under load', { concurrency: SIDES }, () => {
  const seed = seedOfRun();
  for (let side = 0; side < SIDES; side += 1) {
    const kills = KILLS / SIDES;
    test(`leaks, loses and steals nothing in ${kills} kills, side ${side + 1} of ${SIDES}`, async () => {
      const counts: Counts = { kills: 0, jobs: 0, early: 0, recoveries: 0, checks: 0 };
      for (let round = 0; counts.kills < kills; round += 1) {
        const of = Math.min(KILLS_OF_ONE_SYSTEM, kills - counts.kills);
        const one = { kills: of, seed: seed + 1000 * side + round, counts };
        await killOneSystem(one).catch((error: unknown) => {
          say(side, `${JSON.stringify(counts)}: ${String(error)}`);
          throw error;
        });
        say(side, `TEST_SEED=${seed}: ${JSON.stringify(counts)}`);
      }
      assert.equal(counts.kills, kills);
    });
  }
});

/** At once: the runner keeps what a side prints until both are through, which takes an hour. */
function say(side: number, what: string): void {
  process.stderr.write(`side ${side + 1} of ${SIDES}: ${what}\n`);
}

async function killOneSystem({ kills, seed, counts }: { kills: number; seed: number; counts: Counts }): Promise<void> {
  await using s = await startSystem({ ldap: { people: 20, ldif: loadGroups() }, env: { LATCHKEY_LOG_LEVEL: 'info' } });
  const random = seeded(seed);
  const check = await independentCheck(s);
  await s.startStub();
  await startReady(s);
  await s.stopConnector();
  const load = steadyLoad(s, { check, seed });
  for (let killed = 0; killed < kills; ) {
    const next = Math.min(killed + KILLS_BETWEEN_CHECKS, kills);
    load.start();
    for (; killed < next; killed += 1) await killOnce(s, { random, counts });
    await load.stop();
    await startReady(s);
    await check.assertAllIsRight(`after ${killed} kills, seed ${seed}`);
    assert.equal(await s.stopConnector(), 0);
    counts.checks += 1;
  }
  counts.jobs += check.posted.length;
}

/** One life: one in five is killed as it starts, the others at a random moment of their first 1.5 s. */
async function killOnce(s: System, { random, counts }: { random: () => number; counts: Counts }): Promise<void> {
  const child = spawnConnector(s);
  if (random() < 0.2) {
    await pause(50 + random() * 600);
    counts.early += 1;
  } else {
    assert.notEqual(await startedLine(child), null, `it ended by itself:\n${child.lines.slice(-20).join('\n')}`);
    await pause(50 + random() * 1450);
  }
  assert.equal(await child.end('SIGKILL'), 'SIGKILL', child.lines.slice(-20).join('\n'));
  counts.kills += 1;
  if (child.lines.some((line) => line.includes('"engine.recovering"'))) counts.recoveries += 1;
}
