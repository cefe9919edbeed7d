import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { DirectoryError } from '../../../../src/directory/directory.ts';
import { readSyncDone, readSyncInfo, readSyncState, syncRequest } from '../../../../src/directory/ldap/reader/content-sync.ts';
import { readCursor } from '../../../../src/directory/ldap/reader/cursor.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const UUID = '00112233445566778899aabbccddeeff';

suite('the messages of content synchronisation', () => {
  test('a refresh is asked for with and without a cookie', () => {
    assert.equal(syncRequest(null).value?.toString('hex'), '30030a0101');
    assert.equal(syncRequest(Buffer.from('csn')).value?.toString('hex'), '30080a0101040363736e');
  });

  test('an entry’s state is one of the four', () => {
    for (const [number, state] of ['present', 'add', 'modify', 'delete'].entries())
      assert.deepEqual(readSyncState(hex(`3015 0a010${number} 0410${UUID}`)), { state, uuid: hex(UUID) });
  });

  test('the end says where it stands, and whether what was deleted has been told', () => {
    assert.deepEqual(readSyncDone(hex('3000')), { cookie: null, refreshDeletes: false });
    assert.deepEqual(readSyncDone(hex('3008 0403 63736e 0101ff')), { cookie: Buffer.from('csn'), refreshDeletes: true });
  });

  test('information is a cookie, the end of a phase, or ids of what is there or gone', () => {
    assert.deepEqual(readSyncInfo(hex('8003 63736e')), { kind: 'cookie' });
    assert.deepEqual(readSyncInfo(hex('a100')), { kind: 'phase', told: 'deletes' });
    assert.deepEqual(readSyncInfo(hex('a200')), { kind: 'phase', told: 'presents' });
    const ids = `3112 0410${UUID}`;
    assert.deepEqual(readSyncInfo(hex(`a314 ${ids}`)), { kind: 'ids', told: 'presents', uuids: [hex(UUID)] });
    assert.deepEqual(readSyncInfo(hex(`a317 0101ff ${ids}`)), { kind: 'ids', told: 'deletes', uuids: [hex(UUID)] });
  });

  test('anything else is refused', () => {
    for (const bytes of ['', '3000', '3015 0a0107 0410' + UUID, '3014 0a0101 040f' + UUID.slice(2), '3103 0a0101'])
      assert.throws(() => readSyncState(hex(bytes)), DirectoryError);
    for (const bytes of ['', 'a414', 'a300', 'a305 3103 040161']) assert.throws(() => readSyncInfo(hex(bytes)), DirectoryError);
    for (const bytes of ['', '04']) assert.throws(() => readSyncDone(hex(bytes)), DirectoryError);
  });

  test('a cursor that is none is none', () => {
    for (const text of [
      '',
      'x',
      '[]',
      '{}',
      '[2,"RFC 4533","s","r","c"]',
      '[1,"DirSync","s","r","c"]',
      '[1,"RFC 4533","s","r"]',
      '[1,"RFC 4533","s","r",5]',
      `"${'x'.repeat(20_000)}"`,
    ])
      assert.equal(readCursor(text), null);
    assert.deepEqual(readCursor('[1,"RFC 4533","s","r","c"]'), { means: 'RFC 4533', server: 's', reading: 'r', state: 'c' });
  });
});
