import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { brokenLinks, isThere } from '../support/documents.ts';

const ALERTS = readFileSync(new URL('../../deploy/prometheus/latchkey-alerts.yaml', import.meta.url), 'utf8');

test('every alert leads to a section of the documents that is there', () => {
  const alerts = ALERTS.split(/(?=- alert: )/).slice(1);
  assert.ok(alerts.length >= 15);
  for (const alert of alerts) {
    const [, target] = /^ +runbook: (\S+)$/m.exec(alert) ?? [];
    assert.ok(target !== undefined && isThere(target), alert.slice(0, 60));
  }
});

test('a page leads to a runbook, and not only to the table of alerts, but for a certificate that ends', () => {
  const pages = ALERTS.split(/(?=- alert: )/).filter((alert) => alert.includes('severity: page'));
  for (const page of pages) if (!page.includes('LatchkeyCertificateEnds')) assert.match(page, /runbook: docs\/operations\.md#/);
});

for (const document of ['docs/operations.md', 'docs/logs.md', 'docs/metrics.md', 'docs/configuration.md', 'docs/protocol.md'])
  test(`where ${document} leads to there is a file, and the heading`, () => {
    assert.deepEqual(brokenLinks(document), []);
  });

test('a link to a heading or a file that is not there is found out', () => {
  assert.ok(!isThere('docs/operations.md#nowhere'));
  assert.ok(!isThere('docs/nothing.md'));
  assert.ok(isThere('docs/operations.md#runbooks'));
});
