import assert from 'node:assert/strict';
import { readReceivedJob } from '../../../src/protocol/frames.ts';
import { examplesOf, publishedFrames } from './frames.ts';
import { jsonMutant } from './json-mutants.ts';
import { isJob } from './plain-frames.ts';
import type { FuzzTarget } from './target.ts';

const UUID = '0b5e7c1a-7f0d-4f0e-9d57-0a4f3c1d2e3f';
const common = { jobId: 'j1', issuedAt: '2026-01-01T00:00:00.000Z' };
/** Forms that no recorded traffic may have. */
const FORMS: readonly object[] = [
  { ...common, kind: 'grant', grantId: 'g', user: { dn: 'uid=a,dc=b' }, group: { id: UUID }, expiresAt: common.issuedAt },
  {
    ...common,
    kind: 'grant',
    grantId: 'g',
    user: { email: 'a@b.c' },
    group: { dn: 'cn=a,dc=b' },
    durationSeconds: 2_147_483_647,
    requestedBy: 'r',
    justification: 'why',
    notAfter: common.issuedAt,
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
  },
  { ...common, kind: 'grant', grantId: 'g', user: { id: UUID }, group: { name: 'n' }, durationSeconds: 1 },
  { ...common, kind: 'sync', mode: 'delta', acceptRemovals: 's', notAfter: common.issuedAt },
  { ...common, kind: 'list', endedSince: common.issuedAt },
];

/** Jobs as they stand in a frame or in what was signed; read or refused, and the hash says what was asked, in whatever order. */
export function jobs(): FuzzTarget {
  const published = publishedFrames();
  const recorded = examplesOf(({ within, schema }) => within === 'job' && schema !== null);
  const valid = [...recorded.map((text) => JSON.stringify(JSON.parse(text).job)), ...FORMS.map((job) => JSON.stringify(job))];
  return {
    one(random) {
      const text = jsonMutant(valid as [string, ...string[]], random);
      let raw: unknown;
      try {
        raw = JSON.parse(text);
      } catch {
        return 'no JSON';
      }
      const received = readReceivedJob(raw);
      if (!received.ok) return 'refused';
      const asked = raw as Record<string, unknown>;
      assert.match(received.value.hash, /^[0-9a-f]{64}$/);
      if (random() < 0.2) {
        const again = readReceivedJob(turnedRound(raw));
        assert.ok(again.ok && again.value.hash === received.value.hash, text);
      }
      if (!received.value.job.ok) return 'job-refused';
      assert.ok(isJob(asked), text);
      assert.deepEqual(published(`job.${String(asked['kind'])}`, { type: 'job', job: raw }), [], text);
      return received.value.job.value.kind;
    },
    outcomes: ['no JSON', 'refused', 'job-refused', 'grant', 'revoke', 'check', 'list', 'sync'],
  };
}

/** The same with the members of every object in the other order. */
function turnedRound(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(turnedRound);
  // As JSON.parse does it: a member named __proto__ is a member.
  return JSON.parse(
    `{${Object.entries(value)
      .toReversed()
      .map(([name, one]) => `${JSON.stringify(name)}:${JSON.stringify(turnedRound(one))}`)
      .join(',')}}`,
  );
}
