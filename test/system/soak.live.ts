import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from '../support/child.ts';
import type { ResourceReport } from '../support/connector-instruments.ts';
import { type IndependentCheck, independentCheck } from '../support/independent-check.ts';
import { median, type ProcessFigures, processFigures, resourceReport, slope } from '../support/process-figures.ts';
import { faultsAround } from '../support/random-faults.ts';
import { atScale } from '../support/scale.ts';
import { seeded, seedOfRun } from '../support/seeded.ts';
import { loadGroups, steadyLoad } from '../support/steady-load.ts';
import { startReady } from '../support/survival.ts';
import { type System, startSystem, until } from '../support/system.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

const MINUTE_MS = 60_000;
const MIB = 1024 * 1024;

/** Until caches are filled, code is compiled and the heap has its size. */
const WARM_UP_MS = atScale({ sample: 4_000, full: 10 * MINUTE_MS });
const SOAK_MS = atScale({ sample: 16_000, full: 60 * MINUTE_MS });
const FAULT_EACH_MS = atScale({ sample: 2_000, full: 10_000 });
const LONGEST_FAULT_MS = atScale({ sample: 1_200, full: 6_000 });
const SAMPLE_EACH_MS = atScale({ sample: 500, full: 5_000 });
/** The stub writes all that it ever knew into one file at each change: in an hour of more it would be the load itself. */
const JOBS_PER_SECOND = atScale({ sample: 5, full: 2 });

/** What the resident size may differ between two quarters of a soak: a collection more or less. In the sample all is warm-up. */
const RSS_SLACK_BYTES = atScale({ sample: 32, full: 8 }) * MIB;
const HEAP_SLACK_BYTES = 4 * MIB;

type Sample = ProcessFigures & { readonly atMs: number };
type AtRest = Pick<ProcessFigures, 'descriptors' | 'threads'> & { readonly report: ResourceReport };

