import assert from 'node:assert/strict';
import { test } from 'node:test';
import { main } from '../../src/cli/main-command.ts';

test('arguments that a command does not have are told, and nothing is done', async (t) => {
  const written: string[] = [];
  t.mock.method(process.stderr, 'write', (text: string) => written.push(text) > 0);
  for (const argv of [
    ['check', '--login'],
    ['check', '--login', ''],
    ['check', '--login', 'a', '--login', 'b'],
    ['check', '--password', 'x'],
    ['check', 'grace'],
    ['acl', '--json'],
    ['run', 'now'],
    ['nonsense'],
  ])
    assert.equal(await main(argv), 64, argv.join(' '));
  assert.equal(written.length, 8);
  for (const text of written) assert.match(text, /^latchkey: [^\n]+\n\n(?:latchkey — |usage: latchkey )/);
});
