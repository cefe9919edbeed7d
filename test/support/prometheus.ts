import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChildProgram } from '../../src/sandbox/child-program.ts';
import { freePorts } from '../../src/sandbox/loopback.ts';
import { prometheusPrograms } from '../../src/sandbox/prometheus-programs.ts';
import { untilWithin } from './system.ts';

/** An alert as Prometheus has it now. */
export interface FiringAlert {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A Prometheus that looks every half second. */
export interface RunningPrometheus extends AsyncDisposable {
  /** Names of what fires now, in order. */
  firing(): Promise<readonly FiringAlert[]>;
  /** Resolves with the alert of that name once it fires. */
  fires(name: string): Promise<FiringAlert>;
  /** Resolves once exactly these fire. */
  firesOnly(names: readonly string[]): Promise<void>;
  /** The values of an instant query. */
  query(promql: string): Promise<readonly number[]>;
}

const PATIENCE_MS = 60_000;

interface Answer<T> {
  readonly data: T;
}

/** Scrapes the targets as job `latchkey`, by these rules. */
export async function startPrometheus({ target, rules }: { target: () => string; rules: string }): Promise<RunningPrometheus> {
  const program = (await prometheusPrograms())('prometheus');
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-prometheus-'));
  const [port = 0] = await freePorts(1);
  await writeFile(join(folder, 'rules.yaml'), rules);
  await writeFile(
    join(folder, 'prometheus.yaml'),
    `global: { scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms }
rule_files: [rules.yaml]
scrape_configs:
  - job_name: latchkey
    static_configs: [{ targets: ['${target()}'] }]
`,
  );
  const child = await startChildProgram({
    path: program.path,
    args: [
      `--config.file=${join(folder, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    env: { ...process.env, ...program.env },
    cwd: folder,
    logFile: join(folder, 'log'),
  });
  const url = `http://127.0.0.1:${port}`;
  const ask = async <T>(path: string): Promise<T> => {
    const response = await fetch(url + path, { signal: AbortSignal.timeout(PATIENCE_MS), headers: { connection: 'close' } });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return (JSON.parse(text) as Answer<T>).data;
  };
  const firing = async (): Promise<readonly FiringAlert[]> => {
    type Alert = Omit<FiringAlert, 'name'> & { readonly state: string };
    const { alerts } = await ask<{ alerts: readonly Alert[] }>('/api/v1/alerts');
    return alerts
      .filter(({ state }) => state === 'firing')
      .map(({ labels, annotations }) => ({ name: labels['alertname'] ?? '', labels, annotations }))
      .toSorted((one, other) => one.name.localeCompare(other.name));
  };
  let last: readonly FiringAlert[] = [];
  const known = () => `what fires: ${last.map(({ name }) => name).join(', ')}`;
  const seen = async (awaited: string, holds: (alerts: readonly FiringAlert[]) => boolean): Promise<void> =>
    await untilWithin({ awaited, ms: PATIENCE_MS, known }, async () => holds((last = await firing())));
  await untilWithin({ awaited: 'Prometheus is ready', ms: PATIENCE_MS, known: () => child.output() }, async () =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );

  return {
    firing,
    async fires(name) {
      await seen(`${name} fires`, (alerts) => alerts.some((alert) => alert.name === name));
      const alert = last.find((one) => one.name === name);
      if (alert === undefined) throw new Error(`${name} no longer fires`);
      return alert;
    },
    firesOnly: (names) =>
      seen(
        `only ${names.join(', ') || 'nothing'} fires`,
        (alerts) => alerts.map(({ name }) => name).join() === names.toSorted().join(),
      ),
    async query(promql) {
      const { result } = await ask<{ result: readonly { value: readonly [number, string] }[] }>(
        `/api/v1/query?query=${encodeURIComponent(promql)}`,
      );
      return result.map(({ value: [, value] }) => Number(value));
    },
    async [Symbol.asyncDispose]() {
      await child.kill('SIGTERM');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The alert rules, with shorter waits and bounds: each replacement must be there. */
export async function alertRules(shortened: readonly (readonly [string, string])[] = []): Promise<string> {
  let rules = await readFile(new URL('../../deploy/prometheus/latchkey-alerts.yaml', import.meta.url), 'utf8');
  for (const [from, to] of shortened) {
    if (!rules.includes(from)) throw new Error(`the alert rules have no ${from}`);
    rules = rules.replaceAll(from, to);
  }
  return rules;
}
