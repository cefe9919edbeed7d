import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { escapeDnValue, formatDn, parseDn, parseRdns } from '../../src/access/dn.ts';
import { equality, escapeFilterValue, type FilterValue, formatFilter, parseFilter } from '../../src/access/filter.ts';

type Value = string | Uint8Array;

/** The chosen pairs of bytes, as bytes, as the text that they are (null where they are not UTF-8), and as two characters. */
export function* pairs(
  chosen: (first: number, second: number) => boolean,
): Generator<{ bytes: Uint8Array; text: string | null; characters: string }> {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  for (let first = 0; first < 256; first += 1) {
    for (let second = 0; second < 256; second += 1) {
      if (!chosen(first, second)) continue;
      const bytes = Uint8Array.of(first, second);
      let text: string | null = null;
      try {
        text = utf8.decode(bytes);
      } catch {
        // Not UTF-8, which is what null says.
      }
      yield { bytes, text, characters: String.fromCharCode(first, second) };
    }
  }
}

/** Faster than a deep comparison, of which there are half a million for all pairs. */
function same(one: Value | undefined, other: Value): boolean {
  if (typeof one === 'string' || typeof other === 'string' || one === undefined) return one === other;
  return Buffer.compare(one, other) === 0;
}

const escaped = (bytes: Uint8Array) => [...bytes].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');

/** The rules for pairs of bytes, for those that `chosen` takes. */
export function bytePairRules(title: string, chosen: (first: number, second: number) => boolean): void {
  suite(title, () => {
    const all = [...pairs(chosen)];

    /** The first value of a name of two, whose second must not have been touched. */
    function valueOf(name: string): Value | undefined {
      const parsed = parseRdns(name);
      if (!parsed.ok || parsed.value.length !== 2 || parsed.value[0]?.length !== 1 || parsed.value[1]?.length !== 1)
        return undefined;
      return parsed.value[1][0]?.value === 'test' ? parsed.value[0][0]?.value : undefined;
    }
    const named = (value: Value) => formatDn([[{ type: 'cn', value }], [{ type: 'dc', value: 'test' }]]);

    test('is read back as it was written in a name: as text, as characters, as bytes and escaped', () => {
      for (const { bytes, text, characters } of all) {
        if (text !== null) assert.ok(same(valueOf(named(text)), text), JSON.stringify(text));
        assert.ok(same(valueOf(named(characters)), characters), JSON.stringify(characters));
        assert.ok(same(valueOf(named(bytes)), bytes), bytes.join());
        const read = valueOf(`cn=${escaped(bytes)},dc=test`);
        assert.ok(text === null ? read === undefined : same(read, text), bytes.join());
      }
    });

    test('stands between others in a name without touching them', () => {
      for (const { characters } of all) {
        const name = `cn=a${escapeDnValue(characters)}b+sn=${escapeDnValue(characters)}c,dc=test`;
        const parsed = parseRdns(name);
        assert.ok(parsed.ok && parseDn(name).ok, name);
        assert.ok(parsed.value.length === 2 && parsed.value[0]?.length === 2, name);
        assert.equal(parsed.value[0][0]?.value, `a${characters}b`);
        assert.equal(parsed.value[0][1]?.value, `${characters}c`);
      }
    });

    function assertedBy(filter: string): FilterValue | undefined {
      const parsed = parseFilter(filter);
      return parsed.ok && parsed.value.kind === 'equality' && parsed.value.attribute === 'cn' ? parsed.value.value : undefined;
    }

    test('is read back as it was written in a filter: as text, as characters, and as bytes, which are text where they can be', () => {
      for (const { bytes, text, characters } of all) {
        if (text !== null) assert.ok(same(assertedBy(formatFilter(equality('cn', text))), text), JSON.stringify(text));
        assert.ok(same(assertedBy(formatFilter(equality('cn', characters))), characters), JSON.stringify(characters));
        assert.ok(same(assertedBy(formatFilter(equality('cn', bytes))), text ?? bytes), bytes.join());
        assert.equal(escapeFilterValue(bytes), escaped(bytes));
      }
    });
  });
}
