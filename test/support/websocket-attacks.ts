import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { atScale } from './scale.ts';
import type { WebSocketPeer } from './websocket-peer.ts';

const MIB = 1_048_576;
const ISSUED = '"issuedAt":"2026-01-01T00:00:00.000Z"';
const REVOKE = `"jobId":"hostile","kind":"revoke",${ISSUED},"grantId":"hostile"`;

/** Texts that are refused with an `error` frame, and change nothing. */
export const REFUSED_TEXTS: readonly string[] = [
  '',
  ' ',
  '\u0000',
  '\u202e{"type":"ack","seq":1}',
  'null',
  'true',
  'NaN',
  '-0',
  '1e400',
  '"text"',
  '[]',
  '{',
  '{}',
  "{'type':'ack','seq':1}",
  '{"type":"ack","seq":1}{"type":"ack","seq":1}',
  '['.repeat(100_000),
  `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
  `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
  `{"type":"ack","seq":1,"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
  `{"type":"job","job":{${REVOKE},"x":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}}`,
  `{"type":"job","job":{${REVOKE},${Array.from({ length: 100_000 }, (_, i) => `"${i.toString(36)}":0`).join(',')}}}`,
  `{"type":"job","job":{${REVOKE},"x":[${'{},'.repeat(300_000)}{}]}}`,
  '{"__proto__":{"type":"ack","seq":1}}',
  '{"constructor":{"prototype":{"type":"ack"}},"type":"toString"}',
  '{"type":"__proto__"}',
  '{"type":"constructor"}',
  '{"type":["ack"],"seq":1}',
  '{"type":"hello"}',
  '{"type":"event","seq":1}',
  '{"type":"job.received","jobId":"x"}',
  '{"type":"sync.ack","syncId":"x","page":1}',
  `{"type":"${'x'.repeat(MIB - 30)}"}`,
  ...['1e400', '-1', '-0', '0', '1.5', '9007199254740993', '"1"', 'null', '[1]', '{"valueOf":1}', 'true'].map(
    (seq) => `{"type":"ack","seq":${seq}}`,
  ),
  '{"type":"ack"}',
  '{"type":"ack","seq":1,"seq":1}',
  '{"type":"ack","seq":1,"\\u0073eq":2}',
  '{"type":"ack","seq":999999999}',
  '{"type":"error","code":1,"message":"m"}',
  '{"type":"error","code":"c"}',
  `{"type":"error","code":"c","message":"${'m'.repeat(20_000)}"}`,
  '{"type":"welcome","sessionId":"again","time":"2026-01-01T00:00:00.000Z"}',
  '{"type":"welcome","sessionId":"again","time":"2026-01-01T00:00:00.000Z","ackedSeq":999999999}',
  '{"type":"job"}',
  '{"type":"job","job":null}',
  '{"type":"job","job":[]}',
  '{"type":"job","job":"grant"}',
  '{"type":"job","job":{}}',
  '{"type":"job","jws":"a.b.c"}',
  `{"type":"job","job":{${REVOKE}},"jws":"a.b.c"}`,
  `{"type":"job","job":{${REVOKE},"x":1e400}}`,
  `{"type":"job","job":{${REVOKE},"grantId":"other"}}`,
  `{"type":"job","job":{${REVOKE},"reason":"\\ud800"}}`,
  '{"type":"job","job":{"__proto__":{"jobId":"x"}}}',
  ...['1', 'null', '""', '"../../etc"', '"a b"', '"\\u0000"', '{"toString":1}', '["x"]', `"${'x'.repeat(129)}"`].map(
    (jobId) => `{"type":"job","job":{"jobId":${jobId},"kind":"revoke",${ISSUED},"grantId":"g"}}`,
  ),
];

/** Wrong members of a grant job with a legible id: each is answered as `job.failed invalid_job`. */
export const INVALID_GRANTS: readonly Readonly<Record<string, unknown>>[] = [
  { kind: 'destroy' },
  { kind: '__proto__' },
  { kind: ['grant'] },
  { kind: undefined },
  { issuedAt: 0 },
  { issuedAt: 'yesterday' },
  { issuedAt: undefined },
  { notAfter: null },
  { notAfter: 'x'.repeat(1_000_000) },
  { grantId: undefined },
  { grantId: 'a/b' },
  { grantId: '__proto__ ' },
  { user: undefined },
  { user: 'grace' },
  { user: [] },
  { user: {} },
  { user: { username: 'grace', email: 'grace@example.test' } },
  { user: { username: ['grace'] } },
  { user: { username: { toString: 'grace' } } },
  { user: { username: '' } },
  { user: { username: 'x'.repeat(257) } },
  { user: { id: 'E37BFB1E-7A61-1041-86C6-6B1A40B21E46' } },
  { user: { dn: 'nonsense' } },
  { user: { dn: `uid=${'x'.repeat(8200)}` } },
  { group: { name: 1 } },
  { group: { name: 'x'.repeat(1_000_000) } },
  { group: { dn: 'cn=a\\' } },
  { group: null },
  { durationSeconds: 0 },
  { durationSeconds: -1 },
  { durationSeconds: 1.5 },
  { durationSeconds: 2 ** 31 },
  { durationSeconds: 1e300 },
  { durationSeconds: '60' },
  { durationSeconds: undefined },
  { expiresAt: '2026-01-01T00:00:00Z' },
  { justification: 'x'.repeat(4097) },
  { requestedBy: '' },
  { traceparent: 'x' },
];

/** Names that mean something to LDAP, to a terminal or to JavaScript; as a reference each is only a name that nobody has. */
export const HOSTILE_NAMES: readonly string[] = [
  '*',
  'gr*',
  'grace)(uid=*',
  '*)(objectClass=*',
  ')(|(uid=*',
  '(&)',
  '\\2a',
  'grace\u0000',
  '\u0000',
  'uid=grace,ou=people,dc=example,dc=test',
  'grace,ou=people',
  'gra\\63e',
  '#0403666f6f',
  '"grace"',
  '\u202egrace',
  'gr\u200bace',
  '\ufffd',
  '\u{1f600}'.repeat(60),
  '__proto__',
  'constructor',
  'toString',
  '${jndi:ldap://127.0.0.1/a}',
  "'; DROP TABLE grants; --",
];

/** An attack that the connection does not survive, and the close code that the peer sees; 1006: it was cut. */
export interface Breach {
  readonly title: string;
  readonly code: number;
  attack(peer: WebSocketPeer): Promise<void>;
}

function raw({ request }: WebSocketPeer): Socket {
  return request.socket;
}

/** A frame header (RFC 6455 §5.2) as a server writes it, without a mask unless it is in `first`. */
function header(first: number, length: number): Buffer {
  if (length < 126) return Buffer.from([first, length]);
  const head = Buffer.alloc(10);
  head[0] = first;
  head[1] = 127;
  head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}

const bytes =
  (...content: readonly (readonly number[])[]) =>
  async (peer: WebSocketPeer): Promise<void> => {
    for (const part of content) raw(peer).write(Buffer.from(part));
  };

const many = atScale({ sample: 20_000, full: 200_000 });

/** Sends on and on, and still reads: one that does not is cut before it has seen why. */
async function flood(count: number, send: () => void): Promise<void> {
  for (let sent = 1; sent <= count; sent += 1) {
    send();
    if (sent % 100 === 0) await nextTurn();
  }
}

/** Every way to break the framing, with the code of RFC 6455 §7.4.1 that follows from it. */
export const BREACHES: readonly Breach[] = [
  {
    title: 'a frame of one byte more than 1 MiB',
    code: 1009,
    attack: async (peer) => peer.sendText('x'.repeat(MIB + 1)),
  },
  { title: 'a frame that announces 64 MiB', code: 1009, attack: async (peer) => void raw(peer).write(header(0x81, 64 * MIB)) },
  {
    title: 'a frame that announces more than there are numbers',
    code: 1009,
    attack: bytes([0x81, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
  },
  {
    title: 'fragments that together are over 1 MiB',
    code: 1009,
    async attack(peer) {
      for (let i = 0; i < 40; i += 1) peer.socket.send('x'.repeat(MIB / 32), { fin: false });
    },
  },
  {
    title: 'more than 64 fragments',
    code: 1008,
    async attack(peer) {
      for (let i = 0; i < 70; i += 1) peer.socket.send('x', { fin: false });
    },
  },
  { title: 'the compression bit', code: 1002, attack: bytes([0xc1, 1, 0x78]) },
  { title: 'a reserved bit', code: 1002, attack: bytes([0xa1, 1, 0x78]) },
  { title: 'a reserved opcode', code: 1002, attack: bytes([0x83, 1, 0x78]) },
  { title: 'a masked frame', code: 1002, attack: bytes([0x81, 0x81, 1, 2, 3, 4, 0x79]) },
  { title: 'a continuation of nothing', code: 1002, attack: bytes([0x80, 1, 0x78]) },
  { title: 'a fragmented ping', code: 1002, attack: bytes([0x09, 0]) },
  { title: 'a ping of 126 bytes', code: 1002, attack: bytes([0x89, 126, 0, 126]) },
  { title: 'a close frame of one byte', code: 1002, attack: bytes([0x88, 1, 3]) },
  { title: 'a close code that nobody may send', code: 1002, attack: bytes([0x88, 2, 0x03, 0xed]) },
  { title: 'text that is not UTF-8', code: 1007, attack: bytes([0x81, 2, 0xc3, 0x28]) },
  {
    title: 'a flood of garbage texts',
    code: 1008,
    attack: (peer) => flood(many, () => peer.sendText('{')),
  },
  {
    title: 'a flood of binary frames',
    code: 1008,
    attack: (peer) => flood(many, () => peer.socket.send(randomBytes(20), { binary: true })),
  },
  {
    title: 'a flood of frames of 1 MiB',
    code: 1008,
    async attack(peer) {
      const text = `{"type":"job","job":{${REVOKE},${Array.from({ length: 100_000 }, (_, i) => `"${i}":0`).join(',')}}}`;
      await flood(120, () => peer.sendText(text));
    },
  },
  {
    title: 'bytes that are no frames at all',
    code: 1002,
    // The first byte has a reserved opcode, so that what the rest means does not matter.
    attack: async (peer) => void raw(peer).write(Buffer.concat([Buffer.from([0x0f]), randomBytes(MIB)])),
  },
];
