import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { DirectoryError } from '../../../../src/directory/directory.ts';
import type { WantedAttribute } from '../../../../src/directory/ldap/reader/attribute-places.ts';
import { berElement, berNumber, berText } from '../../../../src/directory/ldap/reader/ber-writer.ts';
import { anyCharacter } from '../../../support/any-character.ts';
import { cut, decoded, type WrittenEntry, writtenDone, writtenEntry } from '../../../support/decoded.ts';

const WANTED: readonly WantedAttribute[] = [
  { name: 'uid', as: 'text' },
  { name: 'entryUUID', as: 'bytes' },
  { name: 'member', as: 'parts' },
  { name: 'mail', as: 'text' },
];

const values = fc.array(
  fc.oneof(
    fc.string({ unit: anyCharacter, maxLength: 40 }).map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    fc.constant(Buffer.alloc(300, 'x')),
  ),
  { maxLength: 8 },
);
const types = fc.constantFrom(
  'uid',
  'UID',
  'entryuuid',
  'member',
  'member;range=0-1499',
  'member;range=1500-*',
  'mail',
  'mail;lang-de',
  'cn',
);
const entries: fc.Arbitrary<WrittenEntry> = fc.record({
  id: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  dn: fc.string({ unit: 'grapheme', maxLength: 60 }),
  attributes: fc.array(fc.tuple(types, values), { maxLength: 6 }),
  controls: fc.array(
    fc.tuple(
      fc.constantFrom('1.2.3', '1.3.6.1.4.1.4203.1.9.1.2'),
      fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
    ),
    { maxLength: 2 },
  ),
});

function valued(attributes: WrittenEntry['attributes'], more: Partial<WrittenEntry> = {}): Buffer {
  return writtenEntry({ id: 1, dn: 'cn=a', attributes, controls: [], ...more });
}

function texts(...list: readonly string[]): readonly Buffer[] {
  return list.map((text) => Buffer.from(text));
}

suite('the message decoder', () => {
  test('takes a text that is too long to be taken apart for none, and a member for nobody', () => {
    const long = Buffer.alloc(2 * 1024 * 1024, 'cn=a,');
    const message = valued([
      ['uid', [long, Buffer.from('ada')]],
      ['member', [long, Buffer.from('cn=ada')]],
    ]);
    const { entries: read } = decoded(WANTED, [message]);
    const [entry] = read as readonly { texts: readonly unknown[]; parts: readonly { values: readonly string[] }[] }[];
    assert.deepEqual(entry?.texts[0], ['ada']);
    const members = entry.parts.flatMap((part) => part.values);
    assert.equal(members.length, 2);
    assert.match(members[0] ?? '', /^#[0-9a-f]{128}$/);
    assert.equal(members[1], 'cn=ada');
  });

  test('reads the same messages however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(entries, { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 5 }),
        (written, lengths) => {
          const bytes = Buffer.concat([...written.map(writtenEntry), writtenDone(3)]);
          const whole = decoded(WANTED, [bytes]);
          assert.equal(whole.entries.length, written.length);
          assert.equal(whole.others.length, 1);
          for (const cuts of [[1], lengths]) assert.deepEqual(decoded(WANTED, cut(bytes, cuts)), whole);
        },
      ),
      { numRuns: 100 },
    );
  });

  test('gives the values that were written, by the attribute that was asked for', () => {
    const id = Buffer.from('00ff80', 'hex');
    const bytes = valued([
      ['UID', texts('ann', 'Zoë')],
      ['cn', texts('not asked for')],
      ['entryUUID', [id]],
      ['member', texts('cn=b', 'cn=c')],
    ]);
    assert.deepEqual(decoded(WANTED, [bytes]).entries, [
      {
        messageId: 1,
        dn: 'cn=a',
        texts: [['ann', 'Zoë'], [], [], []],
        bytes: [[], ['00ff80'], [], []],
        ranges: [null, null, null, null],
        controls: [],
        parts: [{ place: 2, values: ['cn=b', 'cn=c'] }],
      },
    ]);
  });

  test('says of which range the values of an attribute are, and takes no other option for it', () => {
    const bytes = valued([
      ['member;range=0-1499', texts('cn=b')],
      ['mail;lang-de', texts('passed@over.test')],
      ['mail', texts('a@b.test')],
    ]);
    const [entry] = decoded(WANTED, [bytes]).entries as { ranges: unknown[]; texts: unknown[] }[];
    assert.deepEqual(entry?.ranges[2], { from: 0, to: 1499 });
    assert.deepEqual(entry?.texts[3], ['a@b.test']);
  });

  test('leaves out a text that is not UTF-8, and gives a member that is none as nobody', () => {
    const bad = Buffer.from('61ff62', 'hex');
    const genuine = Buffer.from('a\ufffdb');
    const bytes = valued([
      ['uid', [bad, genuine]],
      ['member', [bad]],
    ]);
    const [entry] = decoded(WANTED, [bytes]).entries as { texts: unknown[]; parts: unknown[] }[];
    assert.deepEqual(entry?.texts[0], ['a\ufffdb']);
    assert.deepEqual(entry?.parts, [{ place: 2, values: ['#61ff62'] }]);
  });

  test('gives a large group in parts, and holds none of it back', () => {
    const many = Array.from({ length: 5_000 }, (_, i) => Buffer.from(`uid=u${i},ou=people,dc=example,dc=test`));
    const bytes = valued([['member', many]]);
    const [entry] = decoded(WANTED, cut(bytes, [4096])).entries as { parts: { values: string[] }[] }[];
    assert.deepEqual(entry?.parts[0]?.values, many.map(String));
  });

  for (const [what, bytes] of hostile()) {
    test(`refuses ${what}`, () => {
      for (const cuts of [[bytes.length], [1]])
        assert.throws(
          () => decoded(WANTED, cut(bytes, cuts)),
          (error) => error instanceof DirectoryError,
        );
    });
  }

  test('waits for a message that is announced, and keeps no more of it than has come', () => {
    const announced = Buffer.from('308403ffffff', 'hex');
    assert.deepEqual(decoded(WANTED, [announced, Buffer.from('020101', 'hex')]), { entries: [], others: [] });
  });
});

