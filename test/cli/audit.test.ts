import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KeptRow } from '../../src/access/audit-chain.ts';
import { instant } from '../../src/access/instant.ts';
import { AUDIT_LINES } from '../../src/cli/audit-lines.ts';
import { checkpointInLine, parseCheckpoint } from '../../src/cli/checkpoints.ts';
import { parseSince } from '../../src/cli/since.ts';

const HASH = 'ab'.repeat(32);

function rowOf(record: Readonly<Record<string, unknown>>): KeptRow {
  const text = JSON.stringify(record);
  return { seq: 7, hash: HASH, record: Buffer.from(text), at: '0', kind: 'x', jobId: null, grantId: null };
}

test('a line of ndjson is the record as it was hashed', () => {
  const line = AUDIT_LINES.ndjson.line(rowOf({ at: 1, kind: 'job.accepted' }));
  assert.equal(line, `{"hash":"${HASH}","record":{"at":1,"kind":"job.accepted"},"seq":7}\n`);
});

test('a line of csv is quoted as RFC 4180 says, and no cell of it is a formula', () => {
  const pair = { user: { id: '1', dn: '=HYPERLINK("x")' }, group: { id: '2', dn: '@cn="a, b",dc=x\r\n' } };
  const line = AUDIT_LINES.csv.line(rowOf({ at: 0, kind: '+1', jobId: '-2', pair, facts: { why: 'said "no"' } }));
  assert.equal(
    line,
    `"7","1970-01-01T00:00:00.000Z","'+1","'-2","","1","'=HYPERLINK(""x"")","2","'@cn=""a, b"",dc=x\r\n","{""why"":""said \\""no\\""""}","${HASH}"\r\n`,
  );
  assert.equal(AUDIT_LINES.csv.head.split(',').length, 11);
});

test('a checkpoint is read from a log line, from an event as the control plane has it, and from COUNT:HASH', () => {
  const told = { count: 5, hash: HASH };
  assert.deepEqual(parseCheckpoint(`5:${HASH.toUpperCase()}`), { ...told, ledgerId: null });
  const log = JSON.stringify({ level: 30, event: 'audit.checkpoint', ...told, time: 'x', ledgerId: 'l' });
  assert.deepEqual(checkpointInLine(log), { ...told, ledgerId: 'l' });
  assert.deepEqual(checkpointInLine(`Nov 22 host latchkey[7]: ${log}`), { ...told, ledgerId: 'l' });
  const event = JSON.stringify({ index: 1, ledgerId: 'l', seq: 9, event: { kind: 'audit.checkpoint', ...told, time: 'x' } });
  assert.deepEqual(checkpointInLine(event), { ...told, ledgerId: 'l' });
  const ecs = JSON.stringify({ 'event.action': 'audit.checkpoint', latchkey: { ...told, ledgerId: 'l' }, message: 'm' });
  assert.deepEqual(checkpointInLine(ecs), { ...told, ledgerId: 'l' });
  for (const other of [
    '',
    '{',
    '{"event.action":"audit.checkpoint"}',
    '{"event":"audit.checkpoint"}',
    `{"event":"audit.checkpoint","count":-0.5,"hash":"${HASH}"}`,
    `5:${HASH}0`,
    `x:${HASH}`,
  ])
    assert.equal(checkpointInLine(other), null, other);
});

test('--since is an instant or a span before now', () => {
  assert.deepEqual(parseSince(null, 0), { ok: true, value: null });
  assert.deepEqual(parseSince('1970-01-02T00:00:00Z', 0), { ok: true, value: instant(86_400_000) });
  assert.deepEqual(parseSince('8h', 30_000_000), { ok: true, value: instant(30_000_000 - 28_800_000) });
  for (const bad of ['yesterday', '8', '2026-02-31T00:00:00Z', '-8h']) assert.equal(parseSince(bad, 0).ok, false, bad);
});
