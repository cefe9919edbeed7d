import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { suite, test } from 'node:test';
import type { Dn } from '../../../src/access/dn.ts';
import { DirectoryError } from '../../../src/directory/directory.ts';
import { parseEndpoint } from '../../../src/directory/ldap/endpoint.ts';
import { Session } from '../../../src/directory/ldap/session.ts';
import { fakeClock } from '../../support/fake-clock.ts';

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
