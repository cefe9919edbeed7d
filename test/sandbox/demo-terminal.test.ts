import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { demoTerminal } from '../../src/sandbox/demo-terminal.ts';

function written(output: { isTTY?: boolean }, env: NodeJS.ProcessEnv): string {
  const texts: string[] = [];
  const times = [1_000, 3_540, 12_340];
  const now = () => times.shift() ?? 0;
  const terminal = demoTerminal({ output: { ...output, write: (text) => texts.push(text) }, env, now });
  terminal.say('as it is');
  terminal.seen('one');
  terminal.missed('two');
  return texts.join('');
}

test('steps have plain marks where the output is no terminal, and the time since the start', () => {
  assert.equal(written({}, {}), 'as it is\n  2.5 s  ok    one\n 11.3 s  FAIL  two\n');
});

test('steps have ✓ and ✗ in colour on a terminal', () => {
  const text = written({ isTTY: true }, {});
  assert.equal(stripVTControlCharacters(text), 'as it is\n  2.5 s  ✓  one\n 11.3 s  ✗  two\n');
  assert.notEqual(stripVTControlCharacters(text), text);
});

test('NO_COLOR makes a terminal plain, unless it is empty', () => {
  assert.equal(written({ isTTY: true }, { NO_COLOR: '1' }), written({}, {}));
  assert.equal(written({ isTTY: true }, { NO_COLOR: '' }), written({ isTTY: true }, {}));
});
