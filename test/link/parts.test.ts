import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openBackoff } from '../../src/link/backoff.ts';
import { closeVerdict, refusalVerdict } from '../../src/link/close-codes.ts';
import { openFrameMeter } from '../../src/link/frame-meter.ts';
import { openIntake } from '../../src/link/intake.ts';
import { watchLiveness } from '../../src/link/liveness.ts';
import { faultCode, networkAdvice } from '../../src/link/network-faults.ts';
import { peerText } from '../../src/link/peer-text.ts';
import { capturedLog } from '../support/captured-log.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { recordingListener } from '../support/recording-listener.ts';

describe('backoff', () => {
  test('doubles from the base to the cap, and starts over when reset', () => {
    const backoff = openBackoff({ baseMs: 500, capMs: 30_000, random: () => 0.5 });
    const times = Array.from({ length: 9 }, () => backoff.next());
    assert.deepEqual(times, [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    backoff.reset();
    assert.equal(backoff.next(), 250);
  });

  test('draws from the whole span', () => {
    const draws = [0, 0.999];
    const backoff = openBackoff({ baseMs: 500, capMs: 30_000, random: () => draws.shift() ?? 0 });
    assert.equal(backoff.next(), 0);
    assert.equal(backoff.next(), 999);
  });
});

describe('frame meter', () => {
  test('is full at the limit within the window, not beyond it', () => {
    const clock = fakeClock();
    const meter = openFrameMeter({ limit: 3, windowMs: 1000, clock });
    assert.deepEqual([meter.count(), meter.count()], [false, false]);
    clock.advance(1000);
    assert.equal(meter.count(), false);
    clock.advance(999);
    assert.equal(meter.count(), false, 'the second of the three is 1,999 ms old');
    assert.equal(meter.count(), true);
  });
});

describe('intake', () => {
  test('is full at a thousand that wait for the disk, jobs and acks alike, and drained only below five hundred', async () => {
    const calls: string[] = [];
    const waiting: (() => void)[] = [];
    const listener = recordingListener();
    listener.acknowledged = () => new Promise((resolve) => waiting.push(() => resolve(true)));
    const intake = openIntake({
      listener,
      logger: capturedLog().logger,
      failPoints: undefined,
      takesJobs: () => true,
      verifyJob: null,
      isLost: () => false,
      outgoing: { send: () => true, sendInTurn: () => Promise.resolve(true), flushed: () => Promise.resolve(), lose: () => {} },
      refuse: () => assert.fail('nothing is refused'),
      full: () => calls.push('full'),
      drained: () => calls.push('drained'),
    });
    const taken = Array.from({ length: 999 }, (_, i) => intake.acknowledge(i + 1, 'ref'));
    assert.deepEqual(calls, []);
    taken.push(intake.acknowledge(1000, 'ref'));
    assert.deepEqual(calls, ['full']);
    for (const answer of waiting.splice(0, 500)) answer();
    await Promise.all(taken.slice(0, 500));
    assert.deepEqual(calls, ['full']);
    waiting.shift()?.();
    await taken[500];
    assert.deepEqual(calls, ['full', 'drained']);
  });
});

describe('liveness', () => {
  function watched() {
    const clock = fakeClock();
    const seen: string[] = [];
    const buffered = { bytes: 0 };
    const liveness = watchLiveness({
      clock,
      heartbeatMs: 5000,
      ping: () => seen.push('ping'),
      bufferedBytes: () => buffered.bytes,
      gone: (how) => seen.push(how),
    });
    return { clock, seen, buffered, liveness };
  }

  test('pings each heartbeat, and a peer silent for two is gone', () => {
    const { clock, seen } = watched();
    clock.advance(9999);
    assert.deepEqual(seen, ['ping']);
    clock.advance(1);
    assert.equal(seen.at(-1), 'silent');
    clock.advance(60_000);
    assert.equal(seen.filter((what) => what === 'silent').length, 1);
    assert.deepEqual(clock.pending(), []);
  });

  test('two heartbeats count from what was heard last', () => {
    const { clock, seen, liveness } = watched();
    clock.advance(7000);
    liveness.heard();
    clock.advance(9999);
    assert.ok(!seen.includes('silent'));
    clock.advance(1);
    assert.ok(seen.includes('silent'));
  });

  test('while the socket is not read, silence says nothing', () => {
    const { clock, seen, liveness } = watched();
    liveness.listening(false);
    clock.advance(60_000);
    liveness.listening(true);
    clock.advance(9999);
    assert.ok(!seen.includes('silent'));
    clock.advance(1);
    assert.ok(seen.includes('silent'));
  });

  test('a peer that does not take what is sent is stalled after two heartbeats', () => {
    const { clock, seen, buffered, liveness } = watched();
    buffered.bytes = 8 * 1024 * 1024 + 1;
    for (let i = 0; i < 3; i += 1) {
      assert.ok(!seen.includes('stalled'));
      liveness.heard();
      clock.advance(5000);
    }
    assert.equal(seen.at(-1), 'stalled');
  });

  test('a peer that catches up between is not stalled', () => {
    const { clock, seen, buffered, liveness } = watched();
    for (let i = 0; i < 8; i += 1) {
      buffered.bytes = i % 2 === 0 ? 9 * 1024 * 1024 : 0;
      liveness.heard();
      clock.advance(5000);
    }
    assert.ok(!seen.includes('stalled'));
  });
});

describe('verdicts', () => {
  test('what only a person can change is retried at the cap, with advice', () => {
    for (const code of [1008, 1009, 4400, 4401, 4409, 4426]) {
      assert.equal(closeVerdict(code).pace, 'cap', String(code));
      assert.ok(closeVerdict(code).advice.length > 20);
    }
    for (const status of [401, 403, 426]) {
      assert.equal(refusalVerdict(status).pace, 'cap', String(status));
      assert.ok(refusalVerdict(status).advice.length > 20);
    }
  });

  test('anything else is retried with the backoff', () => {
    for (const code of [1000, 1001, 1006, 1011, 4999, 0]) assert.equal(closeVerdict(code).pace, 'backoff', String(code));
    for (const status of [200, 302, 404, 500, 502, 503]) assert.equal(refusalVerdict(status).pace, 'backoff', String(status));
  });

  test('an error is known by its code, however deep, and has advice', () => {
    assert.equal(faultCode(new Error('x', { cause: Object.assign(new Error('y'), { code: 'ENOTFOUND' }) })), 'ENOTFOUND');
    assert.equal(faultCode(new TypeError('x')), 'TypeError');
    assert.match(networkAdvice('ENOTFOUND'), /DNS/);
    assert.match(networkAdvice('constructor'), /LATCHKEY_CONTROL_PLANE_URL/);
  });

  test('an alert about our client certificate is told as such, whatever the version of TLS', () => {
    for (const code of [
      'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE',
      'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
      'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED',
      'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE',
    ])
      assert.match(networkAdvice(code), /LATCHKEY_CONTROL_PLANE_CERT_FILE/, code);
    assert.doesNotMatch(networkAdvice('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION'), /CERT_FILE/);
  });
});

test('text of the peer is shown on one line, short, and without the token', () => {
  assert.equal(peerText('a\u001b[2J\nb s3cret c', 's3cret'), 'a [2J b [token] c');
  assert.equal(peerText('x'.repeat(100_000), 's3cret').length, 301);
  assert.ok(!peerText(`${'x'.repeat(16_380)}s3cret`, 's3cret').includes('s3c'));
});
