import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readFrameFromConnector, readFrameFromControlPlane } from '../../src/protocol/frames.ts';
import { atScale } from '../support/scale.ts';

const ISSUED = '2026-01-01T00:00:00.000Z';
const common = { jobId: 'j1', issuedAt: ISSUED };
const VALID: readonly object[] = [
  { type: 'welcome', sessionId: 's', time: ISSUED, heartbeatSeconds: 15, ackedSeq: 3 },
  { type: 'ack', seq: 7 },
  { type: 'error', code: 'invalid_frame', message: 'm', ref: 'r' },
  {
    type: 'job',
    job: { ...common, kind: 'grant', grantId: 'g', user: { username: 'u' }, group: { name: 'n' }, durationSeconds: 9 },
  },
  {
    type: 'job',
    job: { ...common, kind: 'grant', grantId: 'g', user: { dn: 'uid=a,dc=b' }, group: { dn: 'cn=a,dc=b' }, expiresAt: ISSUED },
  },
  { type: 'job', job: { ...common, kind: 'revoke', grantId: 'g', reason: 'r' } },
  { type: 'job', job: { ...common, kind: 'check', notAfter: ISSUED } },
  { type: 'job', job: { ...common, kind: 'list', endedSince: ISSUED } },
  { type: 'job', job: { ...common, kind: 'sync', mode: 'delta', acceptRemovals: 's', notAfter: ISSUED } },
  { type: 'sync.ack', syncId: 's', page: 3 },
  { type: 'sync.ack', syncId: 's', end: true },
];

/** Texts that stand where a value stood, as they are: some are no JSON value, or none that survives a parser. */
const SPLICES = fc.oneof(
  fc.constantFrom(
    'null',
    'true',
    '0',
    '-0',
    '1.5',
    '1e400',
    '-1e400',
    '9007199254740993',
    'NaN',
    '[]',
    '{}',
    '""',
    '"\\u0000"',
    '"\\ud800"',
    '{"__proto__":{}}',
    '{"toString":1}',
    '"__proto__"',
    '"constructor"',
    '"*"',
    '")(uid=*"',
    `"${'x'.repeat(5000)}"`,
    '[[[[]]]]',
    '{"username":"u","dn":"uid=a"}',
    '"2026-02-30T00:00:00Z"',
    '"grant"',
    '"revoke"',
    `${'['.repeat(40)}${']'.repeat(40)}`,
  ),
  fc.json({ maxDepth: 3 }),
);

/** A valid frame in which values were exchanged, and members doubled, dropped or added. */
const MUTANTS = fc
  .record({
    frame: fc.constantFrom(...VALID),
    turns: fc.array(
      fc.record({ at: fc.nat(), act: fc.constantFrom('exchange', 'double', 'drop', 'add', 'cut'), splice: SPLICES }),
      {
        maxLength: 4,
      },
    ),
  })
  .map(({ frame, turns }) => turns.reduce((text, turn) => mutate(text, turn), JSON.stringify(frame)));

