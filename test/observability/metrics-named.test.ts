import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { METRICS } from '../../src/observability/metric-table.ts';
import { promMetrics } from '../../src/observability/prom-metrics.ts';
import { metricRows, namedIn, unknownIn } from '../support/metric-names.ts';
import { SOUND, valueIn } from '../support/scraped.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

const RULES = read('deploy/prometheus/latchkey-alerts.yaml');
const RULE_TESTS = read('deploy/prometheus/latchkey-alerts.test.yaml');
const DASHBOARD: unknown = JSON.parse(read('deploy/grafana/latchkey.json'));
const DOCUMENT = read('docs/metrics.md');
const ALERTS = [...RULES.matchAll(/- alert: (\w+)[\s\S]*?severity: (\w+)/g)].map(([, name = '', severity = '']) => ({
  name,
  severity,
}));

/** Every text of a JSON value. */
function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

test('the alert rules, their tests and the dashboard name only metrics, labels and values that there are', () => {
  for (const text of [RULES, RULE_TESTS, ...textsIn(DASHBOARD)]) assert.deepEqual(unknownIn(text), []);
  assert.ok(namedIn(RULES).length >= 20);
  assert.ok(textsIn(DASHBOARD).flatMap(namedIn).length >= 40);
});

test('what there is not is found out: a metric, a label, a value, a histogram without its suffix', () => {
  for (const [text, complaint] of [
    ['rate(latchkey_grants_lost_total[5m])', 'there is no metric latchkey_grants_lost_total'],
    ['latchkey_expiry_lateness_seconds > 1', 'there is no metric latchkey_expiry_lateness_seconds'],
    ['latchkey_grants_overdue_seconds_count', 'there is no metric latchkey_grants_overdue_seconds_count'],
    ['latchkey_grants{user="ada"}', 'latchkey_grants has no label user'],
    ['latchkey_ready{part=~"ledger|disk"}', 'the label part of latchkey_ready is never disk'],
  ] as const)
    assert.deepEqual(unknownIn(text), [complaint]);
  assert.deepEqual(
    unknownIn('latchkey_ready{part=~"ledger|policy",job="x"} + latchkey_expiry_lateness_seconds_bucket{le="1"}'),
    [],
  );
});

test('the dashboard shows every metric that there is', () => {
  const shown = new Set(
    textsIn(DASHBOARD)
      .flatMap(namedIn)
      .map(({ name }) => name.replace(/_(?:bucket|sum|count)$/, '')),
  );
  assert.deepEqual(
    Object.keys(METRICS).filter((name) => !shown.has(name)),
    [],
  );
});

test('each alert says how urgent it is and what to do, and has a test in which it fires and one in which it does not', () => {
  assert.ok(ALERTS.length >= 15);
  for (const { name, severity } of ALERTS) {
    assert.ok(['page', 'ticket'].includes(severity), name);
    const fires = new RegExp(`alertname="${name}",alertstate="firing"}'\\n +eval_time: \\S+\\n +exp_samples:\\n`);
    const waits = new RegExp(`alertname="${name}",alertstate="firing"}'\\n +eval_time: \\S+\\n +exp_samples: \\[\\]`);
    assert.match(RULE_TESTS, fires, name);
    assert.match(RULE_TESTS, waits, name);
    assert.match(DOCUMENT, new RegExp(`^\\| \`${name}\` \\| ${severity} \\| .{10,} \\| .{10,} \\|$`, 'm'), name);
  }
  assert.equal(DOCUMENT.match(/^\| `Latchkey/gm)?.length, ALERTS.length);
});

test('whatever an alert sees the increase of is told from the start, or its first time would not be seen', async () => {
  const metrics = promMetrics({ version: '0', node: 'v26' });
  const { text } = await metrics.expose(SOUND);
  metrics.close();
  const counted = [...RULES.matchAll(/increase\((latchkey_[a-z_]+)/g)].map(([, name = '']) => name);
  assert.ok(counted.length >= 4);
  for (const name of counted) assert.equal(valueIn(text, name), 0, name);
});

test('the table of docs/metrics.md is the table of the program', () => {
  const rows = DOCUMENT.split('\n').filter((line) => /^\| `(?:latchkey|process)_/.test(line));
  assert.deepEqual(rows, metricRows());
});
