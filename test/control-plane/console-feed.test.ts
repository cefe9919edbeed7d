import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { openBook, type StoredJob } from '../../src/control-plane/book.ts';
import { openChanges } from '../../src/control-plane/changes.ts';
import type { News } from '../../src/control-plane/console/answers.ts';
import { feedConsole } from '../../src/control-plane/console-feed.ts';
import type { Desk } from '../../src/control-plane/desk.ts';
import { openFaults } from '../../src/control-plane/faults.ts';
import { openPictures } from '../../src/control-plane/pictures.ts';
import type { WireEvent, WireGrant } from '../../src/protocol/event-frame.ts';
import type { FrameFromConnector } from '../../src/protocol/frames.ts';
import { fakeClock } from '../support/fake-clock.ts';

type Hello = Extract<FrameFromConnector, { type: 'hello' }>;

const AT = '2026-01-01T00:00:00.000Z';
const LOOK_MS = 250;
const BEAT_MS = 5_000;

const ACTIVE: WireGrant = {
  grantId: 'g-1',
  user: { id: 'u-1', dn: 'uid=grace,ou=people' },
  group: { id: 'gr-1', dn: 'cn=on-call,ou=groups' },
  state: 'active',
  standing: false,
  activatedAt: AT,
  expiresAt: '2026-01-01T00:15:00.000Z',
};
const ERROR = { code: 'directory_unavailable', message: 'no route', retryable: true } as const;

/** A desk with one grant job, and the console's feed of it. */
async function opened(jobs: readonly StoredJob[] = [jobOf('g-1')]) {
  const clock = fakeClock();
  const book = openBook(undefined);
  for (const job of jobs) book.addJob(job);
  let seq = 0;
  let saves = 0;
  const desk: Desk = {
    book,
    clock,
    stateFile: {
      async save() {
        saves += 1;
      },
    },
    heartbeatSeconds: 15,
    violated: () => undefined,
    note: () => undefined,
    unsaved: () => assert.fail('it could not be saved'),
    changes: openChanges(clock),
    pages: new Map(),
    pictures: await openPictures('/nowhere/state.json', []),
    faults: openFaults(),
    signer: { jwksFile: '', sign: () => '' },
    sessions: new Map(),
  };
  const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), { writeHead: () => undefined });
  const gone = new AbortController();
  const fed = feedConsole(stream as unknown as ServerResponse, desk, gone.signal);
  const messages = stream[Symbol.asyncIterator]();
  return {
    book,
    clock,
    saves: () => saves,
    tell(event: WireEvent): void {
      seq += 1;
      book.addEvent({ connectorId: 'c-1', ledgerId: 'l-1', seq, at: AT, event, storedAt: AT });
      desk.changes.tell();
    },
    async news(): Promise<News> {
      const { value } = (await messages.next()) as { value: string };
      return JSON.parse(/^data: (.*)\n\n$/.exec(value)?.[1] ?? '') as News;
    },
    async [Symbol.asyncDispose]() {
      gone.abort();
      await fed;
    },
  };
}

function jobOf(grantId: string, kind = 'grant'): StoredJob {
  const job = {
    jobId: `${kind}-${grantId}`,
    kind,
    issuedAt: AT,
    grantId,
    user: { username: 'grace' },
    group: { name: 'on-call' },
  };
  return { connectorId: 'c-1', job, createdAt: AT, receivedAt: null, refused: null };
}

const jobEvent = { jobId: 'grant-g-1', grant: ACTIVE };

test('the first message replaces everything, and is told from the disk', async () => {
  await using feed = await opened();
  const { whole, grants = [], totals, events } = await feed.news();
  assert.equal(whole, true);
  assert.deepEqual([grants.length, grants[0]?.state, grants[0]?.user.asked, totals?.queued], [1, { kind: 'queued' }, 'grace', 1]);
  assert.equal(events, undefined);
  assert.ok(feed.saves() > 0);
});

