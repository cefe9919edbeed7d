import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { MessageParser } from 'ldapts';
import { GuardedSocket, type GuardLimits } from '../../../src/directory/ldap/guard.ts';
import type { LdapResult } from '../../../src/directory/ldap/ldap-message.ts';
import { berElement, entryContents, ldapMessage, octets, SUCCESS_CONTENTS } from '../../support/ldap-messages.ts';

const SEARCH = 0x63;
const ENTRY = 0x64;
const DONE = 0x65;
const REFERENCE = 0x73;
/** Each request with the operation that ends its answer (RFC 4511 §4.2 to §4.12). */
const ANSWERS: readonly (readonly [number, number])[] = [
  [0x60, 0x61],
  [SEARCH, DONE],
  [0x66, 0x67],
  [0x77, 0x78],
];
const success = SUCCESS_CONTENTS;
const entry = entryContents('uid=ada,dc=example,dc=test', { uid: ['ada', 'countess'], objectClass: ['person'] });

/** Answers with everything in them that an answer may have. */
const RICH: readonly { readonly request: number; readonly answer: Buffer }[] = [
  { request: SEARCH, answer: ldapMessage(2, ENTRY, entry, controls()) },
  { request: SEARCH, answer: ldapMessage(2, REFERENCE, Buffer.concat([octets('ldap://a/'), octets('ldap://b/')])) },
  { request: SEARCH, answer: ldapMessage(2, DONE, Buffer.concat([success, berElement(0xa3, octets('ldap://a/'))]), controls()) },
  { request: 0x60, answer: ldapMessage(2, 0x61, Buffer.concat([success, berElement(0x87, Buffer.from('creds'))]), controls()) },
  {
    request: 0x77,
    answer: ldapMessage(
      2,
      0x78,
      Buffer.concat([success, berElement(0x8a, Buffer.from('1.2')), berElement(0x8b, Buffer.from('me'))]),
    ),
  },
];

/** A paged results control with its criticality, and one that nobody knows. */
function controls(): Buffer {
  const paged = berElement(0x30, Buffer.from('020100', 'hex'), octets('cookie'));
  return berElement(
    0xa0,
    berElement(0x30, octets('1.2.840.113556.1.4.319'), Buffer.from('0101ff', 'hex'), berElement(0x04, paged)),
    berElement(0x30, octets('1.2.3.4')),
  );
}

function guarded(limits?: GuardLimits) {
  const inner = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const delivered: Buffer[] = [];
  const results: (readonly [number, LdapResult])[] = [];
  const guard = new GuardedSocket(inner, {
    onRequest: () => undefined,
    onResult: (id, result) => void results.push([id, result]),
    onViolation: () => undefined,
    ...(limits === undefined ? {} : { limits }),
  });
  guard.on('data', (chunk: Buffer) => void delivered.push(chunk));
  const receive = (chunk: Buffer) => void inner.emit('data', chunk);
  const ask = (id: number, tag = SEARCH) => guard.write(ldapMessage(id, tag, Buffer.alloc(4)));
  return { guard, inner, delivered, results, receive, ask };
}

