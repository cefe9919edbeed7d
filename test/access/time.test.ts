import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { Dn } from '../../src/access/dn.ts';
import { CLOCK_TOLERANCE_MS, grantDeadline, isClockTrusted, isOutdated, trustedNow } from '../../src/access/expiry.ts';
import type { GrantId, JobId } from '../../src/access/ids.ts';
import { earliest, formatInstant, instant, later, parseInstant } from '../../src/access/instant.ts';
import type { GrantJob } from '../../src/access/job.ts';
import { judgeEnd } from '../../src/access/policy.ts';

const anyInstant = fc.integer({ min: 0, max: 253_402_300_799_999 }).map(instant);

suite('instants', () => {
  test('what was written is read back', () => {
    fc.assert(fc.property(anyInstant, (at) => assert.deepEqual(parseInstant(formatInstant(at)), { ok: true, value: at })));
  });
  for (const wrong of [
    '',
    '2026-02-31T00:00:00Z',
    '2026-01-01T00:00:00',
    '2026-01-01T00:00:00+01:00',
    '2026-01-01',
    '20260101T000000Z',
    '1e400',
    '2026-01-01T24:00:00Z',
    '2026-13-01T00:00:00Z',
  ]) {
    test(`"${wrong}" is refused with what is expected`, () => {
      const read = parseInstant(wrong);
      assert.equal(read.ok, false);
      assert.match(read.ok ? '' : read.problem, /RFC 3339/);
    });
  }
  test('digits beyond milliseconds are dropped', () =>
    assert.deepEqual(parseInstant('2026-01-01T00:00:00.123456789Z'), parseInstant('2026-01-01T00:00:00.123Z')));
  test('the earliest leaves out what is not there', () => {
    assert.equal(earliest(undefined, instant(5), instant(3), undefined), 3);
    assert.equal(earliest(undefined), undefined);
  });
});

suite('trusted time', () => {
  test('never runs backwards, whatever the wall clock does', () => {
    fc.assert(
      fc.property(anyInstant, fc.array(fc.record({ wall: anyInstant, elapsedMs: fc.nat(10_000_000) })), (start, steps) => {
        let mark = start;
        for (const { wall, elapsedMs } of steps) {
          const now = trustedNow({ wall, mark, elapsedMs });
          assert.ok(now >= Math.min(mark + elapsedMs, 253_402_300_799_999) && now >= wall);
          mark = now;
        }
      }),
    );
  });
  test('is believed for new grants up to five minutes ahead of the wall clock', () => {
    assert.ok(isClockTrusted({ now: instant(CLOCK_TOLERANCE_MS), wall: instant(0) }));
    assert.ok(!isClockTrusted({ now: instant(CLOCK_TOLERANCE_MS + 1), wall: instant(0) }));
  });
});

suite('deadlines and policy', () => {
  const job = (end: GrantJob['end'], notAfter?: number): GrantJob => ({
    kind: 'grant',
    jobId: 'j' as JobId,
    grantId: 'g' as GrantId,
    issuedAt: instant(0),
    user: { by: 'dn', dn: 'uid=a' as Dn },
    group: { by: 'name', name: 'x' },
    end,
    ...(notAfter === undefined ? {} : { notAfter: instant(notAfter) }),
  });
  test('a grant must be written by the earliest of notAfter, the longest wait and its own end', () => {
    assert.equal(grantDeadline(job({ kind: 'after', durationMs: 1 }), instant(100), 50), 150);
    assert.equal(grantDeadline(job({ kind: 'at', expiresAt: instant(120) }), instant(100), 50), 120);
    assert.equal(grantDeadline(job({ kind: 'at', expiresAt: instant(120) }, 110), instant(100), 50), 110);
  });
  test('a job is outdated once the retention has passed since it was issued', () => {
    assert.equal(isOutdated(instant(0), instant(10), 10), false);
    assert.equal(isOutdated(instant(0), instant(11), 10), true);
  });
  test('a membership is never kept longer than the longest grant from its first activation, and a refusal names the latest end', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.nat(1_000_000), fc.nat(1_000_000), (heldSince, expiresAt, maxGrantMs) => {
        const verdict = judgeEnd({ heldSince: instant(heldSince), expiresAt: instant(expiresAt), maxGrantMs });
        assert.equal(verdict.allowed, expiresAt - heldSince <= maxGrantMs);
        if (!verdict.allowed) assert.equal(verdict.latestEnd, later(instant(heldSince), maxGrantMs));
      }),
    );
  });
});