function mutate(text: string, { at, act, splice }: { at: number; act: string; splice: string }): string {
  const members = [...text.matchAll(/"[A-Za-z]+":("(?:[^"\\]|\\.)*"|-?[0-9.e+]+)/g)];
  const member = members[at % Math.max(members.length, 1)];
  if (member === undefined) return text;
  const [whole, value] = member;
  const from = member.index;
  const name = whole.slice(0, whole.length - (value?.length ?? 0));
  const replaced: Record<string, string> = {
    exchange: `${name}${splice}`,
    double: `${whole},${name}${splice}`,
    drop: '"dropped":0',
    add: `${whole},"__proto__":${splice}`,
    cut: '',
  };
  return text.slice(0, from) + (replaced[act] ?? '') + text.slice(from + whole.length);
}

const isText = (value: unknown, min: number, max: number) =>
  typeof value === 'string' && value.length >= min && value.length <= max;
const isId = (value: unknown) => typeof value === 'string' && /^[A-Za-z0-9._:-]{1,128}$/.test(value);
const isWhole = (value: unknown, min: number, max = Number.MAX_SAFE_INTEGER) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max;
const isTime = (value: unknown) =>
  typeof value === 'string' && value.length <= 40 && !Number.isNaN(Date.parse(value.toUpperCase()));
const optional = (value: unknown, holds: (value: unknown) => boolean) => value === undefined || holds(value);
const exactlyOne = (value: unknown, names: readonly string[]) =>
  typeof value === 'object' &&
  value !== null &&
  names.filter((name) => Object.hasOwn(value, name)).length === 1 &&
  // The empty text is a name, that of the root (RFC 4514 §2), which no scope holds.
  names.every((name) => optional((value as Record<string, unknown>)[name], (one) => isText(one, name === 'dn' ? 0 : 1, 8192)));

/** What PROTOCOL says of a frame to the connector, in plain code that knows nothing of the schemas. */
function isFrame(frame: Record<string, unknown>): boolean {
  switch (frame['type']) {
    case 'welcome':
      return (
        isText(frame['sessionId'], 1, 256) &&
        isTime(frame['time']) &&
        optional(frame['heartbeatSeconds'], (one) => isWhole(one, 5, 60)) &&
        optional(frame['ackedSeq'], (one) => isWhole(one, 0))
      );
    case 'ack':
      return isWhole(frame['seq'], 1);
    case 'sync.ack':
      return (
        isId(frame['syncId']) &&
        (frame['end'] === undefined) !== (frame['page'] === undefined) &&
        optional(frame['page'], (one) => isWhole(one, 1)) &&
        optional(frame['end'], (one) => one === true)
      );
    case 'error':
      return (
        isText(frame['code'], 1, 256) &&
        isText(frame['message'], 0, 16_384) &&
        optional(frame['ref'], (one) => isText(one, 0, 256))
      );
    case 'job':
      if (frame['jws'] !== undefined) return frame['job'] === undefined && isText(frame['jws'], 1, 131_072);
      return isId((frame['job'] as Record<string, unknown>)['jobId']);
    default:
      return false;
  }
}

function isJob(job: Record<string, unknown>): boolean {
  if (!isId(job['jobId']) || !isTime(job['issuedAt'])) return false;
  switch (job['kind']) {
    case 'grant':
      return (
        isId(job['grantId']) &&
        exactlyOne(job['user'], ['dn', 'id', 'email', 'username']) &&
        exactlyOne(job['group'], ['dn', 'id', 'name']) &&
        isTime(job['expiresAt']) !== isWhole(job['durationSeconds'], 1, 2 ** 31 - 1) &&
        optional(job['notAfter'], isTime)
      );
    case 'revoke':
      return isId(job['grantId']) && optional(job['reason'], (one) => isText(one, 0, 4096));
    case 'sync':
      return (
        ['full', 'delta'].includes(String(job['mode'])) &&
        optional(job['acceptRemovals'], isId) &&
        optional(job['notAfter'], isTime)
      );
    case 'check':
    case 'list':
      return optional(job['notAfter'], isTime) && optional(job['endedSince'], isTime);
    default:
      return false;
  }
}

test('whatever of a mutated frame is accepted is a frame by an independent reading, and nothing throws', (t) => {
  const counts = { accepted: 0, jobs: 0, refused: 0 };
  const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 2 ** 31);
  fc.assert(
    fc.property(MUTANTS, (text) => {
      readFrameFromConnector(text);
      const read = readFrameFromControlPlane(text);
      assert.equal(Object.hasOwn(Object.prototype, 'kind'), false);
      if (!read.ok) {
        counts.refused += 1;
        return;
      }
      counts.accepted += 1;
      const raw = JSON.parse(text) as Record<string, unknown>;
      assert.ok(isFrame(raw), text);
      if (read.frame.type !== 'job' || !read.frame.received.job.ok) return;
      counts.jobs += 1;
      assert.ok(isJob(raw['job'] as Record<string, unknown>), text);
      assert.equal(read.frame.received.job.value.jobId, (raw['job'] as Record<string, unknown>)['jobId']);
    }),
    { numRuns: atScale({ sample: 20_000, full: 1_000_000 }), seed },
  );
  assert.ok(counts.accepted > 0 && counts.jobs > 0 && counts.refused > 0);
  t.diagnostic(`seed ${seed}: ${counts.refused} refused, ${counts.accepted} accepted, ${counts.jobs} of them jobs`);
});
