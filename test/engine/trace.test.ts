import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatInstant } from '../../src/access/instant.ts';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { HOUR_MS, MINUTE_MS, startedEngine } from '../support/engine-under-test.ts';

/** An engine whose every job carries a trace context of its own. */
async function tracedEngine() {
  const started = await startedEngine({ protectedGroups: ['kept'] });
  const { rig } = started;
  rig.addGroup('kept');
  const traces = new Map<string, string>();
  const ask = async (fields: Readonly<Record<string, unknown>>, jobId = `job-${traces.size + 1}`) => {
    const number = String(traces.size + 1);
    const traceparent = traces.get(jobId) ?? `00-${number.padStart(32, '1')}-${number.padStart(16, '2')}-01`;
    traces.set(jobId, traceparent);
    await rig.submit({ jobId, issuedAt: formatInstant(rig.now()), ...fields, traceparent });
    return jobId;
  };
  const grant = (fields: Readonly<Record<string, unknown>> = {}, jobId?: string) =>
    ask(
      { kind: 'grant', grantId: 'g1', user: { username: 'ada' }, group: { name: 'admins' }, durationSeconds: 3600, ...fields },
      jobId,
    );

  /** Every event and every log line that names a job names its trace context too, and each job was named in both. */
  function assertTraced(): void {
    const [told, logged] = [new Set<string>(), new Set<string>()];
    for (const event of rig.told) {
      if (!('jobId' in event)) continue;
      told.add(event.jobId);
      assert.equal(event.traceparent, traces.get(event.jobId), JSON.stringify(event));
    }
    for (const line of rig.log.lines) {
      if (line.jobId === undefined) continue;
      logged.add(line.jobId);
      assert.equal(line['traceparent'], traces.get(line.jobId), JSON.stringify(line));
    }
    assert.deepEqual(told, new Set(traces.keys()));
    assert.deepEqual(logged, new Set(traces.keys()));
  }
  return { ...started, ask, grant, assertTraced };
}

test('the trace context of a job is in every event and log line of it: done, refused, delayed, repeated, overtaken', async () => {
  const { rig, ask, grant, assertTraced } = await tracedEngine();
  await grant();
  await grant({ durationSeconds: 7200 });
  await grant({ grantId: 'g2', group: { name: 'kept' } });
  await grant({ grantId: 'g3', user: { username: 'nobody' } });
  await ask({ kind: 'revoke', grantId: 'g4' });
  await ask({ kind: 'check' });
  await ask({ kind: 'list' });
  await ask({ kind: 'sync', mode: 'full' });
  await ask({ kind: 'grant', grantId: 'g5' });
  await rig.pass(MINUTE_MS);
  rig.fake.goDown();
  await grant({ grantId: 'g6' });
  await ask({ kind: 'revoke', grantId: 'g1' });
  await rig.pass(5 * MINUTE_MS);
  rig.fake.goUp();
  await rig.pass(HOUR_MS);
  assertTraced();
});

test('a job that comes again, and other content under its id, are told with their trace context', async () => {
  const { rig, ask, assertTraced } = await tracedEngine();
  const fields = { kind: 'revoke', grantId: 'g1', issuedAt: formatInstant(rig.now()) };
  await ask(fields, 'same');
  await ask(fields, 'same');
  await ask({ ...fields, grantId: 'g2' }, 'same');
  assert.equal(rig.of('job.failed').length, 1);
  assertTraced();
});

test('what fails in a way that nobody expected names the trace context too', async () => {
  const { rig, ask, grant, assertTraced } = await tracedEngine();
  const broken = () => new LedgerError('failed', 'the disk does not answer');
  rig.ledger.failNext('savePending', broken());
  await grant();
  rig.ledger.failNext('tell', broken());
  await ask({ kind: 'check' });
  await rig.pass(5 * MINUTE_MS);
  rig.ledger.failNext('activate', broken());
  await grant({ durationSeconds: 7200 });
  await rig.pass(5 * MINUTE_MS);
  const failed = rig.log.lines.filter(({ event }) => event === 'engine.attempt-failed' || event === 'job.undecided');
  assert.ok(failed.filter(({ jobId }) => jobId !== undefined).length >= 3);
  assertTraced();
});
