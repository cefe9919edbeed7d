import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatInstant } from '../../src/access/instant.ts';
import { jobError } from '../../src/access/outcome.ts';
import type { EngineSync, SyncOutcome, SyncRequest } from '../../src/engine/sync-request.ts';
import { type EngineUnderTestOptions, MINUTE_MS, settled, startedEngine } from '../support/engine-under-test.ts';

const DONE: SyncOutcome = {
  kind: 'done',
  sync: {
    syncId: 'a sync',
    mode: 'delta',
    counts: { users: 1, groups: 1, memberships: 1, membersOutOfScope: 0 },
    changed: 1,
    removed: 0,
  },
};

/** A sync whose runs end as told. */
function syncUnderTest() {
  const asked: SyncRequest[] = [];
  const ends: ((outcome: SyncOutcome | Error) => void)[] = [];
  const signals: AbortSignal[] = [];
  const sync: EngineSync = {
    request(request, signal) {
      asked.push(request);
      signals.push(signal);
      const { promise, resolve, reject } = Promise.withResolvers<SyncOutcome>();
      signal.addEventListener('abort', () => reject(signal.reason as Error));
      ends.push((outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome)));
      return promise;
    },
    capabilities: () => ['sync', 'sync-delta'],
    counts: () => ({ users: 3, groups: 1 }),
  };
  return {
    sync,
    asked,
    signals,
    async end(outcome: SyncOutcome | Error = DONE) {
      ends.at(-1)?.(outcome);
      await settled();
    },
  };
}

async function started(options: EngineUnderTestOptions = {}) {
  const under = syncUnderTest();
  const { rig, ada, admins } = await startedEngine({ sync: under.sync, ...options });
  let jobs = 0;
  const ask = (words: Record<string, unknown> = {}) => {
    jobs += 1;
    return rig.submit({ jobId: `sync-${jobs}`, kind: 'sync', mode: 'full', issuedAt: formatInstant(rig.now()), ...words });
  };
  return { ...under, rig, ada, admins, ask };
}

describe('a sync job', () => {
  test('is done when its run is', async () => {
    const { rig, ask, asked, end } = await started();
    const notAfter = rig.in(MINUTE_MS);
    const job = await ask({ mode: 'delta', acceptRemovals: 's-1', notAfter: formatInstant(notAfter) });
    assert.equal(rig.outcomeOf(job), null);
    assert.deepEqual(asked, [{ mode: 'delta', acceptRemovals: 's-1', notAfter }]);
    await end();
    assert.equal(rig.outcomeOf(job), 'done');
  });

  for (const code of ['removals_held', 'directory_unavailable', 'internal'] as const) {
    test(`fails with ${code} when its run does`, async () => {
      const { rig, ask, end } = await started();
      const job = await ask();
      await end({ kind: 'failed', error: jobError(code, 'why') });
      assert.equal(rig.outcomeOf(job), code);
    });
  }

  test('fails as internal when its run fails in a way that nobody expected', async () => {
    const { rig, ask, end } = await started();
    const job = await ask();
    await end(new Error('broken'));
    assert.equal(rig.outcomeOf(job), 'internal');
  });

  test('waits for another connection when the one of its run was lost', async () => {
    const { rig, ask, asked, end } = await started();
    const job = await ask();
    await end({ kind: 'unlinked' });
    await rig.pass(10 * MINUTE_MS);
    assert.equal(asked.length, 1);
    rig.disconnect();
    await rig.connect();
    assert.equal(asked.length, 2);
    await end();
    assert.equal(rig.outcomeOf(job), 'done');
  });

  test('runs again after a crash, as soon as there is a connection, and has one outcome', async () => {
    const { rig, ask, asked, end } = await started();
    const job = await ask();
    rig.crash();
    await rig.start({ link: false });
    assert.equal(asked.length, 1);
    await rig.connect();
    assert.equal(asked.length, 2);
    await end();
    assert.equal(rig.outcomeOf(job), 'done');
    await rig.restart();
    assert.equal(asked.length, 2);
  });

  test('is asked for once, however often it is delivered', async () => {
    const { rig, ask, asked, end } = await started();
    const words = { jobId: 'same', issuedAt: formatInstant(rig.now()) };
    await ask(words);
    await ask(words);
    await end();
    await ask(words);
    assert.equal(asked.length, 1);
    assert.deepEqual(
      rig.of('job.succeeded').map(({ outcome, repeat }) => [outcome, repeat]),
      [
        ['done', undefined],
        ['done', true],
      ],
    );
  });

  test('whose notAfter has passed is expired, and no run is asked for', async () => {
    const { rig, ask, asked } = await started();
    const job = await ask({ notAfter: formatInstant(rig.in(-1)) });
    assert.equal(rig.outcomeOf(job), 'job_expired');
    assert.deepEqual(asked, []);
  });

  test('does not hold up grants and endings, however many of them run', async () => {
    const { rig, ask, ada, admins } = await started();
    for (let count = 0; count < 300; count += 1) await ask();
    const grant = await rig.grant({ seconds: 60 });
    assert.equal(rig.outcomeOf(grant), 'granted');
    await rig.pass(MINUTE_MS + 1000);
    assert.equal(rig.isMember(ada, admins), false);
  });

  test('ends with the engine, stays open, and does not delay the stop', async () => {
    const { rig, ask, asked, signals } = await started();
    const job = await ask();
    const stopping = rig.engine.stop(new AbortController().signal);
    // The end of the audit trail is told, and acknowledged.
    await rig.pass(100);
    assert.equal(await stopping, true);
    assert.equal(signals[0]?.aborted, true);
    assert.equal(rig.outcomeOf(job), null);
    await rig.restart();
    assert.equal(asked.length, 2);
  });

  test('is invalid where there is no sync', async () => {
    const { rig } = await startedEngine();
    const job = await rig.submit({ jobId: 's', kind: 'sync', mode: 'full', issuedAt: formatInstant(rig.now()) });
    assert.equal(rig.outcomeOf(job), 'invalid_job');
  });
});

test('hello says what sync can do, and how much there was', async () => {
  const { rig } = await started();
  const { capabilities, directory } = await rig.engine.listener.hello();
  assert.deepEqual(capabilities, ['sync', 'sync-delta']);
  assert.deepEqual(directory?.counts, { users: 3, groups: 1 });
});

test('what a sync tells is stored and sent', async () => {
  const { rig } = await started();
  const event = {
    kind: 'sync.failed',
    syncId: 's-1',
    mode: 'full',
    error: jobError('removals_held', 'why'),
    heldSyncId: 's-1',
  } as const;
  await rig.engine.tell(event);
  await settled();
  assert.deepEqual(rig.of('sync.failed'), [event]);
});
