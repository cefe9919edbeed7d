import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { commandDocs } from '../../scripts/command-docs.ts';
import { COMMANDS, type CommandSpec } from '../../src/cli/commands.ts';
import { completionOf, SHELLS } from '../../src/cli/completion.ts';
import { commandHelp, programHelp } from '../../src/cli/help.ts';
import { readCommand } from '../../src/cli/read-command.ts';

const ALL: readonly CommandSpec[] = COMMANDS;

test('man page, completions and the table in the README are what the table of commands says: else run scripts/write-command-docs.ts', () => {
  const docs = commandDocs();
  assert.equal(docs.size, 5);
  for (const [path, text] of docs) assert.equal(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'), text, path);
});

test('every command, flag and word is in help, man page, README and each completion', () => {
  const docs = commandDocs();
  const man = (docs.get('docs/latchkey.1') ?? '').replaceAll('\\-', '-');
  const texts = [man, docs.get('README.md') ?? ''];
  for (const spec of ALL) {
    assert.ok(programHelp(ALL).includes(`latchkey ${spec.name}`));
    const help = commandHelp(spec);
    for (const { name } of spec.options) {
      for (const text of [help, ...texts, completionOf('bash'), completionOf('zsh')])
        assert.ok(text.includes(`--${name}`), `${spec.name} --${name}`);
      assert.ok(completionOf('fish').includes(`-l ${name}`), name);
    }
    for (const { name, among = [] } of spec.arguments) {
      for (const text of [help, ...texts]) assert.ok(text.includes(name));
      for (const shell of SHELLS) for (const word of among) assert.ok(completionOf(shell).includes(word), word);
    }
  }
});

test('every command has an example, which is a command line of it, and stands in its help and in the man page', () => {
  const man = (commandDocs().get('docs/latchkey.1') ?? '').replaceAll('\\-', '-');
  for (const spec of ALL) {
    assert.ok(spec.examples.length > 0, spec.name);
    for (const [typed] of spec.examples) {
      const words = [...typed.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
      const read = readCommand(words);
      assert.ok('name' in read && read.name === spec.name, typed);
      for (const text of [commandHelp(spec), man]) assert.ok(text.includes(`latchkey ${typed}`), typed);
    }
  }
});

test('what changes something can be told not to ask', () => {
  for (const name of ['revoke', 'adopt', 'pause', 'resume', 'clock accept'])
    assert.ok(
      ALL.find((spec) => spec.name === name)?.options.some((option) => option.name === 'yes'),
      name,
    );
});

test('no line of help is longer than a terminal of 100 columns', () => {
  for (const text of [programHelp(ALL), ...ALL.map(commandHelp)])
    for (const line of text.split('\n')) assert.ok(line.length <= 104, `${line.length}: ${line}`);
});
