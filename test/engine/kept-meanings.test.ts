import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EntryId } from '../../src/access/ids.ts';
import { instant } from '../../src/access/instant.ts';
import { keptMeanings } from '../../src/engine/kept-meanings.ts';
import type { PolicyNote } from '../../src/ledger/ledger.ts';
import { fakeClock } from '../support/fake-clock.ts';

test('what a name meant first is kept, however many groups whoever makes groups gives that name afterwards', async () => {
  const kept: PolicyNote[] = [];
  const clock = fakeClock();
  const time = { now: () => instant(0), trusted: () => true };
  const open = (notes: readonly PolicyNote[]) =>
    keptMeanings({
      notes,
      clock,
      time: time as Parameters<typeof keptMeanings>[0]['time'],
      ledger: { tell: async (told) => void kept.push(...(told.notes ?? [])) },
    });
  const idOf = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}` as EntryId;
  const meanings = open([]);
  meanings.keep([['Admins', [idOf(0)]]]);
  meanings.keep([['admins', Array.from({ length: 500 }, (_, n) => idOf(n))]]);
  const [latest] = kept.slice(-1);
  assert.ok(latest !== undefined);
  const afterRestart = open([latest]).of('admins');
  assert.equal(afterRestart[0], idOf(0));
  assert.equal(afterRestart.length, 200);
});
