import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JobId } from '../../src/access/ids.ts';
import { openIntake } from '../../src/link/intake.ts';
import type { VerifiedJob } from '../../src/link/job-signatures.ts';
import { capturedLog } from '../support/captured-log.ts';
import { turns } from '../support/linked.ts';
import { recordingListener } from '../support/recording-listener.ts';

describe('an intake of signed jobs', () => {
  /** An intake of signed jobs whose verification the test decides. */
  function verifying() {
    const listener = recordingListener();
    const asked: { readonly jws: string; readonly answer: (verified: VerifiedJob) => void }[] = [];
    const refused: string[] = [];
    const calls: string[] = [];
    let lost = false;
    const intake = openIntake({
      listener,
      logger: capturedLog().logger,
      failPoints: undefined,
      takesJobs: () => true,
      verifyJob: (jws) => new Promise((answer) => asked.push({ jws, answer })),
      isLost: () => lost,
      outgoing: { send: () => true, sendInTurn: () => Promise.resolve(true), flushed: () => Promise.resolve(), lose: () => {} },
      refuse: (_message, ref, code) => void refused.push(`${ref} ${code ?? 'invalid_frame'}`),
      full: () => calls.push('full'),
      drained: () => calls.push('drained'),
    });
    return { intake, listener, asked, refused, calls, lose: () => (lost = true) };
  }
  const jobNamed = (jobId: string): VerifiedJob => ({
    ok: true,
    received: { jobId: jobId as JobId, hash: 'h', job: { ok: false, problem: '' } },
  });

  test('verifies signed jobs one at a time, and stores them in the order in which they came', async () => {
    const { intake, listener, asked, refused } = verifying();
    const all = ['a', 'b', 'c'].map((jws) => intake.storeSigned(jws, `ref-${jws}`));
    await turns(2);
    assert.deepEqual(
      asked.map(({ jws }) => jws),
      ['a'],
    );
    asked[0]?.answer(jobNamed('job-a'));
    await turns(2);
    asked[1]?.answer({ ok: false, fault: 'expired', message: 'over' });
    await turns(2);
    asked[2]?.answer(jobNamed('job-c'));
    await Promise.all(all);
    assert.deepEqual([(await listener.jobs.next()).jobId, (await listener.jobs.next()).jobId], ['job-a', 'job-c']);
    assert.deepEqual(refused, ['ref-b signature_invalid']);
    assert.deepEqual(listener.unverifieds.left, ['expired']);
  });

  test('stores nothing of a connection that is lost meanwhile: it is delivered again', async () => {
    const { intake, listener, asked, refused, lose } = verifying();
    const all = ['a', 'b'].map((jws) => intake.storeSigned(jws, jws));
    await turns(2);
    lose();
    asked[0]?.answer(jobNamed('job-a'));
    await Promise.all(all);
    assert.deepEqual([asked.length, listener.jobs.left, refused], [1, [], []]);
  });

  test('with keys takes no job without a signature, and without keys none that has one', async () => {
    const { intake, listener, refused } = verifying();
    await intake.store({ jobId: 'plain' as JobId, hash: 'h', job: { ok: false, problem: '' } });
    assert.deepEqual([listener.jobs.left, listener.unverifieds.left, refused], [[], ['unsigned'], ['plain signature_invalid']]);
  });

  test('is full at fewer signed jobs where they are long', async () => {
    const { intake, asked, calls } = verifying();
    const long = 'x'.repeat(131_072);
    const all = Array.from({ length: 58 }, () => intake.storeSigned(long, 'ref'));
    assert.deepEqual(calls, []);
    all.push(intake.storeSigned(long, 'ref'));
    assert.deepEqual(calls, ['full']);
    for (let i = 0; i < all.length; i += 1) {
      await turns(2);
      asked[i]?.answer({ ok: false, fault: null, message: '' });
    }
    await Promise.all(all);
    assert.equal(calls.at(-1), 'drained');
  });
});
