import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytePairRules, pairs } from '../support/byte-pair-rules.ts';

test('there are 65,536 pairs of bytes, of which 18,304 are UTF-8', () => {
  const all = [...pairs(() => true)];
  assert.equal(all.length, 65_536);
  // Two of ASCII, or one character of two bytes: U+0080 to U+07FF.
  assert.equal(all.filter(({ text }) => text !== null).length, 128 * 128 + 1_920);
});

bytePairRules('every pair of bytes', () => true);
