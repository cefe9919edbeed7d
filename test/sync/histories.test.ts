import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { atScale } from '../support/scale.ts';
import { seedOf } from '../support/seeded.ts';
import { syncUnderTest } from '../support/sync-under-test.ts';
import { assertKnown, expectedPicture, treeHistory, treeSteps } from '../support/synced-history.ts';
import { syncedTree, type TreeKind } from '../support/synced-tree.ts';

const RUNS = { numRuns: atScale({ sample: 25, full: 2_000 }), seed: seedOf(5) };

const KINDS: readonly TreeKind[] = [
  { told: 'changes', links: false },
  { told: 'changes', links: true },
  { told: 'present', links: false },
  { told: 'all', links: false },
  { told: 'full_needed', links: true },
];

const turn = fc.record({
  steps: treeSteps,
  mode: fc.constantFrom('delta' as const, 'delta' as const, 'delta' as const, 'full' as const),
  loss: fc.oneof(
    { weight: 4, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constantFrom(1, 2, 'before_end' as const, 'after_end' as const) },
  ),
});

for (const kind of KINDS)
  test(`after any history a control plane knows the directory as it is (${kind.told}${kind.links ? ', links' : ''})`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(turn, { minLength: 1, maxLength: 6 }), async (history) => {
        const tree = syncedTree(kind);
        const { grants, take } = treeHistory(tree);
        await using sync = await syncUnderTest({ reader: tree.reader, grants: () => grants });
        for (const { steps, mode, loss } of history) {
          take(steps);
          const before = sync.receiver.picture();
          if (loss !== null) sync.receiver.loseNext(loss);
          const result = await sync.run({ mode, acceptRemovals: null });
          const isLost = result.kind === 'unlinked';
          assert.equal(result.kind, isLost ? 'unlinked' : 'published');
          if (isLost && loss !== 'after_end') {
            assert.equal(sync.receiver.picture(), before);
            continue;
          }
          const expected = expectedPicture(tree, grants);
          assertKnown(sync.receiver.picture(), expected);
          // Where values are links, one to an entry out of scope goes with it, and no change tells: a full read counts anew.
          const counted = sync.receiver.counts();
          const isLagging = kind.links && kind.told === 'changes';
          assert.deepEqual(
            isLagging ? { ...counted, membersOutOfScope: expected.counts.membersOutOfScope } : counted,
            expected.counts,
          );
        }
      }),
      RUNS,
    );
  });
