import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { suite, test } from 'node:test';
import type { Dn } from '../../../src/access/dn.ts';
import { DirectoryError } from '../../../src/directory/directory.ts';
import { parseEndpoint } from '../../../src/directory/ldap/endpoint.ts';
import { ANY_ENTRY } from '../../../src/directory/ldap/entry.ts';
import { type SearchRequest, Session } from '../../../src/directory/ldap/session.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { berElement, entryContents, envelopeOf, ldapMessage, octets, SUCCESS_CONTENTS } from '../../support/ldap-messages.ts';

const READ_TIMEOUT_MS = 5_000;
const group = 'cn=vpn,dc=example,dc=test' as Dn;
const adding = { dn: group, attribute: 'member', add: ['uid=ada,dc=example,dc=test'], remove: [] };

/** A session with a server that takes everything and says nothing; `written` resolves with the first request. */
function silentServer() {
  const written = Promise.withResolvers<void>();
  const socket = new Duplex({
    read() {
      // Nothing ever comes.
    },
    write(_chunk, _encoding, done) {
      written.resolve();
      done();
    },
  });
  const clock = fakeClock();
  const session = new Session(socket, {
    endpoint: parseEndpoint('ldap://127.0.0.1:389', false),
    clock,
    readTimeoutMs: READ_TIMEOUT_MS,
  });
  return { session, clock, socket, written: written.promise };
}

/** A session with a server that says these bytes, at once and in one piece, to its first request. */
function scriptedServer(answer: (id: number) => readonly Buffer[]) {
  const socket = new Duplex({
    read() {
      // What it says is pushed.
    },
    write(message: Buffer, _encoding, done) {
      socket.push(Buffer.concat(answer(envelopeOf(message).id)));
      done();
    },
    // A socket of the network has closed only when the system says so.
    destroy: (error, done) => void setImmediate(done, error),
  });
  return new Session(socket, {
    endpoint: parseEndpoint('ldap://127.0.0.1:389', false),
    clock: fakeClock(),
    readTimeoutMs: READ_TIMEOUT_MS,
  });
}

const looking: SearchRequest = { base: group, scope: 'base', filter: ANY_ENTRY, attributes: ['cn'], sizeLimit: 2 };
const ENTRY = 0x64;
const DONE = 0x65;
const MODIFIED = 0x67;
const found = entryContents(group, { cn: ['vpn'] });

suite('a session whose server breaks the protocol', () => {
  test('takes nothing for an answer that cannot be read to its end', async () => {
    const value = Buffer.from([0x04, 0x7f, 0x61]);
    const malformed = Buffer.concat([octets(group), berElement(0x30, berElement(0x30, octets('cn'), berElement(0x31, value)))]);
    const session = scriptedServer((id) => [ldapMessage(id, ENTRY, malformed)]);
    await assert.rejects(session.search(looking), { fault: 'unavailable', message: /malformed message/ });
    assert.ok(session.isOver);
  });

  test('does not believe in a result behind which another entry comes', async () => {
    const session = scriptedServer((id) => [ldapMessage(id, DONE, SUCCESS_CONTENTS), ldapMessage(id, ENTRY, found)]);
    await assert.rejects(session.search(looking), { fault: 'unavailable', message: /nothing had asked for/ });
    assert.ok(session.isOver);
  });

  test('does not believe in a result that came with one of a request that never was', async () => {
    for (const before of [true, false]) {
      const session = scriptedServer((id) => {
        const own = [ldapMessage(id, ENTRY, found), ldapMessage(id, DONE, SUCCESS_CONTENTS)];
        const other = ldapMessage(id + 1, DONE, SUCCESS_CONTENTS);
        return before ? [other, ...own] : [...own, other];
      });
      await assert.rejects(session.search(looking), { fault: 'unavailable', message: /nothing had asked for/ });
    }
  });

  test('does not know what became of a modify that was answered twice', async () => {
    const session = scriptedServer((id) => [
      ldapMessage(id, MODIFIED, SUCCESS_CONTENTS),
      ldapMessage(id, MODIFIED, SUCCESS_CONTENTS),
    ]);
    await assert.rejects(session.modify(adding), { fault: 'unavailable', sent: true });
  });

  test('and whose answer is in order is believed', async () => {
    const session = scriptedServer((id) => [ldapMessage(id, ENTRY, found), ldapMessage(id, DONE, SUCCESS_CONTENTS)]);
    const { entries } = await session.search(looking);
    assert.deepEqual(
      entries.map((entry) => entry.dn),
      [group],
    );
  });
});

suite('a session whose server says nothing', () => {
  test('ends at the deadline of an operation, and a modify that was written may have been done', async () => {
    const { session, clock, written } = silentServer();
    const modify = assert.rejects(session.modify(adding), { fault: 'unavailable', sent: true });
    await written;
    clock.advance(READ_TIMEOUT_MS - 1);
    assert.ok(!session.isOver);
    clock.advance(1);
    await modify;
    assert.ok(session.isOver);
  });

  test('and whose connection closes leaves unknown what became of a modify', async () => {
    const { session, socket, written } = silentServer();
    const modify = assert.rejects(session.modify(adding), { fault: 'unavailable', sent: true });
    await written;
    socket.destroy();
    await modify;
  });

  test('takes nothing more once it has ended: what is asked then was not sent', async () => {
    const { session } = silentServer();
    session.destroy(new DirectoryError('unavailable', 'it ended'));
    await assert.rejects(session.modify(adding), { fault: 'unavailable', sent: false });
  });
});
