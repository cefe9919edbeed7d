import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parseAccountName } from '../../src/access/account-name.ts';
import { formatDn } from '../../src/access/dn.ts';
import { anyCharacter } from '../support/any-character.ts';

const formOf = (text: string) => {
  const parsed = parseAccountName(text);
  return parsed.ok ? parsed.value.form : null;
};

test('a principal name and a domain with a user are read in their parts', () => {
  const principal = parseAccountName('latch.key@corp.example.com');
  assert.ok(principal.ok && principal.value.form === 'principal');
  assert.deepEqual([principal.value.user, principal.value.realm], ['latch.key', 'corp.example.com']);
  const down = parseAccountName('CORP\\Läufer 1');
  assert.ok(down.ok && down.value.form === 'domain_user');
  assert.deepEqual([down.value.domain, down.value.user], ['CORP', 'Läufer 1']);
});

test('what is none of the three is none, the empty name too', () => {
  for (const text of ['', ' ', 'latchkey', '@x', 'a@', 'a@b@c', 'a@b c', '\\a', 'A\\', 'A\\b\\c', 'A\\b/c', 'a\n@b', 'A\\b\0'])
    assert.equal(formOf(text), null, JSON.stringify(text));
});

test('every DN is a DN, whatever its values hold', () => {
  const part = fc.record({
    type: fc.constantFrom('cn', 'OU', 'dc', '2.5.4.3'),
    value: fc.string({ unit: anyCharacter, minLength: 1 }),
  });
  fc.assert(
    fc.property(fc.array(fc.array(part, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 4 }), (rdns) => {
      assert.equal(formOf(formatDn(rdns)), 'dn');
    }),
  );
});
