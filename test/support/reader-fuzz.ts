import { DirectoryError } from '../../src/directory/directory.ts';
import { readPagedCookie } from '../../src/directory/ldap/ldap-message.ts';
import type { WantedAttribute } from '../../src/directory/ldap/reader/attribute-places.ts';
import { berElement, berNumber, berText } from '../../src/directory/ldap/reader/ber-writer.ts';
import {
  readSyncDone,
  readSyncInfo,
  readSyncState,
  SYNC_DONE,
  SYNC_INFO,
  SYNC_STATE,
} from '../../src/directory/ldap/reader/content-sync.ts';
import { answerReceiver } from '../../src/directory/ldap/reader/line.ts';
import { MessageDecoder } from '../../src/directory/ldap/reader/message-decoder.ts';
import { PAGED_RESULTS } from '../../src/directory/ldap/reader/requests.ts';
import { writtenEntry } from './decoded.ts';

const WANTED: readonly WantedAttribute[] = [
  { name: 'uid', as: 'text' },
  { name: 'entryUUID', as: 'bytes' },
  { name: 'member', as: 'parts' },
];
const ID = 7;

/** What a server might say to one search: entries, references, sync information and a result, some with controls. */
export function likelyAnswer(random: () => number): Buffer {
  const below = (limit: number) => Math.floor(random() * limit);
  const uuid = Buffer.alloc(16, below(256));
  const texts = (count: number, length: number) =>
    Array.from({ length: count }, () => Buffer.alloc(below(length), 97 + below(26)));
  const message = (tag: number, ...parts: readonly Buffer[]) => berElement(0x30, berNumber(0x02, ID), berElement(tag, ...parts));
  const entry = () =>
    writtenEntry({
      id: ID,
      dn: `uid=u${below(1_000)},dc=example`,
      attributes: [
        ['uid', texts(below(3), 12)],
        ['entryUUID', [uuid]],
        [random() < 0.2 ? 'member;range=0-9' : 'member', texts(below(30), 60)],
        ['cn', texts(below(2), 300)],
      ],
      controls: random() < 0.3 ? [[SYNC_STATE, berElement(0x30, berNumber(0x0a, below(4)), berElement(0x04, uuid))]] : [],
    });
  const info = () => {
    const ids = berElement(0x31, ...Array.from({ length: below(20) }, () => berElement(0x04, uuid)));
    const value = berElement(0xa3, berElement(0x01, Buffer.from([below(256)])), ids);
    return message(0x79, berElement(0x80, Buffer.from(SYNC_INFO)), berElement(0x81, value));
  };
  const reference = () => message(0x73, berText('ldap://elsewhere.test/dc=example'));
  const done = () => {
    const control = (type: string, value: Buffer) => berElement(0x30, berText(type), berElement(0x04, value));
    const controls = berElement(
      0xa0,
      control(PAGED_RESULTS, berElement(0x30, berNumber(0x02, 0), berText('cookie'))),
      control(SYNC_DONE, berElement(0x30, berText('rid=000'), berElement(0x01, Buffer.from([255])))),
    );
    return berElement(0x30, berNumber(0x02, ID), berElement(0x65, Buffer.from('0a010004000400', 'hex')), controls);
  };
  const kinds = [entry, entry, entry, info, reference];
  return Buffer.concat([...Array.from({ length: below(5) }, () => (kinds[below(kinds.length)] ?? entry)()), done()]);
}

/** The same with some of its bytes changed, cut out, put in or said twice, and most often where lengths are. */
export function spoilt(answer: Buffer, random: () => number): Buffer {
  let bytes = Buffer.from(answer);
  const below = (limit: number) => Math.floor(random() * limit);
  const likely = [0x00, 0x01, 0x04, 0x30, 0x31, 0x7f, 0x80, 0x81, 0x84, 0xa0, 0xff];
  for (let changes = 1 + below(4); changes > 0 && bytes.length > 0; changes -= 1) {
    const at = below(bytes.length);
    switch (below(6)) {
      case 0:
        bytes[at] = below(256);
        break;
      case 1:
        bytes[at] = likely[below(likely.length)] ?? 0;
        break;
      case 2:
        bytes = bytes.subarray(0, at);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(8))]);
        break;
      case 4:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from([0x84, below(8), below(256), below(256), below(256)]),
          bytes.subarray(at),
        ]);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(below(at + 1))]);
    }
  }
  return bytes;
}

/** Reads the bytes as the answer to a search, cut by chance; throws where they are refused by anything but the port's own error. */
export function readSpoilt(
  bytes: Buffer,
  random: () => number,
): { readonly outcome: 'read' | 'refused' | 'cut'; readonly id: number; readonly entries: readonly string[] } {
  let isDone = false;
  const entries: string[] = [];
  const receiver = {
    values: () => undefined,
    entry: ({ dn, controls }: { dn: string; controls: ReadonlyMap<string, Buffer> }) => {
      entries.push(dn);
      const state = controls.get(SYNC_STATE);
      if (state !== undefined) readSyncState(state);
    },
    intermediate: (_: string, value: Buffer) => void readSyncInfo(value),
  };
  const answers = answerReceiver({
    id: ID,
    receiver,
    answered({ controls }) {
      isDone = true;
      const [cookie, done] = [controls.get(PAGED_RESULTS), controls.get(SYNC_DONE)];
      if (cookie !== undefined) readPagedCookie(cookie);
      if (done !== undefined) readSyncDone(done);
    },
    onReferences: () => undefined,
  });
  const decoder = new MessageDecoder(WANTED, answers);
  try {
    for (let at = 0; at < bytes.length; ) {
      const length = random() < 0.5 ? bytes.length : 1 + Math.floor(random() * 40);
      decoder.feed(bytes.subarray(at, at + length));
      at += length;
    }
  } catch (error) {
    if (error instanceof DirectoryError) return { outcome: 'refused', id: ID, entries };
    throw error;
  }
  return { outcome: isDone ? 'read' : 'cut', id: ID, entries };
}
