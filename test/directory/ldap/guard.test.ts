import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { GuardedSocket, type GuardLimits } from '../../../src/directory/ldap/guard.ts';
import type { LdapResult } from '../../../src/directory/ldap/ldap-message.ts';

/** One LDAPMessage with an operation of that tag. */
function message(id: number, tag: number, contents: Buffer): Buffer {
  const operation = Buffer.concat([element(tag, contents)]);
  return element(0x30, Buffer.concat([Buffer.from([0x02, 0x01, id]), operation]));
}

function element(tag: number, contents: Buffer): Buffer {
  const { length } = contents;
  const header =
    length < 0x80 ? [tag, length] : [tag, 0x84, length >>> 24, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff];
  return Buffer.concat([Buffer.from(header), contents]);
}

const SEARCH = 0x63;
const ENTRY = 0x64;
const DONE = 0x65;
/** Each request with the operation that ends its answer (RFC 4511 §4.2 to §4.12). */
const ANSWERS: readonly (readonly [number, number])[] = [
  [0x60, 0x61],
  [SEARCH, DONE],
  [0x66, 0x67],
  [0x77, 0x78],
];
const success = Buffer.from([0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00]);

function guarded(limits?: GuardLimits) {
  const inner = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const delivered: Buffer[] = [];
  const results: (readonly [number, LdapResult])[] = [];
  const guard = new GuardedSocket(inner, {
    onRequest: () => undefined,
    onResult: (id, result) => void results.push([id, result]),
    ...(limits === undefined ? {} : { limits }),
  });
  guard.on('data', (chunk: Buffer) => void delivered.push(chunk));
  const receive = (chunk: Buffer) => void inner.emit('data', chunk);
  const ask = (id: number, tag = SEARCH) => guard.write(message(id, tag, Buffer.alloc(4)));
  return { guard, inner, delivered, results, receive, ask };
}

suite('the guard of a connection', () => {
  test('messages are delivered whole and one by one, however the bytes are cut', () => {
    const answers = [message(2, ENTRY, Buffer.alloc(5)), message(2, ENTRY, Buffer.alloc(300)), message(2, DONE, success)];
    const stream = Buffer.concat(answers);
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 20 }), (cuts) => {
        const { delivered, receive, ask } = guarded();
        ask(2);
        const edges = [0, ...cuts.toSorted((one, other) => one - other), stream.length];
        for (let i = 1; i < edges.length; i += 1) receive(stream.subarray(edges[i - 1], edges[i]));
        assert.deepEqual(delivered, answers);
      }),
    );
  });

  test('no bytes make it fail or deliver what was not asked', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }), (chunks) => {
        const { delivered, receive } = guarded();
        for (const chunk of chunks) receive(Buffer.from(chunk));
        assert.deepEqual(delivered, []);
      }),
    );
  });

  test('a message of which one byte is changed ends the connection, or is still an answer to the request', () => {
    const answer = message(2, DONE, success);
    for (let at = 0; at < answer.length; at += 1) {
      for (const byte of [0x00, 0x01, 0x7f, 0x80, 0x84, 0xff]) {
        const { guard, delivered, results, receive, ask } = guarded();
        ask(2);
        const changed = Buffer.from(answer);
        changed[at] = byte;
        receive(changed);
        assert.ok(delivered.length === results.length);
        assert.ok(guard.violation === undefined || delivered.length === 0);
      }
    }
  });

  test('a message beyond the limit ends the connection as soon as it is announced', () => {
    const { guard, receive, ask } = guarded();
    ask(2);
    receive(Buffer.from([0x30, 0x84, 0x01, 0x00, 0x00, 0x01]));
    assert.match(guard.violation ?? '', /announced a message of 16777217 bytes/);
    assert.equal(guard.readyState, 'closed');
  });

  test('an answer that goes on beyond its limits ends the connection', () => {
    for (const limits of [
      { messageBytes: 1_000, answerBytes: 1_000_000, answerMessages: 3 },
      { messageBytes: 1_000, answerBytes: 20, answerMessages: 1_000 },
    ]) {
      const { guard, delivered, receive, ask } = guarded(limits);
      ask(2);
      for (let count = 0; count < 10; count += 1) receive(message(2, ENTRY, Buffer.alloc(0)));
      assert.match(guard.violation ?? '', /answered one request with/);
      assert.ok(delivered.length <= 3);
    }
  });

  test('an answer ends with its result: more of it was not asked for', () => {
    const { guard, receive, ask } = guarded();
    ask(2);
    receive(message(2, DONE, success));
    assert.equal(guard.violation, undefined);
    receive(message(2, DONE, success));
    assert.match(guard.violation ?? '', /nothing had asked for/);
  });

  test('an answer of another kind than its request is none', () => {
    for (const [request, own] of ANSWERS) {
      for (const [, answer] of ANSWERS) {
        const { guard, delivered, receive, ask } = guarded();
        ask(2, request);
        receive(message(2, answer, success));
        assert.equal(guard.violation === undefined, answer === own, `${answer.toString(16)} to ${request.toString(16)}`);
        assert.equal(delivered.length, answer === own ? 1 : 0);
      }
    }
  });

  test('a result is read with what it says about the place and about other servers', () => {
    const { results, receive, ask } = guarded();
    ask(2);
    const contents = Buffer.concat([
      Buffer.from([0x0a, 0x01, 0x0a]),
      element(0x04, Buffer.from('dc=test')),
      element(0x04, Buffer.from('elsewhere')),
      element(0xa3, element(0x04, Buffer.from('ldap://other.example.test/'))),
    ]);
    receive(message(2, DONE, contents));
    const [, result] = results[0] ?? [];
    assert.deepEqual(
      [result?.resultCode, result?.matchedDn, result?.diagnosticMessage, result?.referral],
      [10, 'dc=test', 'elsewhere', ['ldap://other.example.test/']],
    );
  });

  test('a malformed request is held back', () => {
    const { guard } = guarded();
    guard.write(Buffer.from([0x30, 0x05, 0x02]));
    assert.match(guard.violation ?? '', /malformed request/);
  });
});
