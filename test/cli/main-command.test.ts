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

test('an option without its value is told what it needs, and which options contradict each other', async (t) => {
  const written: string[] = [];
  t.mock.method(process.stderr, 'write', (text: string) => written.push(text) > 0);
  for (const argv of [
    ['sync', '--accept-removals'],
    ['sync', '--out', '--full'],
    ['sync', '--accept-removals', 'x', '--dry-run'],
  ])
    assert.equal(await main(argv), 64, argv.join(' '));
  const [bare, file, both] = written;
  assert.match(bare ?? '', /^latchkey: "sync" needs the ID that "latchkey check" names after --accept-removals, /);
  assert.match(file ?? '', /^latchkey: "sync" needs FILE after --out, /);
  assert.equal(both, 'latchkey: --accept-removals cannot be combined with --dry-run or --out\n');
});
