import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuditRecord } from '../../src/access/audit.ts';
import { grantStory } from '../../src/access/grant-story.ts';
import { formatInstant } from '../../src/access/instant.ts';
import { type EngineUnderTest, MINUTE_MS, settled, startedEngine } from '../support/engine-under-test.ts';

async function storyOf(rig: EngineUnderTest): Promise<readonly string[]> {
  const { grantId } = rig.ledger.auditRecords().find(({ kind }) => kind === 'grant.pending') ?? {};
  assert.ok(grantId !== undefined);
  return grantStory(await rig.ledger.auditOf({ grantId, after: 0, limit: 100 })).map(({ text }) => text);
}

test('the story of a grant says who asked and why, what was found and done, on which server, and how it ended', async () => {
  const { rig } = await startedEngine();
  await rig.submit({
    jobId: 'j1',
    kind: 'grant',
    grantId: 'g1',
    issuedAt: formatInstant(rig.now()),
    user: { username: 'ada' },
    group: { name: 'admins' },
    durationSeconds: 60,
    justification: 'incident 4711',
    requestedBy: 'boss@example.com',
  });
  await settled();
  await rig.pass(MINUTE_MS + 1000);
  const story = await storyOf(rig);
  for (const [i, pattern] of [
    /^asked for by boss@example\.com in job \S+: .* in .*, for 60 s: incident 4711$/,
    /^taken: the user is to be in the group for 60 s, written by 20\S+Z at the latest$/,
    /^found the user ".*" \(\S+\) and the group ".*" \(\S+\)$/,
    /^a look found no such member; about to add ".*" to its member \(on fake 1\)$/,
    /^a probe showed ".*" in ".*"; until 20\S+Z \(probe: member on fake 1\)$/,
    /^job \S+ succeeded: granted$/,
    /^it is to end: expired, due since 20\S+Z$/,
    /^a look found the user in the group; about to delete ".*" from its member \(on fake 1\)$/,
    /^it ended \(expired\): the user was taken out of the group, and a probe showed it \(probe on fake 1\)$/,
  ].entries())
    assert.match(story[i] ?? '', pattern);
  assert.equal(story.length, 9);
});

test('the story of a refused grant says why', async () => {
  const { rig } = await startedEngine({ maxGrantMs: 1000 });
  await rig.grant({ seconds: 3600 });
  assert.ok((await storyOf(rig)).some((line) => /^it came to nothing: policy_denied: \S/.test(line)));
});

test('a record without its facts still has a sentence', () => {
  const kinds = ['job.refused', 'grant.updated', 'grant.drifted', 'intent.closed', 'operator.command', 'audit.pruned'] as const;
  const records = kinds.map((kind, i) => ({ seq: i, record: { kind, at: 0, facts: {} } as unknown as AuditRecord }));
  for (const { text } of grantStory(records)) assert.match(text, /^[a-z].+[^ :(]$/);
});
