import assert from 'node:assert/strict';
import { test } from 'node:test';
import { progress } from '../../src/cli/progress.ts';

function shownOn(isTTY: boolean): { readonly written: string[]; readonly shown: ReturnType<typeof progress> } {
  const written: string[] = [];
  return { written, shown: progress({ isTTY, write: (text) => written.push(text) }) };
}

test('how far a sync is stands on one line of a terminal, and is taken away at the end', () => {
  const { written, shown } = shownOn(true);
  shown.records(5);
  shown.records(1_000);
  shown.records(1_001);
  shown.end();
  shown.end();
  assert.deepEqual(written, [
    `\r\x1b[K[${'#'.repeat(15)}${'.'.repeat(15)}] 5 records`,
    `\r\x1b[K[${'#'.repeat(30)}] 1000 records`,
    `\r\x1b[K[${'#'.repeat(3)}${'.'.repeat(27)}] 1001 records`,
    '\r\x1b[K',
  ]);
});

test('nothing is written where nobody looks at it', () => {
  const { written, shown } = shownOn(false);
  shown.records(5);
  shown.end();
  assert.deepEqual(written, []);
});
