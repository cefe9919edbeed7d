import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FailPoint } from '../../src/access/fail-point.ts';
import { HOUR_MS, MINUTE_MS, startedEngine } from '../support/engine-under-test.ts';

type Started = Awaited<ReturnType<typeof startedEngine>>;

const GRANT: readonly FailPoint[] = [
  'job.stored',
  'grant.resolved',
  'grant.probed-before',
  'grant.intent-stored',
  'grant.modify-answered',
  'grant.probed-after',
  'grant.claimed',
  'event.sent',
  'event.acknowledged',
];
const END: readonly FailPoint[] = [
  'end.stored',
  'end.probed-before',
  'end.intent-stored',
  'end.modify-answered',
  'end.probed-after',
  'end.claimed',
];

/** Dies at that place while `work` is done, and starts again; and dies `then` once more while it recovers, if that is passed. */
async function dieAt({ rig }: Started, point: FailPoint, work: () => Promise<unknown>, then?: FailPoint): Promise<void> {
  rig.crashAt(point);
  await work().catch(() => undefined);
  await rig.pass(1000);
  assert.ok(rig.hasCrashed(), `${point} was never passed`);
  if (then !== undefined) rig.crashAt(then);
  await rig.start().catch(() => undefined);
  if (rig.hasCrashed()) await rig.start();
}

/** What must hold after everything has come to its end. */
async function judge({ rig, ada, admins }: Started, { jobs, grants }: { jobs: readonly string[]; grants: readonly string[] }) {
  assert.ok(!rig.isMember(ada, admins), 'leaked');
  assert.ok(rig.isMember('uid=keeper,ou=people,dc=example,dc=test' as never, admins), 'stolen');
  for (const job of jobs) assert.notEqual(rig.outcomeOf(job), null, `${job} has no outcome`);
  assert.deepEqual(
    rig.of('grant.ended').map(({ grant }) => grant.grantId),
    grants,
  );
  const { jobs: open, pending, ending, intents } = await rig.ledger.unfinished();
  assert.deepEqual([open, pending, ending, intents], [[], [], [], []]);
  const opened = rig.ledger.auditRecords().filter(({ kind }) => kind === 'intent.opened').length;
  const changes = rig.fake.operations.filter(({ method }) => method === 'change').length;
  assert.ok(opened >= changes, `${changes} writes, ${opened} intents`);
}

for (const point of [...GRANT, 'recovery.probed'] as const) {
  test(`a grant survives a death at ${point}: granted once, from the instant of its intent, and ended once`, async () => {
    const started = await startedEngine();
    const { rig, ada, admins } = started;
    const issuedAt = rig.now();
    const send = () => rig.grant({ jobId: 'one', seconds: 600, issuedAt });
    if (point === 'recovery.probed') await dieAt(started, 'grant.intent-stored', send, point);
    else await dieAt(started, point, send);
    await send();
    await rig.pass(MINUTE_MS);
    assert.equal(rig.outcomeOf('one'), 'granted');
    assert.ok(rig.isMember(ada, admins));
    const grant = await rig.grantOf();
    assert.ok(grant?.state === 'active' && grant.activatedAt - issuedAt <= 5000 && grant.standing === false);
    await rig.pass(600_000);
    await judge(started, { jobs: ['one'], grants: ['g1'] });
  });
}

for (const point of ['job.stored', ...END, 'event.sent', 'event.acknowledged'] as const) {
  test(`a revoke survives a death at ${point}`, async () => {
    const started = await startedEngine();
    const { rig } = started;
    const grant = await rig.grant();
    const issuedAt = rig.now();
    const send = () => rig.revoke({ jobId: 'stop', issuedAt });
    await dieAt(started, point, send);
    await send();
    await rig.pass(MINUTE_MS);
    assert.equal(rig.outcomeOf('stop'), 'revoked');
    await judge(started, { jobs: [grant, 'stop'], grants: ['g1'] });
  });
}

for (const point of END) {
  test(`an expiry survives a death at ${point}`, async () => {
    const started = await startedEngine();
    const { rig } = started;
    const grant = await rig.grant({ seconds: 10 });
    await dieAt(started, point, () => rig.pass(10_000));
    await rig.pass(MINUTE_MS);
    await judge(started, { jobs: [grant], grants: ['g1'] });
  });
}

for (const point of ['job.stored', 'grant.claimed', 'event.sent'] as const) {
  test(`a change of the end survives a death at ${point}`, async () => {
    const started = await startedEngine();
    const { rig } = started;
    const grant = await rig.grant({ seconds: 60 });
    const issuedAt = rig.now();
    const send = () => rig.grant({ jobId: 'longer', seconds: 120, issuedAt });
    await dieAt(started, point, send);
    await send();
    await rig.pass(100_000);
    assert.equal(rig.outcomeOf('longer'), 'updated');
    assert.equal(await rig.stateOf(), 'active');
    await rig.pass(30_000);
    await judge(started, { jobs: [grant, 'longer'], grants: ['g1'] });
  });
}

for (const point of GRANT.slice(2, 7)) {
  test(`an extension that restores a membership survives a death at ${point}`, async () => {
    const started = await startedEngine();
    const { rig, ada, admins } = started;
    const grant = await rig.grant({ seconds: 60 });
    rig.fake.tree.apply({ group: admins, attribute: 'member', add: [], remove: [ada] });
    await dieAt(started, point, () => rig.grant({ jobId: 'longer', seconds: 120 }));
    await rig.pass(50_000);
    assert.equal(rig.outcomeOf('longer'), 'updated');
    assert.ok(rig.isMember(ada, admins));
    await rig.pass(HOUR_MS);
    await judge(started, { jobs: [grant, 'longer'], grants: ['g1'] });
  });
}

for (const point of GRANT.slice(1, 6)) {
  test(`a grant that is revoked after a death at ${point} leaves nothing, and both hear of it in order`, async () => {
    const started = await startedEngine();
    const { rig } = started;
    await dieAt(started, point, async () => {
      rig.fake.probesAreUnknown(point === 'grant.resolved');
      await rig.grant({ jobId: 'one' });
    });
    rig.fake.probesAreUnknown(false);
    rig.crash();
    rig.fake.goDown();
    await rig.start();
    await rig.revoke({ jobId: 'stop' });
    rig.fake.goUp();
    await rig.pass(MINUTE_MS);
    assert.deepEqual(['one', 'stop'].map(rig.outcomeOf).slice(1), [rig.outcomeOf('one') === null ? 'already_absent' : 'revoked']);
    const results = rig.told.flatMap((event) =>
      event.kind === 'job.failed' || event.kind === 'job.succeeded' ? [event.jobId] : [],
    );
    assert.deepEqual(results, ['one', 'stop']);
    await judge(started, { jobs: ['one', 'stop'], grants: rig.of('grant.ended').map(({ grant }) => grant.grantId) });
  });
}

describe('a question', () => {
  for (const kind of ['check', 'list'] as const) {
    test(`(${kind}) that a death interrupted is answered once`, async () => {
      const { rig } = await startedEngine();
      rig.disconnect();
      const release = rig.holdChecks();
      const job = await rig.ask(kind);
      rig.crash();
      release();
      await rig.start();
      await rig.pass(1000);
      assert.equal(rig.outcomeOf(job), 'done');
    });
  }
});
