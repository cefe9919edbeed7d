import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

const SCRIPT = new URL('../../docs/completions/latchkey.bash', import.meta.url).pathname;

/** What bash offers for the last of the words. */
function offered(...words: readonly string[]): readonly string[] {
  const line = ['latchkey', ...words].map((word) => `'${word}'`).join(' ');
  const script = `source '${SCRIPT}'; COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _latchkey; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['--norc', '-c', script], { encoding: 'utf8', cwd: new URL('.', import.meta.url).pathname })
    .split('\n')
    .filter((word) => word !== '');
}

test('bash completes commands, their second words, flags and shells, files where a file is meant, and no value of a person', () => {
  assert.deepEqual(offered('re'), ['revoke', 'resume']);
  assert.deepEqual(offered('clock', ''), ['accept']);
  assert.deepEqual(offered('grants', 's'), ['show']);
  assert.deepEqual(offered('revoke', '--u'), ['--user']);
  assert.deepEqual(offered('revoke', '--all', '--y'), ['--yes']);
  assert.deepEqual(offered('completion', 'f'), ['fish']);
  assert.deepEqual(offered('sync', '--out', 'completion.l'), ['completion.live.ts']);
  assert.deepEqual(offered('revoke', '--user', 'r'), []);
});
