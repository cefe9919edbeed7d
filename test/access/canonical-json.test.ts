import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson, canonicalJsonOfDefined, contentHash } from '../../src/access/canonical-json.ts';
import { anyCharacter } from '../support/any-character.ts';

test('RFC 8785 §3.2.2: the example of the standard', () => {
  const value: unknown = JSON.parse(
    '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
  );
  assert.equal(
    canonicalJson(value),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

test('RFC 8785 §3.2.3: members are sorted by UTF-16 code units', () => {
  const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, '\u0080': 6, '\u00f6': 7 };
  assert.deepEqual(
    [...canonicalJson(value).matchAll(/:(\d)/g)].map(([, n]) => Number(n)),
    [2, 4, 6, 7, 1, 5, 3],
  );
});

test('the same content in another order has the same hash, and it reads back as the same value', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
      assert.equal(contentHash(JSON.parse(text)), contentHash(value));
    }),
  );
});

test('a member called __proto__ is content like any other', () => {
  assert.notEqual(contentHash(JSON.parse('{"__proto__":1}')), contentHash({}));
});

test('what JSON cannot hold has no canonical form', () => {
  for (const value of [Number.POSITIVE_INFINITY, Number.NaN, undefined, () => 1, 1n])
    assert.throws(() => canonicalJson({ value }), TypeError);
});

test('of an object of ours, what is undefined is left out as JSON.stringify leaves it out, at any depth', () => {
  const members = fc.dictionary(fc.string({ unit: anyCharacter }), fc.oneof(fc.constant(undefined), fc.jsonValue()));
  fc.assert(
    fc.property(members, members, (facts, one) => {
      const record = { ...one, facts, list: [facts, one] };
      assert.equal(canonicalJsonOfDefined(record), canonicalJson(JSON.parse(JSON.stringify(record))));
    }),
  );
});

test('a string is written as ECMAScript writes it, whatever is in it', () => {
  const units = fc.array(fc.integer({ min: 0, max: 0xffff })).map((codes) => String.fromCharCode(...codes));
  fc.assert(fc.property(units, (text) => assert.equal(canonicalJson(text), JSON.stringify(text))));
});

test('half a surrogate pair has no hash, as a name and as a value; a whole one has', () => {
  for (const text of ['{"a":"\\ud800"}', '{"a":["x\\udfff"]}', '{"\\ud83d":1}', '{"a":"\\\\\\ud800"}'])
    assert.throws(() => contentHash(JSON.parse(text)), TypeError);
  for (const text of ['{"a":"\\ud83d\\ude00"}', '{"a":"\\\\ud800"}', '{"a":"\\\\\\\\ud800"}'])
    assert.match(contentHash(JSON.parse(text)), /^[0-9a-f]{64}$/);
});