test('a grant is told at each step, with what the connector said of it, until it has ended', async () => {
  await using feed = await opened();
  await feed.news();
  const steps: [() => void, object][] = [
    [
      () => feed.tell({ kind: 'job.delayed', jobId: 'grant-g-1', attempts: 1, nextAttemptAt: AT, error: ERROR }),
      { kind: 'delayed', error: { code: ERROR.code, message: ERROR.message }, nextAttemptAt: AT },
    ],
    [
      () => feed.tell({ kind: 'job.succeeded', ...jobEvent, outcome: 'granted' }),
      { kind: 'active', since: AT, expiresAt: ACTIVE.expiresAt, standing: false },
    ],
    [
      () => feed.tell({ kind: 'grant.overdue', grant: { ...ACTIVE, state: 'ending' }, since: AT, error: ERROR }),
      {
        kind: 'ending',
        expiresAt: ACTIVE.expiresAt,
        overdue: { since: AT, error: { code: ERROR.code, message: ERROR.message } },
      },
    ],
    [
      () =>
        feed.tell({
          kind: 'grant.ended',
          grant: { ...ACTIVE, state: 'ended', endedAt: AT },
          cause: 'expired',
          membership: 'removed',
        }),
      { kind: 'ended', cause: 'expired', membership: 'removed', at: AT },
    ],
  ];
  for (const [step, state] of steps) {
    step();
    const { whole, grants = [], events = [] } = await feed.news();
    assert.deepEqual([whole, grants.map((row) => row.state), events.length], [false, [state], 1]);
  }
});

test('a revoke that is on its way ends the grant for the eye, though nothing was heard yet', async () => {
  await using feed = await opened();
  await feed.news();
  feed.tell({ kind: 'job.succeeded', ...jobEvent, outcome: 'granted' });
  await feed.news();
  feed.book.addJob(jobOf('g-1', 'revoke'));
  feed.clock.advance(LOOK_MS);
  const { grants = [], totals } = await feed.news();
  assert.deepEqual(grants[0]?.state, { kind: 'ending', expiresAt: ACTIVE.expiresAt, overdue: null });
  assert.deepEqual([totals?.active, totals?.ending], [0, 1]);
});

test('of many grants only those are told again that have changed', async () => {
  await using feed = await opened(['g-1', 'g-2', 'g-3'].map((grantId) => jobOf(grantId)));
  assert.equal((await feed.news()).grants?.length, 3);
  feed.tell({ kind: 'job.failed', jobId: 'grant-g-2', error: { ...ERROR, retryable: false } });
  const { grants = [] } = await feed.news();
  assert.deepEqual(
    grants.map(({ grantId, state }) => [grantId, state.kind]),
    [['g-2', 'failed']],
  );
});

test('where nothing changes the stub says so all the same, since silence means that it is gone', async () => {
  await using feed = await opened();
  await feed.news();
  const beat = feed.news();
  for (let passed = 0; passed < BEAT_MS; passed += LOOK_MS) {
    await feed.clock.armed(LOOK_MS);
    feed.clock.advance(LOOK_MS);
  }
  assert.deepEqual(await beat, { time: '2026-01-01T00:00:05.000Z', whole: false });
});

test('a connector is told with what its directory is by the last that it said, and why its sync failed', async () => {
  await using feed = await opened([]);
  await feed.news();
  const hello = { type: 'hello', connectorId: 'c-1', ledgerId: 'l-1', version: '1', directory: null } as unknown as Hello;
  feed.book.greet(hello, { ...hello }, AT, 'token');
  feed.clock.advance(LOOK_MS);
  const first = (await feed.news()).connectors?.[0];
  assert.deepEqual([first?.connected, first?.directory, first?.syncProblem], [false, { kind: 'down', error: null }, null]);
  feed.tell({ kind: 'directory.changed', state: 'down', error: ERROR });
  const told = { code: ERROR.code, message: ERROR.message };
  assert.deepEqual((await feed.news()).connectors?.[0]?.directory, { kind: 'down', error: told });
  feed.tell({ kind: 'sync.failed', syncId: 's-1', mode: 'full', error: { ...ERROR, code: 'removals_held' } });
  assert.equal((await feed.news()).connectors?.[0]?.syncProblem?.code, 'removals_held');
  const counts = { users: 1, groups: 1, memberships: 0, changed: 0, removed: 0, durationMs: 1 };
  feed.tell({ kind: 'sync.completed', syncId: 's-2', mode: 'full', ...counts });
  assert.equal((await feed.news()).connectors?.[0]?.syncProblem, null);
});
