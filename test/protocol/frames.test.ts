import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { readFrameFromConnector, readFrameFromControlPlane } from '../../src/protocol/frames.ts';

const grant = {
  jobId: 'j1',
  kind: 'grant',
  issuedAt: '2026-01-01T00:00:00.000Z',
  grantId: 'g1',
  user: { email: 'ann@example.test' },
  group: { name: 'ops' },
  durationSeconds: 60,
};
const read = (frame: unknown) => readFrameFromControlPlane(JSON.stringify(frame));

function problemOf(job: Record<string, unknown>): string {
  const frame = read({ type: 'job', job });
  assert.ok(frame.ok && frame.frame.type === 'job');
  return frame.frame.received.job.ok ? '' : frame.frame.received.job.problem;
}

suite('job frames', () => {
  test('a grant is read into its parts', () => {
    const frame = read({ type: 'job', job: grant });
    assert.ok(frame.ok && frame.frame.type === 'job' && frame.frame.received.job.ok);
    assert.deepEqual(frame.frame.received.job.value, {
      kind: 'grant',
      jobId: 'j1',
      issuedAt: Date.parse(grant.issuedAt),
      grantId: 'g1',
      user: { by: 'email', email: 'ann@example.test' },
      group: { by: 'name', name: 'ops' },
      end: { kind: 'after', durationMs: 60_000 },
    });
  });
  test('a sync is read into its parts', () => {
    const frame = read({
      type: 'job',
      job: { jobId: 'j1', kind: 'sync', issuedAt: grant.issuedAt, mode: 'full', acceptRemovals: 's-1', notAfter: grant.issuedAt },
    });
    assert.ok(frame.ok && frame.frame.type === 'job' && frame.frame.received.job.ok);
    const at = Date.parse(grant.issuedAt);
    const job = { kind: 'sync', jobId: 'j1', issuedAt: at, mode: 'full', acceptRemovals: 's-1', notAfter: at };
    assert.deepEqual(frame.frame.received.job.value, job);
  });
  test('fields nobody knows are dropped, and still count for the content hash', () => {
    const one = read({ type: 'job', job: { ...grant, later: 1 } });
    const other = read({ type: 'job', job: grant });
    assert.ok(one.ok && other.ok && one.frame.type === 'job' && other.frame.type === 'job');
    assert.deepEqual(one.frame.received.job, other.frame.received.job);
    assert.notEqual(one.frame.received.hash, other.frame.received.hash);
  });

  const wrong: [string, Record<string, unknown>, RegExp][] = [
    ['both ends', { ...grant, expiresAt: '2026-01-02T00:00:00Z' }, /exactly one of expiresAt, durationSeconds/],
    ['no end', { ...grant, durationSeconds: undefined }, /exactly one of expiresAt, durationSeconds/],
    [
      'two ways to name the user',
      { ...grant, user: { email: 'a@b.c', username: 'a' } },
      /user: expected exactly one of dn, id, email, username/,
    ],
    ['no way to name the group', { ...grant, group: {} }, /group: expected exactly one of dn, id, name/],
    ['a duration of zero', { ...grant, durationSeconds: 0 }, /durationSeconds/],
    ['a duration beyond 2^31-1', { ...grant, durationSeconds: 2 ** 31 }, /durationSeconds/],
    ['a duration that is not whole', { ...grant, durationSeconds: 1.5 }, /durationSeconds/],
    ['a name that is no DN', { ...grant, user: { dn: 'nonsense' } }, /user\.dn: expected attribute=value/],
    ['an id in upper case', { ...grant, user: { id: 'E37BFB1E-7A61-1041-86C6-6B1A40B21E46' } }, /user\.id/],
    ['an unknown kind', { ...grant, kind: 'destroy' }, /kind/],
    ['a sync of another mode', { ...grant, kind: 'sync', mode: 'half' }, /mode/],
    ['a sync that accepts what is no id', { ...grant, kind: 'sync', mode: 'full', acceptRemovals: 'a b' }, /acceptRemovals/],
    ['a time without a zone', { ...grant, issuedAt: '2026-01-01T00:00:00' }, /issuedAt: expected an RFC 3339/],
    ['an illegible grantId', { ...grant, grantId: 'a b' }, /grantId/],
    ['a traceparent that is none', { ...grant, traceparent: 'x' }, /traceparent/],
  ];
  for (const [title, job, problem] of wrong)
    test(`${title}: the job is invalid and says so`, () => assert.match(problemOf(job), problem));

  test('a number that overflows to infinity is no duration', () => {
    const frame = readFrameFromControlPlane(JSON.stringify({ type: 'job', job: grant }).replace('60', '1e400'));
    assert.ok(!frame.ok || (frame.frame.type === 'job' && !frame.frame.received.job.ok));
  });
  test('a job whose id is not legible is refused as a frame', () => {
    for (const jobId of [undefined, 1, '', 'a b', 'x'.repeat(129), null])
      assert.equal(read({ type: 'job', job: { ...grant, jobId } }).ok, false);
  });
  test('a signed job is handed on as it is, to be verified, and one that is too long is refused', () => {
    assert.deepEqual(read({ type: 'job', jws: 'a.b.c' }), { ok: true, frame: { type: 'signed_job', jws: 'a.b.c' } });
    for (const jws of ['', 1, null, ['a.b.c'], 'x'.repeat(131_073)])
      assert.equal(read({ type: 'job', jws }).ok, false, String(jws).slice(0, 10));
    assert.equal(read({ type: 'job', jws: 'a.b.c', job: grant }).ok, false);
  });
  test('the order of members does not change the content hash', () => {
    const one = read({ type: 'job', job: grant });
    const other = read({ type: 'job', job: Object.fromEntries(Object.entries(grant).toReversed()) });
    assert.ok(one.ok && other.ok && one.frame.type === 'job' && other.frame.type === 'job');
    assert.equal(one.frame.received.hash, other.frame.received.hash);
  });
});

suite('frames that are refused', () => {
  for (const text of [
    '',
    '{',
    'null',
    '[]',
    '"x"',
    '1',
    '{}',
    '{"type":1}',
    '{"type":"job"}',
    '{"type":"welcome"}',
    '{"type":"ack","seq":0}',
    '{"type":"ack","seq":1.5}',
    '{"type":"ack","seq":9007199254740993}',
    '{"type":"sync.ack","syncId":"x"}',
    '{"type":"sync.ack","syncId":"x","page":1,"end":true}',
    '{"type":"sync.ack","syncId":"x","page":0}',
    '{"type":"sync.ack","syncId":"x","end":false}',
    '{"type":"sync.ack","syncId":"x y","page":1}',
    '{"__proto__":{"type":"ack"}}',
  ]) {
    test(text || 'nothing', () => {
      const frame = readFrameFromControlPlane(text);
      assert.equal(frame.ok, false);
      assert.equal(frame.ok ? '' : frame.refused.code, 'invalid_frame');
      assert.match(frame.ok ? '' : frame.refused.ref, /^[0-9a-f]{64}$/);
    });
  }
  test('nothing that a peer sends makes the reader throw', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((json) => `{"type":"job","job":${json}}`),
        ),
        (text) => {
          readFrameFromControlPlane(text);
          readFrameFromConnector(text);
        },
      ),
      { numRuns: 500 },
    );
  });
  test('a hundred thousand levels are refused without a crash', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    assert.equal(readFrameFromControlPlane(deep).ok, false);
    assert.equal(readFrameFromControlPlane(`{"type":"job","job":{"jobId":"a","x":${deep}}}`).ok, false);
  });
});
