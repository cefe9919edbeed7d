import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import {
  and,
  equality,
  escapeFilterValue,
  type Filter,
  type FilterValue,
  formatFilter,
  not,
  or,
  parseFilter,
} from '../../src/access/filter.ts';
import { anyCharacter } from '../support/any-character.ts';

const attribute = fc.oneof(
  fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,8}(;[A-Za-z0-9-]{1,6}){0,2}$/),
  fc.stringMatching(/^[0-2](\.[1-9][0-9]{0,2}){1,4}$/),
);
const text = fc.string({
  unit: fc.oneof(fc.constantFrom(...'*()\\\0&|!=<>~ '.split('')), anyCharacter),
});
// Bytes that are UTF-8 are read as text, so only others stay bytes.
const bytes = fc
  .uint8Array({ minLength: 1, maxLength: 6 })
  .filter((one) => !Buffer.from(Buffer.from(one).toString(), 'utf8').equals(Buffer.from(one)));
const value: fc.Arbitrary<FilterValue> = fc.oneof({ weight: 4, arbitrary: text }, bytes);
const part = value.filter((one) => one.length > 0);
const kind = <K extends string>(...kinds: K[]) => fc.constantFrom(...kinds);

const plain = { noNullPrototype: true } as const;

const { filter } = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 5, depthSize: 'small' },
    fc.record({ kind: kind('equality', 'greaterOrEqual', 'lessOrEqual', 'approx'), attribute, value }, plain),
    fc.record({ kind: kind('present'), attribute }, plain),
    fc
      .record({ kind: kind('substrings'), attribute, initial: value, any: fc.array(part, { maxLength: 3 }), final: value }, plain)
      .filter(({ initial, any, final }) => initial.length + any.length + final.length > 0),
    fc.record({ kind: kind('and', 'or'), filters: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }) }, plain),
    fc.record({ kind: kind('not'), filter: tie('filter') }, plain),
  ),
}));

suite('search filters', () => {
  test('what is written is read back as it was', () => {
    fc.assert(
      fc.property(filter, (one) => {
        assert.deepEqual(parseFilter(formatFilter(one)), { ok: true, value: one });
      }),
    );
  });

  test('every byte survives in a value, alone and in pairs of special ones', () => {
    for (let byte = 0; byte < 256; byte += 1) {
      const alone = Uint8Array.of(byte);
      const expected: FilterValue = byte < 0x80 ? String.fromCharCode(byte) : alone;
      assert.deepEqual(parseFilter(`(cn=${escapeFilterValue(alone)})`), { ok: true, value: equality('cn', expected) });
      const latin = String.fromCharCode(byte);
      assert.deepEqual(parseFilter(`(cn=${escapeFilterValue(latin)})`), { ok: true, value: equality('cn', latin) });
    }
    for (const one of '*()\\\0') {
      for (const two of '*()\\\0') {
        const filtered = equality('cn', `${one}${two}`);
        assert.deepEqual(parseFilter(formatFilter(filtered)), { ok: true, value: filtered });
      }
    }
  });

  test('no value changes the shape of a filter', () => {
    fc.assert(
      fc.property(text, (anything) => {
        const written = formatFilter(and(equality('objectClass', 'person'), equality('uid', anything)));
        const read = parseFilter(written);
        assert.ok(read.ok && read.value.kind === 'and');
        assert.deepEqual(
          read.value.filters.map((one) => one.kind),
          ['equality', 'equality'],
        );
      }),
    );
  });

  test('the examples of RFC 4515 are read', () => {
    const examples: readonly (readonly [string, Filter])[] = [
      ['(cn=Babs Jensen)', equality('cn', 'Babs Jensen')],
      ['(!(cn=Tim Howes))', not(equality('cn', 'Tim Howes'))],
      [
        '(&(objectClass=Person)(|(sn=Jensen)(cn=Babs J*)))',
        and(
          equality('objectClass', 'Person'),
          or(equality('sn', 'Jensen'), { kind: 'substrings', attribute: 'cn', initial: 'Babs J', any: [], final: '' }),
        ),
      ],
      ['(o=univ*of*mich*)', { kind: 'substrings', attribute: 'o', initial: 'univ', any: ['of', 'mich'], final: '' }],
      ['(seeAlso=)', equality('seeAlso', '')],
      [
        '(o=Parens R Us \\28for all your parenthetical needs\\29)',
        equality('o', 'Parens R Us (for all your parenthetical needs)'),
      ],
      ['(cn=*\\2A*)', { kind: 'substrings', attribute: 'cn', initial: '', any: ['*'], final: '' }],
      ['(filename=C:\\5cMyFile)', equality('filename', 'C:\\MyFile')],
      ['(bin=\\00\\00\\00\\04)', equality('bin', '\0\0\0\u0004')],
      ['(sn=Lu\\c4\\8di\\c4\\87)', equality('sn', 'Lučić')],
      ['(1.3.6.1.4.1.1466.0=\\04\\02\\48\\69)', equality('1.3.6.1.4.1.1466.0', '\u0004\u0002Hi')],
      ['(cn;lang-en=x)', equality('cn;lang-en', 'x')],
      ['(age>=7)', { kind: 'greaterOrEqual', attribute: 'age', value: '7' }],
      ['(cn=*)', { kind: 'present', attribute: 'cn' }],
    ];
    for (const [written, expected] of examples) assert.deepEqual(parseFilter(written), { ok: true, value: expected }, written);
  });

  test('what is no filter is refused with where', () => {
    const bad = [
      '',
      'cn=a',
      '(cn=a',
      '(cn=a))',
      '()',
      '(&)',
      '(|)',
      '(!)',
      '(=a)',
      '(cn)',
      '(cn=a(b)',
      '(cn=\\)',
      '(cn=\\2)',
      '(cn=\\zz)',
      '(cn=a**b)',
      '(cn=**)',
      '(c n=a)',
      '(cn:dn:2.4.6.8.10:=x)',
      '(cn=a)(cn=b)',
      '(!(cn=a)(cn=b))',
      '(cn=a\0)',
      '('.repeat(100),
    ];
    for (const one of bad) {
      const parsed = parseFilter(one);
      assert.ok(!parsed.ok && parsed.problem.length > 0, one);
    }
    assert.equal(parseFilter(`${'(!'.repeat(40)}(cn=a)${')'.repeat(40)}`).ok, false);
    assert.equal(parseFilter('(cn=\ud800)').ok, false);
  });

  test('no text makes the reader fail', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.oneof(fc.constantFrom(...'()&|!=*\\'.split('')), anyCharacter),
          maxLength: 60,
        }),
        (anything) => {
          parseFilter(anything);
        },
      ),
    );
  });
});
