import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { suite, test } from 'node:test';
import { instant } from '../../../src/access/instant.ts';
import { type BindRefusal, bindGate } from '../../../src/directory/ldap/bind-refusal.ts';
import { trustOf } from '../../../src/directory/ldap/dial.ts';
import { parseEndpoints } from '../../../src/directory/ldap/endpoint.ts';
import { sessionOpener } from '../../../src/directory/ldap/opener.ts';
import { memoryLogger, realClock, simpleBind } from '../../support/ldap-directory-under-test.ts';
import { envelopeOf, REQUEST } from '../../support/ldap-messages.ts';

const signal = new AbortController().signal;
const NAME = 'cn=latchkey,dc=test';
// One for all: to read the authorities of the machine takes longer than a test here.
const TRUST = trustOf({ ca: null });

/** A connection to this machine whose other end takes one password, and says who we are. */
function connection(accepted: () => string, tried: string[]): Socket {
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
        answer(id, 0x61, password === accepted() ? 0 : 49);
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

function opening({ accepted, passwords }: { accepted: string | (() => string); passwords: () => string }) {
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
  const log = memoryLogger();
  const gate = () => bindGate({ refusals, waitMs: 900_000, account: NAME, clock });
  const process = () =>
    sessionOpener({
      endpoints: parseEndpoints('ldap://127.0.0.1', false),
      openSocket: () => connection(() => (typeof accepted === 'string' ? accepted : accepted()), tried),
      ...TRUST,
      clientCertificate: null,
      bind: simpleBind(NAME, passwords),
      allowCleartext: false,
      referrals: 'ignore',
      gate: gate(),
      clock,
      logger: log.logger,
      connectTimeoutMs: 5_000,
      readTimeoutMs: 5_000,
    });
  return { process, tried, log, pass: (ms: number) => void (nowMs += ms) };
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

suite('a password is rotated without a restart', () => {
  /** A directory and a file whose passwords change, and an opener that has bound with `old`. */
  async function bound() {
    const now = { directory: 'old', file: 'old' };
    const world = opening({
      accepted: () => now.directory,
      passwords: () => {
        if (now.file === '') throw new Error('the secret file is empty');
        return now.file;
      },
    });
    const opener = world.process();
    const opens = async (): Promise<void> => await (await opener.open(signal)).close();
    await opens();
    return { ...world, now, opens };
  }

  test('the file has the new one first: it is tried, and the old one goes on until the directory has it too', async () => {
    const { now, opens, tried, log } = await bound();
    now.file = 'new';
    await opens();
    await opens();
    assert.deepEqual(tried, ['old', 'new', 'old', 'old']);
    assert.ok(log.lines.some(({ fields }) => fields['event'] === 'directory.password-kept'));
    now.directory = 'new';
    await opens();
    await opens();
    assert.deepEqual(tried, ['old', 'new', 'old', 'old', 'old', 'new', 'new'], 'the new one does not wait then');
  });

  test('the directory has the new one first: the old one is refused once, and the new one tried as soon as it is in the file', async () => {
    const { now, opens, tried } = await bound();
    now.directory = 'new';
    await assert.rejects(opens(), { fault: 'bind_refused' });
    await assert.rejects(opens(), { fault: 'bind_refused' });
    now.file = 'new';
    await opens();
    assert.deepEqual(tried, ['old', 'old', 'new']);
  });

  test('a wrong one in the file is tried once in 15 minutes, and a right one at once', async () => {
    const { now, opens, tried, pass } = await bound();
    now.file = 'wrong';
    for (let count = 0; count < 3; count += 1) await opens();
    pass(900_000);
    await opens();
    assert.equal(tried.filter((password) => password === 'wrong').length, 2);
    now.directory = 'new';
    now.file = 'new';
    await opens();
    assert.equal(tried.at(-1), 'new');
  });

  test('each time anew it is told that the old one is kept, and that what is configured is accepted', async () => {
    const { now, opens, log } = await bound();
    for (const file of ['', 'old', 'old', '', '', 'old']) {
      now.file = file;
      await opens();
    }
    assert.deepEqual(
      log.lines.map(({ fields }) => fields['event']).filter((event) => event.startsWith('directory.password')),
      ['kept', 'accepted', 'kept', 'accepted'].map((what) => `directory.password-${what}`),
    );
  });

  test('a file that cannot be read for a while changes nothing', async () => {
    const { now, opens, tried, log } = await bound();
    now.file = '';
    await opens();
    assert.deepEqual(tried, ['old', 'old']);
    assert.ok(log.lines.some(({ message }) => message.includes('the secret file is empty')));
  });

  test('both wrong: each is tried once, and then none', async () => {
    const { now, opens, tried } = await bound();
    now.directory = 'other';
    now.file = 'wrong';
    for (let count = 0; count < 4; count += 1) await assert.rejects(opens(), { fault: 'bind_refused' });
    assert.deepEqual(tried, ['old', 'wrong', 'old']);
  });

  test('both wrong after a while with a wrong file: the file is tried once more, and then none', async () => {
    const { now, opens, tried } = await bound();
    now.file = 'wrong';
    await opens();
    now.directory = 'other';
    for (let count = 0; count < 4; count += 1) await assert.rejects(opens(), { fault: 'bind_refused' });
    assert.deepEqual(tried, ['old', 'wrong', 'old', 'old', 'wrong']);
  });
});
