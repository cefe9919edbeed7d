import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { type EntryId, parseEntryId } from '../../../../src/access/ids.ts';
import { guidBytes, nsUniqueId, type StableId, uuidText } from '../../../../src/directory/ldap/flavours/stable-id.ts';

const FORMS: readonly StableId[] = [uuidText('entryUUID'), nsUniqueId('nsUniqueId'), guidBytes('objectGUID')];

/** What a server gives for the value that an assertion names. */
function onTheWire(stableId: StableId, id: EntryId): Uint8Array {
  const value = stableId.assertion(id);
  return typeof value === 'string' ? Buffer.from(value) : value;
}

suite('a stable id', () => {
  for (const stableId of FORMS) {
    test(`in ${stableId.attribute} is found by the very value that it was read from, and has one text`, () => {
      fc.assert(
        fc.property(fc.uuid(), (text) => {
          const id = parseEntryId(text);
          assert.ok(id.ok);
          assert.equal(stableId.read(onTheWire(stableId, id.value)), id.value);
        }),
      );
    });

    test(`in ${stableId.attribute} is not made of anything else`, () => {
      for (const value of ['', 'x', '7d88f4a7', 'zz138622-e61611f1-9421ad98-05e876b4', 'zzzzzzzz-1041-86c6-6b1a-40b21e46ffff'])
        assert.equal(stableId.read(Buffer.from(value)), undefined, value);
    });
  }

  // Measured on the servers themselves.
  test('of 389 Directory Server is spelt 8-8-8-8 there, and 8-4-4-4-12 everywhere else', () => {
    const id = nsUniqueId('nsUniqueId').read(Buffer.from('3b138622-e61611f1-9421ad98-05e876b4'));
    assert.equal(id, '3b138622-e616-11f1-9421-ad9805e876b4');
    assert.equal(nsUniqueId('nsUniqueId').assertion(id as EntryId), '3b138622-e61611f1-9421ad98-05e876b4');
  });

  test('of Active Directory has the bytes of its first three fields turned round, as Microsoft writes it', () => {
    const bytes = Buffer.from('7d88f4a72d99af41afa18f07429351ac', 'hex');
    assert.equal(guidBytes('objectGUID').read(bytes), 'a7f4887d-992d-41af-afa1-8f07429351ac');
  });

  test('in capitals is the same id', () => {
    const text = 'E37BFB1E-7A61-1041-86C6-6B1A40B21E46';
    assert.equal(uuidText('entryUUID').read(Buffer.from(text)), text.toLowerCase());
  });
});
