import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { readCommand } from '../../src/cli/read-command.ts';

const kindOf = (...argv: readonly string[]) => readCommand(argv).kind;
const problemOf = (...argv: readonly string[]) => {
  const read = readCommand(argv);
  return read.kind === 'misused' ? read.problem : null;
};

suite('a command line', () => {
  test('without a word runs the connector', () => {
    const read = readCommand([]);
    assert.ok(read.kind === 'command' && read.name === 'run');
  });

  test('names a command of two words before one of one', () => {
    for (const [argv, name] of [
      [['grants'], 'grants'],
      [['grants', '--all'], 'grants'],
      [['grants', 'show', 'g1'], 'grants show'],
      [['clock', 'accept'], 'clock accept'],
    ] as const) {
      const read = readCommand(argv);
      assert.ok(read.kind === 'command', argv.join(' '));
      assert.equal(read.name, name);
    }
  });

  test('gives the flags and words of its command', () => {
    const read = readCommand(['revoke', '--user', 'ada', '--yes']);
    assert.ok(read.kind === 'command');
    const { has, value, words } = read.given;
    assert.deepEqual([value('user'), has('yes'), has('all'), value('group'), words], ['ada', true, false, null, []]);
  });

  test('asks for help anywhere after a command, but of one that reads its own words', () => {
    for (const argv of [['--help'], ['-h'], ['revoke', '--help'], ['revoke', '--user', 'x', '-h'], ['grants', 'show', '--help']])
      assert.equal(kindOf(...argv), 'help', argv.join(' '));
    assert.deepEqual(readCommand(['control-plane', '--help']), { kind: 'itself', name: 'control-plane', argv: ['--help'] });
    assert.equal(kindOf('--version'), 'version');
  });

  test('is told what is wrong with it, with all that the command takes', () => {
    assert.match(problemOf('grants', 'show') ?? '', /^"grants show" takes ID, --json, each once, found ""$/);
    assert.match(problemOf('grants', 'shwo') ?? '', /^"grants" takes --all, --json, each once, found "shwo"$/);
    assert.match(problemOf('clock') ?? '', /^"clock" is followed by "accept", found ""$/);
    assert.match(problemOf('completion', 'tcsh') ?? '', /takes as SHELL one of bash, zsh, fish/);
    assert.match(problemOf('pause', '--yes', '--yes') ?? '', /each once/);
    assert.match(problemOf('revoke', '--user', ' ') ?? '', /^"revoke" needs USER after --user, /);
    assert.match(problemOf('grant') ?? '', /^there is no command "grant"$/);
  });
});