suite('under load, with a fault again and again', { concurrency: false }, () => {
  let s: System;
  let check: IndependentCheck;
  let connector: Child;
  let directory: TcpProxy;
  let controlPlane: TcpProxy;
  const env: NodeJS.ProcessEnv = {
    LATCHKEY_LOG_LEVEL: 'info',
    LDAP_READ_TIMEOUT: '2s',
    LDAP_CONNECT_TIMEOUT: '2s',
    // The first is made before anything is measured: it starts the threads that every later one uses.
    TEST_BACKUP_MS: '100:300000',
  };

  before(async () => {
    s = await startSystem({ ldap: { people: 20, ldif: loadGroups() }, env });
    directory = await startTcpProxy(Number(new URL(s.ldap.ldapsUrl).port));
    controlPlane = await startTcpProxy(Number(new URL(String(s.connectorEnv()['LATCHKEY_CONTROL_PLANE_URL'])).port));
    env['LDAP_URL'] = `ldaps://127.0.0.1:${directory.port}`;
    env['LATCHKEY_CONTROL_PLANE_URL'] = `ws://127.0.0.1:${controlPlane.port}/connect`;
    env['TEST_REPORT_FILE'] = reportFile();
    check = await independentCheck(s);
    await s.startStub();
    connector = await startReady(s);
  });
  after(async () => {
    await s[Symbol.asyncDispose]();
    await directory.close();
    await controlPlane.close();
  });

  const reportFile = (): string => join(s.folder, 'resources.json');

  test('memory, descriptors and handles stay as they are, and everything is right in the end', async (t) => {
    const seed = seedOfRun();
    const hint = `TEST_SEED=${seed}`;
    t.diagnostic(hint);
    const load = steadyLoad(s, { check, seed, jobsPerSecond: JOBS_PER_SECOND });
    const faults = faultsAround(s, { load, directory, controlPlane });
    const random = seeded(seed + 1);
    const struck = new Map<string, number>();

    load.start();
    await strikeFor(WARM_UP_MS);
    await load.stop();
    await check.assertAllIsRight(hint);
    const rested = await atRest();

    const samples: Sample[] = [];
    const sampling = new AbortController();
    const sampled = sampleUntil(sampling.signal, samples);
    load.start();
    await strikeFor(SOAK_MS);
    await load.stop();
    sampling.abort();
    await sampled;
    const { loopDelay } = await resourceReport(connector, reportFile());
    await check.assertAllIsRight(hint);

    const last = await atRestAs(rested);
    tell(t, { samples, rested, last, loopDelay, jobs: load.count(), struck });
    assert.equal(connector.pid, s.connector()?.pid, 'one process from beginning to end');
    assertFlat({ samples, rested, last, hint });

    async function strikeFor(totalMs: number): Promise<void> {
      const endMs = performance.now() + totalMs;
      while (performance.now() < endMs) {
        const nextAtMs = performance.now() + FAULT_EACH_MS;
        const fault = faults[Math.floor(random() * faults.length)];
        assert.ok(fault !== undefined);
        await fault.strike(Math.round(100 + random() * (LONGEST_FAULT_MS - 100)));
        struck.set(fault.name, (struck.get(fault.name) ?? 0) + 1);
        await sleep(Math.max(0, nextAtMs - performance.now()));
      }
    }
  });

  async function sampleUntil(signal: AbortSignal, samples: Sample[]): Promise<void> {
    while (!signal.aborted) {
      samples.push({ atMs: performance.now(), ...(await processFigures(connector.pid)) });
      await sleep(SAMPLE_EACH_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async function look(): Promise<AtRest> {
    const report = await resourceReport(connector, reportFile());
    const { descriptors, threads } = await processFigures(connector.pid);
    return { report, descriptors, threads };
  }

  /** What is there when nothing is under way: twice the same, so that it is not a moment between two states. */
  async function atRest(): Promise<AtRest> {
    let last = await look();
    await until('the connector is at rest', async () => {
      const earlier = last;
      await sleep(500);
      last = await look();
      return shown(earlier) === shown(last);
    });
    return last;
  }

  /** Waits for the same again, and resolves with what is there when it has come, or has not come in time. */
  async function atRestAs(wanted: AtRest): Promise<AtRest> {
    let last = await look();
    await until('the same descriptors and handles again', async () => {
      last = await look();
      return shown(last) === shown(wanted);
    }).catch(() => undefined);
    return last;
  }
});

function shown({ descriptors, threads, report }: AtRest): string {
  return JSON.stringify({
    descriptors,
    threads,
    active: Object.entries(report.active).toSorted(([a], [b]) => a.localeCompare(b)),
  });
}

function quarter(samples: readonly Sample[], number: 2 | 4): number {
  const length = Math.floor(samples.length / 4);
  return median(samples.slice((number - 1) * length, number * length).map(({ rssBytes }) => rssBytes));
}

function assertFlat({ samples, rested, last, hint }: { samples: Sample[]; rested: AtRest; last: AtRest; hint: string }): void {
  assert.equal(shown(last), shown(rested), hint);
  const grownBytes = quarter(samples, 4) - quarter(samples, 2);
  assert.ok(grownBytes <= RSS_SLACK_BYTES, `the resident size has grown by ${mib(grownBytes)}; ${hint}`);
  const heapGrownBytes = last.report.heapBytes - rested.report.heapBytes;
  assert.ok(heapGrownBytes <= HEAP_SLACK_BYTES, `the collected heap has grown by ${mib(heapGrownBytes)}; ${hint}`);
}

function tell(
  t: TestContext,
  found: {
    samples: Sample[];
    rested: AtRest;
    last: AtRest;
    loopDelay: ResourceReport['loopDelay'];
    jobs: number;
    struck: ReadonlyMap<string, number>;
  },
): void {
  const { samples, rested, last, loopDelay } = found;
  const slopeMibPerHour = (slope(samples.map(({ atMs, rssBytes }) => [atMs, rssBytes])) * 60 * MINUTE_MS) / MIB;
  const rss = samples.map(({ rssBytes }) => rssBytes);
  const faults = [...found.struck].map(([name, count]) => `${count} × ${name}`);
  for (const line of [
    `${found.jobs} jobs, ${faults.length} kinds of faults: ${faults.join(', ')}`,
    `resident: ${samples.length} samples, second quarter ${mib(quarter(samples, 2))}, last ${mib(quarter(samples, 4))}, least ${mib(Math.min(...rss))}, most ${mib(Math.max(...rss))}, slope ${slopeMibPerHour.toFixed(2)} MiB an hour`,
    `collected heap: ${mib(rested.report.heapBytes)} after the warm-up, ${mib(last.report.heapBytes)} in the end`,
    `at rest before: ${shown(rested)}`,
    `at rest after:  ${shown(last)}`,
    `most under load: ${Math.max(...samples.map(({ descriptors }) => descriptors))} descriptors, ${Math.max(...samples.map(({ threads }) => threads))} threads`,
    `event loop under load: p50 ${loopDelay.p50Ms.toFixed(1)} ms, p99 ${loopDelay.p99Ms.toFixed(1)} ms, most ${loopDelay.maxMs.toFixed(1)} ms`,
  ])
    t.diagnostic(line);
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}
