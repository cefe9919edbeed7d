import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { BUGS } from './bugs.ts';
import { planted } from './planted-bug.ts';

const ROOT = join(import.meta.dirname, '../..');

test('at least 40 faults can be planted', () => {
  assert.ok(BUGS.length >= 40, `${BUGS.length}`);
  assert.equal(new Set(BUGS.map(({ fault }) => fault)).size, BUGS.length, 'two have the same description');
});

for (const bug of BUGS) {
  test(`can be planted: ${bug.fault}`, () => {
    const sound = readFileSync(join(ROOT, bug.file), 'utf8');
    const faulty = planted(sound, bug);
    assert.notEqual(faulty, sound);
    // One that is no program would be caught by every test.
    stripTypeScriptTypes(faulty);
    for (const file of bug.tests) assert.ok(existsSync(join(ROOT, 'test', file)), file);
  });
}