suite('the guard of a connection', () => {
  test('messages are delivered whole and one by one, however the bytes are cut', () => {
    const long = entryContents('uid=ada,dc=example,dc=test', { description: ['x'.repeat(300)] });
    const answers = [ldapMessage(2, ENTRY, entry), ldapMessage(2, ENTRY, long), ldapMessage(2, DONE, success)];
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
    const answer = ldapMessage(2, DONE, success);
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
    const wide = { messageBytes: 1_000, answerBytes: 1_000_000, answerMessages: 1_000, answerElements: 1_000 };
    for (const limits of [
      { ...wide, answerMessages: 3 },
      { ...wide, answerBytes: 20 },
      { ...wide, answerElements: 20 },
    ]) {
      const { guard, delivered, receive, ask } = guarded(limits);
      ask(2);
      for (let count = 0; count < 10; count += 1) receive(ldapMessage(2, ENTRY, entry));
      assert.match(guard.violation ?? '', /answered one request with/);
      assert.ok(delivered.length <= 3);
    }
  });

  test('an answer of millions of empty parts ends the connection before any is read', () => {
    const values = Buffer.alloc(1_000_000, Buffer.from([0x04, 0x00]));
    const attributes = Buffer.alloc(1_500_000, Buffer.from([0x30, 0x04, 0x04, 0x00, 0x31, 0x00]));
    for (const list of [attributes, berElement(0x30, octets('cn'), berElement(0x31, values))]) {
      const { guard, delivered, receive, ask } = guarded();
      ask(2);
      receive(ldapMessage(2, ENTRY, Buffer.concat([octets('dc=test'), berElement(0x30, list)])));
      assert.match(guard.violation ?? '', /more than 200000 elements/);
      assert.deepEqual(delivered, []);
    }
  });

  test('an answer ends with its result: more of it was not asked for', () => {
    const { guard, receive, ask } = guarded();
    ask(2);
    receive(ldapMessage(2, DONE, success));
    assert.equal(guard.violation, undefined);
    receive(ldapMessage(2, DONE, success));
    assert.match(guard.violation ?? '', /nothing had asked for/);
  });

  test('an answer of another kind than its request is none', () => {
    for (const [request, own] of ANSWERS) {
      for (const [, answer] of ANSWERS) {
        const { guard, delivered, receive, ask } = guarded();
        ask(2, request);
        receive(ldapMessage(2, answer, success));
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
      berElement(0x04, Buffer.from('dc=test')),
      berElement(0x04, Buffer.from('elsewhere')),
      berElement(0xa3, berElement(0x04, Buffer.from('ldap://other.example.test/'))),
    ]);
    receive(ldapMessage(2, DONE, contents));
    const [, result] = results[0] ?? [];
    assert.deepEqual(
      [result?.resultCode, result?.matchedDn, result?.diagnosticMessage, result?.referral],
      [10, 'dc=test', 'elsewhere', ['ldap://other.example.test/']],
    );
  });

  test('an answer with everything that it may have is delivered', () => {
    for (const { request, answer } of RICH) {
      const { guard, delivered, receive, ask } = guarded();
      ask(2, request);
      receive(answer);
      assert.deepEqual([guard.violation, delivered], [undefined, [answer]]);
    }
  });

  test('an element that is longer than what it lies in ends the connection, since ldapts would read it without end', () => {
    const tooLong = Buffer.from([0x04, 0x7f, 0x61]);
    const malformed = {
      'name of an entry': ldapMessage(2, ENTRY, Buffer.concat([tooLong, berElement(0x30)])),
      'list of attributes': ldapMessage(2, ENTRY, Buffer.concat([octets('dc=test'), Buffer.from([0x30, 0x7f, 0x30])])),
      attribute: ldapMessage(2, ENTRY, Buffer.concat([octets('dc=test'), berElement(0x30, Buffer.from([0x30, 0x7f, 0x04]))])),
      'type of an attribute': ldapMessage(
        2,
        ENTRY,
        Buffer.concat([octets('dc=test'), berElement(0x30, berElement(0x30, tooLong))]),
      ),
      'value of an attribute': ldapMessage(
        2,
        ENTRY,
        Buffer.concat([octets('dc=test'), berElement(0x30, berElement(0x30, octets('uid'), berElement(0x31, tooLong)))]),
      ),
      'reference to another server': ldapMessage(2, REFERENCE, tooLong),
      referral: ldapMessage(2, DONE, Buffer.concat([success, berElement(0xa3, tooLong)])),
      control: ldapMessage(2, DONE, success, berElement(0xa0, Buffer.from([0x30, 0x7f, 0x04]))),
      'what is behind a result': ldapMessage(2, DONE, Buffer.concat([success, tooLong])),
    };
    for (const [what, answer] of Object.entries(malformed)) {
      const { guard, delivered, receive, ask } = guarded();
      ask(2);
      receive(answer);
      assert.match(guard.violation ?? '', /malformed message/, what);
      assert.deepEqual(delivered, []);
    }
  });

  test('whatever becomes of an answer on its way, ldapts comes to an end with what is delivered of it', () => {
    const spoilt = RICH.flatMap(({ request, answer }) => [
      ...oneByteOff(answer).map((bytes) => ({ request, bytes })),
      // The half of one, with others in place of the rest.
      ...RICH.map((next) => ({
        request,
        bytes: Buffer.concat([answer.subarray(0, answer.length / 2), next.answer, next.answer]),
      })),
    ]);
    for (const { request, bytes } of spoilt) {
      const { delivered, receive, ask } = guarded();
      ask(2, request);
      receive(bytes);
      for (const answer of delivered) assert.equal(readBy(answer), 1);
    }
  });

  test('a malformed request is held back', () => {
    const { guard } = guarded();
    guard.write(Buffer.from([0x30, 0x05, 0x02]));
    assert.match(guard.violation ?? '', /malformed request/);
  });
});

function oneByteOff(bytes: Buffer): Buffer[] {
  return [...bytes.keys()].flatMap((at) =>
    [0x00, 0x01, 0x04, 0x7f, 0x82, 0xff].map((byte) => {
      const changed = Buffer.from(bytes);
      changed[at] = byte;
      return changed;
    }),
  );
}

/** How often the parser of ldapts says something about these bytes: that it has read a message, or that it cannot. */
function readBy(bytes: Buffer): number {
  const parser = new MessageParser();
  let said = 0;
  parser.on('message', () => (said += 1));
  parser.on('error', () => (said += 1));
  parser.read(bytes, new Map());
  return said;
}
