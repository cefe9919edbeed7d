import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import type { FailPoint } from '../../src/access/fail-point.ts';
import { independentCheck } from '../support/independent-check.ts';
import { pause, spawnConnector } from '../support/killing.ts';
import { atScale } from '../support/scale.ts';
import { seeded, seedOfRun } from '../support/seeded.ts';
import { loadGroups, steadyLoad } from '../support/steady-load.ts';
import { startReady } from '../support/survival.ts';
import { startSystem } from '../support/system.ts';

/** Kills, five in a row each time: the first under load, the others while what it left is taken up. */
const KILLS = atScale({ sample: 10, full: 1000 });
const DEPTH = 5;
const KILLS_BETWEEN_CHECKS = 50;
/** A start that is not killed at its named place within this time is killed wherever it is. */
const LONGEST_LIFE_MS = 4000;

/** Places that a start passes while it takes up what an earlier life left. */
const DURING_RECOVERY: readonly FailPoint[] = [
  'recovery.found',
  'recovery.expiry-started',
  'recovery.taken-up',
  'recovery.located',
  'recovery.probed',
  'recovery.claiming',
  'grant.claimed',
  'end.located',
  'end.probed-before',
  'end.intent-stored',
  'end.modify-answered',
  'end.claimed',
  'link.welcomed',
  'event.sent',
];

suite('a connector that is killed again while it recovers', { concurrency: false }, () => {
  test(`leaks, loses and steals nothing in ${KILLS} kills, ${DEPTH} deep`, {
    timeout: atScale({ sample: 300_000, full: 7_200_000 }),
  }, async (t) => {
    const seed = seedOfRun();
    const random = seeded(seed);
    await using s = await startSystem({ ldap: { people: 20, ldif: loadGroups() }, env: { LATCHKEY_LOG_LEVEL: 'info' } });
    const killFile = join(s.folder, 'kill-at');
    const check = await independentCheck(s);
    await s.startStub();
    await startReady(s);
    await s.stopConnector();
    const load = steadyLoad(s, { check, seed });
    let kills = 0;
    let named = 0;
    for (let checked = 0; kills < KILLS; ) {
      load.start();
      for (let depth = 0; depth < DEPTH; depth += 1) {
        const at = DURING_RECOVERY[Math.floor(random() * DURING_RECOVERY.length)] ?? 'recovery.found';
        const first = depth === 0;
        await writeFile(killFile, first ? '' : at);
        const child = spawnConnector(s, { env: { TEST_KILL_FILE: killFile } });
        if (first) await child.line((line) => line.includes('"connector.started"'));
        const life = first ? 300 + random() * 1500 : LONGEST_LIFE_MS;
        if ((await Promise.race([child.ended, pause(life)])) === 'SIGKILL') named += 1;
        await child.end('SIGKILL');
        kills += 1;
      }
      if (kills - checked < KILLS_BETWEEN_CHECKS && kills < KILLS) continue;
      checked = kills;
      await load.stop();
      await startReady(s);
      await check.assertAllIsRight(`after ${kills} kills, TEST_SEED=${seed}`);
      await s.stopConnector();
    }
    t.diagnostic(
      `TEST_SEED=${seed}: ${kills} kills, ${named} of them at a named place of a recovery, ${check.posted.length} jobs`,
    );
  });
});
