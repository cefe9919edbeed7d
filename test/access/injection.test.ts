import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { CHAIN_START, chainCheck, chained, type KeptRow } from '../../src/access/audit-chain.ts';
import { canonicalJson } from '../../src/access/canonical-json.ts';
import { formatDn, parseDn, parseRdns } from '../../src/access/dn.ts';
import { and, equality, formatFilter, parseFilter } from '../../src/access/filter.ts';
import { AUDIT_LINES } from '../../src/cli/audit-lines.ts';
import { attributeName } from '../../src/config/values.ts';
import { ldaptsFilter } from '../../src/directory/ldap/ldapts-filter.ts';
import { createLogger } from '../../src/observability/pino-logger.ts';
import { promMetrics } from '../../src/observability/prom-metrics.ts';
import { CORPUS } from '../support/injection-corpus.ts';
import { sentFilter } from '../support/ldap-messages.ts';
import { SOUND, samplesIn } from '../support/scraped.ts';

/** As a server reads it: a character without its other half is no text, and is sent as U+FFFD. */
const sent = (text: string): string => text.toWellFormed();

suite(`${CORPUS.length} texts of an attacker`, () => {
  test('are one value of a filter, whose shape they do not change', () => {
    for (const text of CORPUS) {
      const filter = and(equality('objectClass', 'person'), equality('mail', text));
      const { shape, values } = sentFilter(ldaptsFilter(filter));
      assert.equal(shape, '(&(objectClass=?)(mail=?))', text);
      assert.equal(values[1]?.toString(), sent(text));
      const read = parseFilter(formatFilter(filter));
      assert.deepEqual(read.ok ? read.value : null, text.isWellFormed() ? filter : null, text);
    }
  });

  test('are one value of a name, which stays beneath the entry that it was written beneath', () => {
    const above = [[{ type: 'ou', value: 'people' }], [{ type: 'dc', value: 'test' }]];
    for (const text of CORPUS) {
      const read = parseRdns(formatDn([[{ type: 'cn', value: text }], ...above]));
      assert.deepEqual(read.ok ? read.value : null, text.isWellFormed() ? [[{ type: 'cn', value: text }], ...above] : null, text);
    }
  });

  test('are refused as a name, or are one that is written back as what was understood', () => {
    for (const text of CORPUS) {
      const parsed = parseDn(text);
      if (!parsed.ok) continue;
      const [once, again] = [parseRdns(text), parseRdns(parsed.value)];
      assert.ok(once.ok && again.ok, text);
      assert.deepEqual(again.value, once.value, text);
    }
  });

  test('are no name of an attribute', () => {
    for (const text of CORPUS) {
      const isName = /^[A-Za-z][A-Za-z0-9-]*$/.test(text.trim());
      assert.equal(attributeName.read(text).ok, isName, text);
    }
  });

  test('leave a log line one line and one JSON object, with nothing in it but what was said', () => {
    for (const text of CORPUS) {
      const written: string[] = [];
      const log = createLogger({ level: 'trace', destination: { write: (line) => written.push(line) } });
      log
        .child({ jobId: text })
        .info({ event: 'job.failed', dn: text, [text]: text, nested: { [text]: [text] }, error: new Error(text) }, text);
      assert.equal(written.length, 1);
      // Nor what a reader of lines takes for the end of one (Unicode 4.1: U+0085, U+2028, U+2029).
      assert.match(written[0] ?? '', /^[^\n\r\u0085\u2028\u2029]*\n$/, text);
      const line = JSON.parse(written[0] ?? '');
      assert.deepEqual([line.event, line.level], ['job.failed', 'info']);
      // What a terminal would act on is shown as U+FFFD.
      for (const said of [line.msg, line.jobId]) {
        const characters = Array.from(said as string);
        for (const [at, char] of Array.from(text).entries())
          assert.ok(characters[at] === char || /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(char), text);
      }
    }
  });

  test('leave an audit trail whole, a line each, and a table of it without formulas', () => {
    let head = CHAIN_START;
    const rows = CORPUS.map((text): KeptRow => {
      const record = canonicalJson({ at: 1, kind: 'job.refused', jobId: 'j1', grantId: 'g1', facts: { message: sent(text) } });
      head = chained(head, record);
      const { count: seq, hash } = head;
      return { seq, hash, record: Buffer.from(record), at: '1', kind: 'job.refused', jobId: 'j1', grantId: 'g1' };
    });
    const check = chainCheck({ head, pruned: CHAIN_START, ledgerId: 'l', strays: 0 });
    for (const [index, row] of rows.entries()) {
      check.take(row);
      const line = AUDIT_LINES.ndjson.line(row);
      assert.match(line, /^[^\n\r]*\n$/);
      assert.equal(JSON.parse(line).record.facts.message, sent(CORPUS[index] ?? ''));
      for (const cell of cellsOf(AUDIT_LINES.csv.line(row))) assert.doesNotMatch(cell, /^[=+\-@\t\r\n]/);
    }
    assert.ok(check.verdict().whole);
  });

  test('are no label of a metric', async () => {
    const metrics = promMetrics({ version: '1', node: 'v26' });
    try {
      for (const text of CORPUS) {
        metrics.ldapAnswered({ operation: 'search', result: text, tookMs: 1 });
        metrics.jobSettled({ kind: text as 'grant', result: text as 'granted', latencyMs: 1 });
      }
      const { text: exposed } = await metrics.expose(SOUND);
      const known = new Set(samplesIn(exposed).flatMap(({ labels }) => Object.values(labels)));
      for (const text of CORPUS) assert.ok(!known.has(text), text);
    } finally {
      metrics.close();
    }
  });
});

/** The cells of one line of RFC 4180, by a reader of its own. */
function cellsOf(line: string): readonly string[] {
  return [...line.matchAll(/"((?:[^"]|"")*)"/gs)].map(([, cell = '']) => cell.replaceAll('""', '"'));
}