function hostile(): readonly (readonly [string, Buffer])[] {
  const operation = (contents: Buffer) => berElement(0x30, berNumber(0x02, 1), berElement(0x64, contents));
  const message = (...parts: readonly Buffer[]) => berElement(0x30, berNumber(0x02, 1), ...parts);
  const lyingControls = Buffer.from([0xa0, 0x7f, 0x30, 0x00]);
  const attributes = (list: Buffer) => operation(Buffer.concat([berText('cn=a'), berElement(0x30, list)]));
  return [
    ['a message of more than 64 MiB', Buffer.from('308404000001', 'hex')],
    ['a message of 4 GiB', Buffer.from('3084ffffffff', 'hex')],
    ['an indefinite length', Buffer.from('30800201016400', 'hex')],
    ['a length of five bytes', Buffer.from('30850000000001', 'hex')],
    ['a tag of several bytes', Buffer.from('3f8102', 'hex')],
    ['bytes that are not LDAP', Buffer.from('HTTP/1.1 400 Bad Request\r\n')],
    ['a message without a number', Buffer.from('3004040100640000', 'hex')],
    ['an operation that is longer than its message', Buffer.from('3008020101640a0400300000', 'hex')],
    [
      'an entry that is shorter than its operation',
      operation(Buffer.concat([berText('cn=a'), berElement(0x30), Buffer.from([0, 0])])),
    ],
    ['an entry without a name', operation(berElement(0x30))],
    ['a name of more than 64 KiB', operation(Buffer.concat([berElement(0x04, Buffer.alloc(70_000, 'a')), berElement(0x30)]))],
    ['a name that is not UTF-8', operation(Buffer.concat([berElement(0x04, Buffer.from([0xff])), berElement(0x30)]))],
    // Taken for none, they would make a page the last one, and a change a removal.
    ['controls of an entry that go on beyond it', message(berElement(0x64, berText('cn=a'), berElement(0x30)), lyingControls)],
    ['controls of a result that go on beyond it', message(berElement(0x65, Buffer.from('0a010004000400', 'hex')), lyingControls)],
    ['a reference that goes on beyond itself', message(berElement(0x73, Buffer.from([0x04, 0x20, 0x61])))],
    ['an attribute without a type', attributes(berElement(0x30, berElement(0x31)))],
    [
      'an attribute type of more than a kilobyte',
      attributes(berElement(0x30, berElement(0x04, Buffer.alloc(2_000, 'a')), berElement(0x31))),
    ],
    ['an attribute whose values are no set', attributes(berElement(0x30, berText('uid'), berElement(0x30)))],
    [
      'a value that is longer than its attribute',
      attributes(berElement(0x30, berText('uid'), berElement(0x31, Buffer.from([0x04, 0x20, 0x61])))),
    ],
    ['a value that is no text', attributes(berElement(0x30, berText('uid'), berElement(0x31, berNumber(0x02, 7))))],
    [
      'more values than are kept',
      attributes(berElement(0x30, berText('uid'), berElement(0x31, ...Array.from({ length: 100_001 }, () => berText(''))))),
    ],
    [
      'nested sequences where an attribute should be',
      attributes(Array.from({ length: 1_000 }).reduce<Buffer>((inner) => berElement(0x30, inner), Buffer.alloc(0))),
    ],
  ];
}
