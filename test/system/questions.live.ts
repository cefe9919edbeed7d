import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import type { WireGrant } from '../../src/protocol/event-frame.ts';
import { type System, startSystem } from '../support/system.ts';
import { answer, delayOf, grantJob, grantOf, overdueOf, readOnly } from '../support/told.ts';

interface Page {
  readonly page: number;
  readonly last: boolean;
  readonly grants: readonly WireGrant[];
}

suite('questions of the control plane, and what is repeated of a job', () => {
  let s: System;
  const grant = async (uid: string, durationSeconds = 3600) => {
    const asked = await s.grant({ user: { username: uid }, group: { name: 'vpn-users' }, durationSeconds });
    await s.outcome(asked.jobId);
    return asked;
  };
  const list = async (fields: Readonly<Record<string, unknown>> = {}) => {
    const { jobId } = await s.job({ kind: 'list', ...fields });
    const result = await s.outcome(jobId);
    assert.ok(result.kind === 'job.succeeded', JSON.stringify(result));
    assert.equal(result.outcome, 'done');
    const pages = await s.api<Page[]>(`/pages/${jobId}`);
    const grants = pages.flatMap((page) => page.grants);
    assert.equal(result.count, grants.length);
    assert.deepEqual(
      pages.map(({ last }) => last),
      pages.map((_, i) => i === pages.length - 1),
    );
    return { pages, grants, byId: new Map(grants.map((one) => [one.grantId, one])) };
  };
  const check = async () => {
    const { jobId } = await s.job({ kind: 'check' });
    const result = await s.outcome(jobId);
    assert.ok(result.kind === 'job.succeeded', JSON.stringify(result));
    assert.equal(result.outcome, 'done');
    assert.ok(result.report !== undefined);
    return result.report;
  };

  before(async () => {
    s = await startSystem({ ldap: { people: 560 } });
    await s.startStub();
    await s.startConnector();
  });
  after(() => s[Symbol.asyncDispose]());

  test('a list of nothing is one last page, and a count of none', async () => {
    const { pages } = await list();
    assert.deepEqual(
      pages.map(({ page, last, grants }) => ({ page, last, grants })),
      [{ page: 1, last: true, grants: [] }],
    );
  });

  test('a list holds every grant that has not ended, as its last event told it, and those ended since', async () => {
    const active = await grant('u0001');
    const standing = await grant('tomas');
    const early = await grant('u0002');
    await s.outcome((await s.revoke(early.grantId)).jobId);
    const { endedAt } = (await s.endOf(early.grantId)).grant;
    const failed = await grant('nobody-of-that-name');
    const ending = await grant('u0003');
    await readOnly(s, true);
    await s.revoke(ending.grantId);
    const overdue = await overdueOf(s, ending.grantId);
    const now = await list();
    assert.deepEqual(now.byId.get(active.grantId), await grantOf(s, active.jobId));
    assert.deepEqual(now.byId.get(standing.grantId), await grantOf(s, standing.jobId));
    assert.deepEqual(now.byId.get(ending.grantId), overdue.grant);
    assert.deepEqual(
      now.grants.map(({ grantId }) => grantId),
      [active, standing, ending].map(({ grantId }) => grantId).toSorted(),
    );
    const since = await list({ endedSince: endedAt });
    assert.deepEqual(since.byId.get(early.grantId), (await s.endOf(early.grantId)).grant);
    assert.equal(since.grants.length, 4);
    const later = await list({ endedSince: new Date(Date.parse(endedAt ?? '') + 1).toISOString() });
    assert.equal(later.byId.has(early.grantId), false);
    assert.equal(since.byId.has(failed.grantId), false);
    await readOnly(s, false);
    await s.endOf(ending.grantId);
  });

  test('a list is answered while the directory is away, and holds what is pending', async () => {
    await s.ldap.kill('SIGINT');
    const pending = await s.grant({ user: { username: 'u0004' }, group: { name: 'vpn-users' }, durationSeconds: 60 });
    const delayed = await delayOf(s, pending.jobId);
    assert.deepEqual((await list()).byId.get(pending.grantId), delayed.grant);
    await s.ldap.start();
    await s.outcome(pending.jobId);
  });

  test('a long list comes in pages of at most 500, in order, each grant once', async () => {
    const earlier = (await list()).grants.length;
    const asked = await Promise.all(
      Array.from({ length: 501 }, (_, i) =>
        s.grant({ user: { username: `u${String(i + 50).padStart(4, '0')}` }, group: { name: 'on-call' }, durationSeconds: 3600 }),
      ),
    );
    for (const { jobId } of asked) await s.outcome(jobId);
    const { pages, grants, byId } = await list();
    assert.deepEqual(
      pages.map(({ page, grants: some }) => [page, some.length]),
      [
        [1, 500],
        [2, earlier + 1],
      ],
    );
    assert.equal(byId.size, grants.length);
    for (const { grantId } of asked) assert.equal(byId.get(grantId)?.state, 'active');
  });

  test('a check reports every step, and all are ok on the sandbox directory', async () => {
    const report = await check();
    assert.equal(report.ok, true);
    assert.deepEqual(
      report.steps.filter(({ status }) => status !== 'ok'),
      [],
    );
    const names = report.steps.map(({ step }) => step);
    for (const step of ['name', 'tcp', 'tls', 'bind', 'flavour', 'base', 'users scope', 'groups scope', 'users', 'groups'])
      assert.ok(names.includes(step), `${step} of ${names.join(', ')}`);
    const detail = (step: string) => report.steps.find((one) => one.step === step)?.detail ?? '';
    assert.match(detail('users'), /^584 users/);
    assert.match(detail('groups'), /^10 groups/);
    assert.ok(detail('bind').includes(s.ldap.connectorDn));
  });

  test('a check whose step fails succeeds with a report that says which and what', async () => {
    await s.ldap.kill('SIGINT');
    const away = await check();
    assert.equal(away.ok, false);
    assert.deepEqual(
      away.steps.filter(({ status }) => status === 'fail').map(({ step }) => step),
      ['tcp'],
    );
    await s.ldap.start();
    assert.equal(await s.stopConnector(), 0);
    await s.startConnector({ env: { LDAP_USERS_SCOPE: `ou=typo,${s.ldap.baseDn}` } });
    const typo = await check();
    assert.equal(typo.ok, false);
    const failing = typo.steps.filter(({ status }) => status === 'fail');
    assert.ok(
      failing.some(({ step }) => step === 'users scope'),
      JSON.stringify(failing),
    );
    assert.equal(typo.steps.find(({ step }) => step === 'groups scope')?.status, 'ok');
    assert.equal(await s.stopConnector(), 0);
    await s.startConnector();
  });

  test('a repeated question is answered with its stored result', async () => {
    const job = { kind: 'check', jobId: randomUUID(), issuedAt: new Date().toISOString() };
    await s.job(job);
    const first = await s.outcome(job.jobId);
    await s.job(job);
    const { event } = await s.event((one) => one.kind === 'job.succeeded' && one.jobId === job.jobId && one.repeat === true);
    assert.deepEqual(event, { ...first, repeat: true });
  });

  test('justification, requestedBy, reason and fields that nobody knows are accepted', async () => {
    const job = grantJob({
      user: { username: 'u0005' },
      group: { name: 'vpn-users' },
      justification: 'Störung 4711 — "Rückruf"\nzweite Zeile',
      requestedBy: 'amara@example.test',
      colour: 'green',
    });
    await s.job(job);
    assert.equal(await answer(s, job.jobId), 'granted');
    const { jobId } = await s.job({ kind: 'revoke', grantId: job.grantId, reason: 'done', shape: [1] });
    assert.equal(await answer(s, jobId), 'revoked');
  });

  test('a traceparent is repeated in every event of its job, and in every log line that names the job', async () => {
    const traces = new Map<string, string>();
    const traced = async (fields: Readonly<Record<string, unknown>>) => {
      const traceparent = `00-${randomUUID().replaceAll('-', '')}-${randomUUID().replaceAll('-', '').slice(0, 16)}-01`;
      const job = { jobId: randomUUID(), issuedAt: new Date().toISOString(), ...fields, traceparent };
      traces.set(job.jobId, traceparent);
      await s.job(job);
      return job;
    };
    const ask = (uid: string, more: Readonly<Record<string, unknown>> = {}) =>
      traced({ ...grantJob({ user: { username: uid }, group: { name: 'vpn-users' } }), jobId: randomUUID(), ...more });
    const grantIdOf = (job: object) => String((job as { grantId?: unknown }).grantId);
    const active = await ask('u0006');
    await s.outcome(active.jobId);
    const grantId = grantIdOf(active);
    await s.job(active);
    await s.event((one) => one.kind === 'job.succeeded' && one.jobId === active.jobId && one.repeat === true);
    const jobs = [
      await ask('u0006', { grantId, durationSeconds: 7200 }),
      await ask('u0007', { grantId }),
      await ask('nobody-of-that-name'),
      await ask('u0008', { durationSeconds: 0 }),
      await ask('u0008', { issuedAt: '2020-01-01T00:00:00.000Z' }),
      await traced({ kind: 'list' }),
      await traced({ kind: 'check' }),
      await traced({ kind: 'revoke', grantId: randomUUID() }),
    ];
    for (const { jobId } of jobs) await s.outcome(jobId);
    await s.ldap.kill('SIGINT');
    const waiting = await ask('u0009');
    await delayOf(s, waiting.jobId);
    const longer = await ask('u0006', { grantId, durationSeconds: 7300 });
    await delayOf(s, longer.jobId);
    await s.ldap.start();
    await s.outcome(longer.jobId);
    await s.outcome(waiting.jobId);
    await readOnly(s, true);
    const revoke = await traced({ kind: 'revoke', grantId });
    await delayOf(s, revoke.jobId);
    await readOnly(s, false);
    await s.outcome(revoke.jobId);
    const again = await traced({ kind: 'revoke', grantId });
    assert.equal(await answer(s, again.jobId), 'already_ended');

    const seen = new Set<string>();
    for (const { event } of await s.events()) {
      if (!('jobId' in event) || !traces.has(event.jobId)) continue;
      seen.add(event.jobId);
      assert.equal(event.traceparent, traces.get(event.jobId), JSON.stringify(event));
    }
    assert.deepEqual(seen, new Set(traces.keys()));
    assert.equal(await s.stopConnector(), 0);
    const logged = new Set<string>();
    for (const text of s.connectorLines) {
      const line = JSON.parse(text) as { jobId?: string; traceparent?: string };
      if (line.jobId === undefined || !traces.has(line.jobId)) continue;
      logged.add(line.jobId);
      assert.equal(line.traceparent, traces.get(line.jobId), text);
    }
    assert.deepEqual(logged, new Set(traces.keys()));
  });

  test('no rule of the protocol was broken on the way', async () => {
    assert.deepEqual(await s.violations(), []);
  });
});
