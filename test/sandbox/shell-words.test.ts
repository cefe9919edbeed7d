import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { shellLine } from '../../src/sandbox/shell-words.ts';

test('a shell reads a line back as the words it was made of', () => {
  const words = ['plain', "O'Brien", '{"a":"b c"}', '(objectClass=*)', '', '$HOME `id` \\ "', 'ひろし', '?a=1&b=2', 'two\nlines'];
  const program = 'process.stdout.write(JSON.stringify([process.argv.slice(1), process.env.SETTING]))';
  const line = shellLine([process.execPath, '-e', program, ...words], { SETTING: 'a "quoted" path' });
  assert.deepEqual(JSON.parse(execFileSync('sh', ['-c', line], { encoding: 'utf8' })), [words, 'a "quoted" path']);
});

test('words that need no quotes have none', () => {
  assert.equal(
    shellLine(['curl', '-s', 'http://127.0.0.1:1/grants'], { A: '/tmp/a' }),
    'A=/tmp/a curl -s http://127.0.0.1:1/grants',
  );
});
