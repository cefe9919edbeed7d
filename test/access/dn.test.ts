import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import {
  type AttributeTypeAndValue,
  type Dn,
  escapeDnValue,
  foldDn,
  formatDn,
  isBeneath,
  leafRdn,
  parentDn,
  parseDn,
  parseRdns,
  type Rdn,
  sameDn,
} from '../../src/access/dn.ts';
import { anyCharacter } from '../support/any-character.ts';

const type = fc.oneof(fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,8}$/), fc.stringMatching(/^[0-2](\.[1-9][0-9]{0,2}){1,4}$/));
// Every character of the Unicode standard, and more often those that need care.
const text = fc.string({
  unit: fc.oneof(fc.constantFrom(...' #+,;<=>"\\\0\n\t%*()'.split('')), anyCharacter),
});
const value: fc.Arbitrary<AttributeTypeAndValue['value']> = fc.oneof(
  { weight: 9, arbitrary: text },
  fc.uint8Array({ minLength: 1, maxLength: 8 }),
);
const rdn: fc.Arbitrary<Rdn> = fc.array(fc.record({ type, value }, { noNullPrototype: true }), { minLength: 1, maxLength: 3 });
const rdns = fc.array(rdn, { minLength: 1, maxLength: 5 });

suite('distinguished names', () => {
  test('what is written is read back as it was', () => {
    fc.assert(
      fc.property(rdns, (parts) => {
        assert.deepEqual(parseRdns(formatDn(parts)), { ok: true, value: parts });
      }),
    );
  });

  test('every byte, and every pair of special characters, survives in a value', () => {
    const specials = [' ', '#', '+', ',', ';', '<', '=', '>', '"', '\\', '\0', 'a', 'é', '\n'];
    const values = [
      ...Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)),
      ...specials.flatMap((one) => specials.flatMap((two) => [one + two, one + two + one, `x${one}${two}`, `${one}${two}x`])),
    ];
    for (const one of values) {
      assert.deepEqual(parseRdns(`cn=${escapeDnValue(one)},dc=test`), {
        ok: true,
        value: [[{ type: 'cn', value: one }], [{ type: 'dc', value: 'test' }]],
      });
    }
  });

  test('every escaped byte pair reads as the bytes, where they are UTF-8', () => {
    for (let byte = 0; byte < 0x80; byte += 1) {
      const hex = byte.toString(16).padStart(2, '0');
      assert.deepEqual(parseRdns(`cn=\\${hex}`), { ok: true, value: [[{ type: 'cn', value: String.fromCharCode(byte) }]] });
    }
    assert.equal(parseRdns('cn=\\c3\\A9').ok, true);
    for (const bad of ['cn=\\c3', 'cn=\\ff', 'cn=\\c0\\80', 'cn=\\ed\\a0\\80', 'cn=\ud800', 'cn=a\\'])
      assert.equal(parseRdns(bad).ok, false, bad);
  });

  test('a question mark is read escaped, as Samba writes it, and never written so', () => {
    assert.deepEqual(parseRdns('CN=a\\?b\\?,DC=test'), {
      ok: true,
      value: [[{ type: 'CN', value: 'a?b?' }], [{ type: 'DC', value: 'test' }]],
    });
    assert.equal(escapeDnValue('a?'), 'a?');
  });

  test('the number of names in a name is that of its separators that are not escaped', () => {
    for (const [name, count] of [
      ['', 0],
      ['cn=a', 1],
      ['cn=a,dc=b', 2],
      ['cn=a\\,dc=b', 1],
      ['cn=a\\\\,dc=b', 2],
      ['cn=a+sn=b,dc=c', 2],
      ['cn=a;dc=b', 2],
      ['cn=a\\2Cdc\\3Db', 1],
      ['cn=#04026869,dc=b', 2],
    ] as const) {
      const parsed = parseRdns(name);
      assert.equal(parsed.ok ? parsed.value.length : -1, count, name);
    }
  });

  test('what is no name is refused with what was found', () => {
    for (const bad of [
      'x',
      '=a',
      'cn',
      'cn=a,',
      ',cn=a',
      'cn=a,,dc=b',
      'cn=a+',
      '1cn=a',
      'c n=a',
      'cn=#',
      'cn=#0',
      'cn=#zz',
      'cn="a"',
      'cn=<a>',
      'cn=a\0',
      '\\63n=a',
      'cn=\\zz',
      'é=a',
    ]) {
      const parsed = parseDn(bad);
      assert.equal(parsed.ok, false, bad);
      assert.ok(!parsed.ok && parsed.problem.length > 0);
    }
    assert.equal(parseDn(`cn=${'a'.repeat(9000)}`).ok, false);
  });

  test('no text makes the reader fail, the longest and most crowded ones included', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter, maxLength: 200 }), (anything) => {
        const parsed = parseDn(anything);
        if (parsed.ok) assert.equal(parsed.value, anything);
      }),
    );
    for (const one of [
      'cn=' + ' '.repeat(8000),
      'cn=' + '\\20'.repeat(2600),
      'cn=a+'.repeat(1600) + 'cn=a',
      'a=b,'.repeat(2000) + 'a=b',
    ])
      assert.ok(parseDn(one).ok || one.length > 8192);
  });

  test('spellings of one name are equal', () => {
    for (const [one, other] of [
      ['cn=Doe\\, Jane,ou=people,dc=test', 'CN=doe\\2C jane, OU=People , DC=TEST'],
      ['cn=Doe\\2c Jane', 'cn=Doe\\2C Jane'],
      ['cn=José', 'cn=Jose\u0301'],
      ['cn=a  b', 'cn=a b'],
      ['cn=\\ a', 'cn=a'],
      ['cn=a\\ ', 'cn=a'],
      ['cn=a+sn=b', 'SN=B+CN=A'],
      ['cn=a;dc=b', 'cn=a,dc=b'],
      ['cn = a', 'cn=a'],
    ] as const) {
      assert.ok(sameDn(dn(one), dn(other)), `${one} and ${other}`);
    }
  });

  test('different names are different', () => {
    for (const [one, other] of [
      ['cn=a,dc=b', 'cn=a\\,dc=b'],
      ['cn=a', 'sn=a'],
      ['cn=a+sn=b', 'cn=a,sn=b'],
      ['cn=a', 'cn=a,dc=b'],
      ['cn=', 'cn=a'],
      ['cn=a\\00', 'cn=a'],
      ['cn=\\#04', 'cn=#04'],
    ] as const) {
      assert.ok(!sameDn(dn(one), dn(other)), `${one} and ${other}`);
    }
  });

  test('folding is the same however often it is done, and whatever the case', () => {
    fc.assert(
      fc.property(rdns, (parts) => {
        const name = formatDn(parts);
        const folded = foldDn(name);
        assert.equal(foldDn(dn(folded)), folded);
        assert.ok(sameDn(name, name));
      }),
    );
  });

  test('a name is beneath what it was made from, and nothing is beneath it but itself and its own', () => {
    fc.assert(
      fc.property(rdns, rdn, (parts, leaf) => {
        const base = formatDn(parts);
        const child = formatDn([leaf, ...parts]);
        assert.ok(isBeneath(child, base) && isBeneath(base, base) && !isBeneath(base, child));
        assert.deepEqual(leafRdn(child), leaf);
        assert.equal(parentDn(child), base);
      }),
    );
    assert.equal(parentDn(dn('dc=test')), undefined);
    assert.ok(!isBeneath(dn('cn=a\\,ou=people\\,dc=test'), dn('ou=people,dc=test')));
    assert.ok(!isBeneath(dn('uid=x,ou=notpeople,dc=test'), dn('ou=people,dc=test')));
    assert.ok(!isBeneath(dn('uid=x\\,ou=people,dc=test'), dn('ou=people,dc=test')));
  });
});

function dn(spelt: string): Dn {
  const parsed = parseDn(spelt);
  assert.ok(parsed.ok, spelt);
  return parsed.value;
}
