import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { judgeShape } from '../../src/protocol/json-shape.ts';
import { anyCharacter } from '../support/any-character.ts';

const judge = (text: string, limits: { maxDepth?: number; maxValues?: number } = {}) =>
  judgeShape(text, { maxDepth: 32, maxValues: 1000, ...limits });
const problemOf = (text: string) => {
  const shape = judge(text);
  return shape.ok ? null : shape.problem;
};

suite('the shape of a JSON text', () => {
  for (const text of [
    '{"a":1,"a":1}',
    '{"a":1,"b":{"c":[{"x":0,"y":{"x":0},"x":1}]}}',
    '{"a":1,"\\u0061":2}',
    '{"":1,"":2}',
    '{"\\"":1,"\\"":2}',
    '{"\\\\":1,"\\\\":2}',
    '{"__proto__":1,"__proto__":2}',
    '{"a" : {}, "a"\n:\t[]}',
  ])
    test(`a name that stands twice in one object is found: ${text}`, () => assert.match(problemOf(text) ?? '', /are called/));

  for (const text of [
    '{"a":"a","b":"a"}',
    '[{"a":1},{"a":1}]',
    '{"a":{"a":{"a":1}}}',
    '{"a":"\\",\\"a\\":1"}',
    '{"a":["a","a",{"a":"a:"}]}',
    // No JSON, and a name is not read again for each of its colons.
    '{"a"::::1}',
    '{"__proto__":1,"constructor":2,"prototype":3,"hasOwnProperty":4,"toString":5}',
    '"text"',
    '',
  ])
    test(`no name stands twice in ${text || 'nothing'}`, () => assert.equal(problemOf(text), null));

  test('what is written from a value has no problem, and one more member of the same name is one', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: anyCharacter, minLength: 1 }), fc.jsonValue({ maxDepth: 4 })), (value) => {
        const text = JSON.stringify(value);
        assert.equal(problemOf(text), null);
        for (const name of Object.keys(value)) {
          const twice = `${text.slice(0, -1)},${JSON.stringify(name)}:0}`;
          assert.match(problemOf(twice) ?? '', /are called/);
        }
      }),
    );
  });

  test('as many levels and values as are allowed pass, and one more does not', () => {
    const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
    assert.ok(judge(nested(32)).ok);
    assert.equal(judge(nested(33)).ok, false);
    // The array itself counts.
    assert.ok(judge(JSON.stringify(Array.from({ length: 1000 }, () => 0))).ok);
    assert.equal(judge(JSON.stringify(Array.from({ length: 1001 }, () => 0))).ok, false);
  });

  test('names that no comma parts are counted too', () => {
    const names = (count: number) => `{${Array.from({ length: count }, (_, name) => `"${name}":`).join('')}}`;
    assert.ok(judge(names(1000)).ok);
    assert.deepEqual(judge(names(1001)), { ok: false, problem: 'more than 1000 values', readable: false });
  });

  test('no text makes it throw', () => {
    const unit = fc.constantFrom('"', '\\', '{', '}', '[', ']', ',', ':', 'u', 'd', '8', 'é', '\u0000', ' ');
    fc.assert(
      fc.property(fc.string({ unit }), (text) => void judge(text)),
      { numRuns: 5000 },
    );
  });
});
