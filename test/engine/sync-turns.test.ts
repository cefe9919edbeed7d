import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SyncWish } from '../../src/access/sync.ts';
import type { SyncOutcome, SyncRequest } from '../../src/engine/sync-request.ts';
import { syncTurns } from '../../src/engine/sync-turns.ts';
import { settled } from '../support/engine-under-test.ts';
import { fakeClock } from '../support/fake-clock.ts';

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

/** Turns whose runs end as told. */
function underTest() {
  const clock = fakeClock();
  const begun: { readonly wish: SyncWish; readonly signal: AbortSignal; readonly end: (outcome: SyncOutcome | Error) => void }[] =
    [];
  const { request, idle } = syncTurns({
    now: () => clock.wall(),
    run(wish, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<SyncOutcome>();
      begun.push({ wish, signal, end: (outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome)) });
      return promise;
    },
  });
  const { signal } = new AbortController();
  return {
    clock,
    begun,
    idle,
    wishes: () => begun.map(({ wish: { mode, acceptRemovals } }) => [mode, acceptRemovals]),
    async end(outcome: SyncOutcome | Error = DONE) {
      begun.at(-1)?.end(outcome);
      await settled();
    },
    ask: (words: Partial<SyncRequest> = {}, until: AbortSignal = signal) =>
      request({ mode: 'delta', acceptRemovals: null, notAfter: null, ...words }, until),
  };
}

test('who asks for no more than the run of now does, joins it', async () => {
  const under = underTest();
  const asked = [under.ask({ mode: 'full' }), under.ask({ mode: 'full' }), under.ask()];
  await under.end();
  assert.deepEqual(await Promise.all(asked), [DONE, DONE, DONE]);
  assert.deepEqual(under.wishes(), [['full', null]]);
});

test('who asks for more follows it, in one run with the others that wait', async () => {
  const under = underTest();
  const asked = [
    under.ask(),
    under.ask({ mode: 'full' }),
    under.ask({ acceptRemovals: 's-1' }),
    under.ask({ acceptRemovals: 's-2' }),
  ];
  await under.end();
  assert.deepEqual(under.wishes(), [
    ['delta', null],
    ['full', 's-1'],
  ]);
  const joins = under.ask({ acceptRemovals: 's-1' });
  await under.end({ kind: 'unlinked' });
  assert.deepEqual(under.wishes().at(-1), ['delta', 's-2']);
  await under.end();
  assert.deepEqual(
    (await Promise.all([...asked, joins])).map(({ kind }) => kind),
    ['done', 'unlinked', 'unlinked', 'done', 'unlinked'],
  );
});

test('a run that rejects is told to who asked for it, and the next begins', async () => {
  const under = underTest();
  const asked = under.ask();
  const next = under.ask({ mode: 'full' });
  const refused = assert.rejects(asked, /broken/);
  await under.end(new Error('broken'));
  await refused;
  await under.end();
  assert.deepEqual(await next, DONE);
});

test('a run ends when nobody waits for it any more, and nobody joins it then', async () => {
  const under = underTest();
  const [one, other] = [new AbortController(), new AbortController()];
  const asked = [under.ask({}, one.signal), under.ask({}, other.signal)];
  const left = asked.map((each) => assert.rejects(each, /left/));
  one.abort(new Error('left'));
  assert.equal(under.begun[0]?.signal.aborted, false);
  other.abort(new Error('left'));
  assert.equal(under.begun[0]?.signal.aborted, true);
  await Promise.all(left);
  const late = under.ask();
  await under.end(new Error('aborted'));
  assert.equal(under.begun.length, 2);
  await under.end();
  assert.deepEqual(await late, DONE);
  await assert.rejects(under.ask({}, one.signal), /left/);
});

test('one whose notAfter passes while it waits is expired; one that joins is never late', async () => {
  const under = underTest();
  const first = under.ask();
  const notAfter = under.clock.wall();
  under.clock.advance(1);
  const joins = under.ask({ notAfter });
  const late = under.ask({ mode: 'full', notAfter });
  await under.end();
  assert.deepEqual([await first, await joins], [DONE, DONE]);
  const outcome = await late;
  assert.equal(outcome.kind === 'failed' && outcome.error.code, 'job_expired');
  assert.equal(under.begun.length, 1);
});

test('what a run uses may be closed when the last has come to its end', async () => {
  const under = underTest();
  await under.idle();
  const asked = [under.ask(), under.ask({ mode: 'full' })];
  const idle = under.idle().then(() => 'idle');
  await under.end();
  assert.equal(await Promise.race([idle, settled()]), undefined);
  await under.end();
  assert.equal(await idle, 'idle');
  await Promise.all(asked);
});
