import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { instant } from '../../src/access/instant.ts';
import { pairOf } from '../bench/due-together.ts';
import { fillLedger } from '../bench/filled-ledger.ts';
import { groupNames } from '../bench/grants.ts';
import { type Site, startSite } from '../bench/site.ts';
import type { Child } from '../support/child.ts';
import { atScale, FULL_SCALE } from '../support/scale.ts';

const GRANTS = 100_000;
const GROUPS = 100;
const PERSONS = GRANTS / GROUPS;
/** Sample bounds are those that no other work on the machine can break; the full figures are of a quiet one. */
const MAX_START_MS = 2_000;
const MAX_IDLE_PERCENT = atScale({ sample: 5, full: 1 });
const MAX_RSS_MIB = 200;
const IDLE_MS = atScale({ sample: 10_000, full: 30_000 });
/** Of the kernel's clock ticks in /proc/<pid>/stat (USER_HZ, proc(5)): a constant of Linux's interface. */
const TICKS_A_SECOND = 100;
/** A twentieth of a processor. */
const MOST_TICKS_AT_REST = 5;

const isLinux = process.platform === 'linux';

test('a hundred thousand active grants cost little while nothing is due', { skip: !isLinux && 'reads /proc' }, async (t) => {
  const cns = groupNames('many', GROUPS);
  await using site = await startSite({
    people: PERSONS,
    groups: cns.map((cn) => ({ cn, members: [] })),
    serverSyncs: false,
  });
  const entries = await site.entries();
  const expiresAt = instant(Date.now() + 6 * 3_600_000);
  const pairs = cns.flatMap((cn) => Array.from({ length: PERSONS }, (_, i) => pairOf(entries, { cn, person: i + 1 })));
  const stateDir = await site.newStateDir();
  await fillLedger(
    stateDir,
    pairs.map((pair) => ({ pair, expiresAt })),
  );

  const { connector, startMs } = await started(site, stateDir);
  const atStartMib = residentMib(connector);
  const startCpuMs = (1000 * cpuTicks(connector)) / TICKS_A_SECOND;
  await untilAtRest(connector);
  const before = cpuTicks(connector);
  const beganMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const idlePercent = (100 * 1000 * (cpuTicks(connector) - before)) / TICKS_A_SECOND / (performance.now() - beganMs);
  const rssMib = residentMib(connector);
  t.diagnostic(
    `${GRANTS} active grants: start ${startMs.toFixed(0)} ms (${startCpuMs.toFixed(0)} ms of processor time), idle CPU ${idlePercent.toFixed(2)} %, RSS ${atStartMib.toFixed(0)} MiB at the start, ${rssMib.toFixed(0)} MiB after ${IDLE_MS / 1000} s`,
  );
  assert.ok(Math.max(atStartMib, rssMib) <= MAX_RSS_MIB, `${rssMib} MiB`);
  assert.ok(idlePercent <= MAX_IDLE_PERCENT, `${idlePercent} % of a processor while idle`);
  if (FULL_SCALE) assert.ok(startMs <= MAX_START_MS, `started in ${startMs} ms`);
});

/** From the spawn of the process until it is connected, its directory up: ready to end grants. */
async function started(site: Site, stateDir: string): Promise<{ connector: Child; startMs: number }> {
  const spawnedMs = performance.now();
  const connector = await site.startConnector({ stateDir });
  return { connector, startMs: performance.now() - spawnedMs };
}

/** A start looks once at each group that has grants. Over when a second has passed in which next to nothing was done. */
async function untilAtRest(connector: Child): Promise<void> {
  for (let seconds = 0; seconds < 60; seconds += 1) {
    const earlier = cpuTicks(connector);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    if (cpuTicks(connector) - earlier <= MOST_TICKS_AT_REST) return;
  }
}

/** User and system time of the process. Its name, the second field, may hold anything but is closed by the last parenthesis. */
function cpuTicks({ pid }: Child): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function residentMib({ pid }: Child): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}
