import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { instant } from '../../src/access/instant.ts';
import { judgeRate, type Rate } from '../../src/access/rate.ts';

/** Asks at each of these times; which were let through. */
function letThrough(rate: Rate, times: readonly number[]): readonly number[] {
  let fullAtMs = 0;
  return times.filter((ms) => {
    const verdict = judgeRate(rate, { fullAtMs, at: instant(ms) });
    if (verdict.allowed) fullAtMs = verdict.fullAtMs;
    return verdict.allowed;
  });
}

const NOW = 1_800_000_000_000;
const rate = fc.record({ grants: fc.integer({ min: 1, max: 40 }), perMs: fc.integer({ min: 1000, max: 600_000 }) });
const times = fc
  .array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 80 })
  .map((gaps) => gaps.reduce<number[]>((all, gap) => [...all, (all.at(-1) ?? NOW) + gap], []));

test('a full bucket lets all it holds through at once, and no more than comes back after that', () => {
  const tenAnHour = { grants: 10, perMs: 3_600_000 };
  assert.equal(
    letThrough(
      tenAnHour,
      Array.from({ length: 50 }, () => NOW),
    ).length,
    10,
  );
  assert.equal(
    letThrough(
      { grants: 7, perMs: 60_000 },
      Array.from({ length: 50 }, () => NOW),
    ).length,
    7,
  );
});

test('within any span no more is let through than the bucket holds and what comes back in it', () => {
  fc.assert(
    fc.property(rate, times, (given, asked) => {
      const through = letThrough(given, asked);
      for (const [i, from] of through.entries())
        for (const [j, to] of through.entries()) {
          if (j < i) continue;
          const comesBack = ((to - from + 1) * given.grants) / given.perMs;
          assert.ok(j - i + 1 <= given.grants + comesBack, `${j - i + 1} within ${to - from} ms`);
        }
    }),
  );
});

test('what is refused says when the next may be: then it may, and not a moment before', () => {
  fc.assert(
    fc.property(rate, (given) => {
      let fullAtMs = 0;
      for (let i = 0; i < given.grants; i += 1) {
        const verdict = judgeRate(given, { fullAtMs, at: instant(NOW) });
        assert.ok(verdict.allowed);
        ({ fullAtMs } = verdict);
      }
      const refused = judgeRate(given, { fullAtMs, at: instant(NOW) });
      assert.ok(!refused.allowed && refused.freeAt > NOW);
      assert.ok(judgeRate(given, { fullAtMs: refused.fullAtMs, at: refused.freeAt }).allowed);
      assert.ok(!judgeRate(given, { fullAtMs: refused.fullAtMs, at: instant(refused.freeAt - 1) }).allowed);
    }),
  );
});

test('a clock that was set back leaves the bucket empty, and it fills again within its span', () => {
  const given = { grants: 2, perMs: 60_000 };
  const year = 365 * 86_400_000;
  const refused = judgeRate(given, { fullAtMs: NOW + year, at: instant(NOW) });
  assert.ok(!refused.allowed && refused.freeAt === NOW + 30_000);
  assert.ok(judgeRate(given, { fullAtMs: refused.fullAtMs, at: refused.freeAt }).allowed);
});
