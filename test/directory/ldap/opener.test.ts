import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { suite, test } from 'node:test';
import { instant } from '../../../src/access/instant.ts';
import { type BindRefusal, bindGate } from '../../../src/directory/ldap/bind-refusal.ts';
import { secureContexts } from '../../../src/directory/ldap/dial.ts';
import { parseEndpoints } from '../../../src/directory/ldap/endpoint.ts';
import { sessionOpener } from '../../../src/directory/ldap/opener.ts';
import { memoryLogger, realClock, simpleBind } from '../../support/ldap-directory-under-test.ts';
import { envelopeOf, REQUEST } from '../../support/ldap-messages.ts';

const signal = new AbortController().signal;
const NAME = 'cn=latchkey,dc=test';

/** A connection to this machine whose other end takes one password, and says who we are. */
function connection(accepted: string, tried: string[]): Socket {
  const element = (tag: number, ...bytes: number[]) => [tag, bytes.length, ...bytes];
  const socket = Object.assign(new EventEmitter(), {
    connecting: false,
    readyState: 'open',
    destroyed: false,
    remoteAddress: '127.0.0.1',
    setKeepAlive: () => undefined,
    setNoDelay: () => undefined,
    end: () => undefined,
    destroy() {
      if (!socket.destroyed) queueMicrotask(() => socket.emit('close'));
      socket.destroyed = true;
    },
    write(request: Buffer, done?: () => void) {
      const { id, tag } = envelopeOf(request);
      done?.();
      if (tag === REQUEST.bind) {
        // The password stands between the name and the controls (RFC 4511 §4.2).
        const text = request.toString('latin1');
        const password = /^..([a-z]+)/s.exec(text.slice(text.indexOf(NAME) + NAME.length))?.[1] ?? '';
        tried.push(password);
        answer(id, 0x61, password === accepted ? 0 : 49);
      } else if (tag === REQUEST.extended) answer(id, 0x78, 0, ...element(0x8b, ...Buffer.from(`dn:${NAME}`)));
      return true;
    },
  });
  const answer = (id: number, tag: number, code: number, ...more: number[]) => {
    const result = element(tag, ...element(0x0a, code), ...element(0x04), ...element(0x04), ...more);
    queueMicrotask(() => socket.emit('data', Buffer.from(element(0x30, ...element(0x02, id), ...result))));
  };
  return socket as unknown as Socket;
}

function opening({ accepted, passwords }: { accepted: string; passwords: () => string }) {
  const tried: string[] = [];
  let kept: BindRefusal | null = null;
  let nowMs = 1_000_000;
  const clock = { ...realClock, wall: () => instant(nowMs) };
  const refusals = {
    load: async () => kept,
    save: async (refusal: BindRefusal | null) => {
      kept = refusal;
    },
  };
  const gate = () => bindGate({ refusals, waitMs: 900_000, account: NAME, clock });
  const process = () =>
    sessionOpener({
      endpoints: parseEndpoints('ldap://127.0.0.1', false),
      openSocket: () => connection(accepted, tried),
      secureContext: secureContexts(null),
      clientCertificate: null,
      bind: simpleBind(NAME, passwords),
      allowCleartext: false,
      referrals: 'ignore',
      gate: gate(),
      clock,
      logger: memoryLogger().logger,
      connectTimeoutMs: 5_000,
      readTimeoutMs: 5_000,
    });
  return { process, tried, pass: (ms: number) => void (nowMs += ms) };
}

suite('a refused password', () => {
  test('that was changed while it was tried is read again, and the new one is tried at once', async () => {
    const reads = ['old', 'new', 'new'];
    const world = opening({ accepted: 'new', passwords: () => reads.shift() ?? 'new' });
    const session = await world.process().open(signal);
    assert.deepEqual(world.tried, ['old', 'new']);
    assert.equal(session.account, NAME);
    await session.close();
  });

  test('is tried once in 15 minutes, by this process and by the next, however often the file is read', async () => {
    const world = opening({ accepted: 'new', passwords: () => 'old' });
    const first = world.process();
    for (const opener of [first, first, world.process(), world.process()])
      await assert.rejects(opener.open(signal), { fault: 'bind_refused' });
    assert.deepEqual(world.tried, ['old']);
    world.pass(900_000 - 1);
    await assert.rejects(world.process().open(signal), { fault: 'bind_refused' });
    assert.deepEqual(world.tried, ['old']);
    world.pass(1);
    await assert.rejects(world.process().open(signal), { fault: 'bind_refused' });
    assert.deepEqual(world.tried, ['old', 'old']);
  });

  test('twice changed is tried twice, and not a third time', async () => {
    const reads = ['one', 'two', 'three'];
    const world = opening({ accepted: 'new', passwords: () => reads.shift() ?? 'three' });
    await assert.rejects(world.process().open(signal), { fault: 'bind_refused' });
    assert.deepEqual(world.tried, ['one', 'two']);
  });
});
