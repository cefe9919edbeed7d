import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { parseJobKeys } from '../../src/protocol/job-keys.ts';
import { runCommand } from '../support/program.ts';
import { claimsOf, headerOf, jwksOf, type SigningKey, signed, signingKey } from '../support/signed-jobs.ts';
import { memberships, runningConnector, startReady, succeeded } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';
import { type WebSocketControlPlane, webSocketControlPlane } from '../support/websocket-control-plane.ts';

const ID = 'connector-under-test';

suite('a connector that takes signed jobs only', { concurrency: false }, () => {
  let s: System;
  let jwks: string;
  before(async () => {
    s = await startSystem();
    jwks = join(s.folder, 'control-plane-job-keys.json');
    await s.startStub();
  });
  after(() => s[Symbol.asyncDispose]());

  const grantFor = (username: string) => s.grant({ user: { username }, group: { name: 'on-call' }, durationSeconds: 300 });
  const logged = (event: string, words = /./) =>
    runningConnector(s).line((line) => line.includes(`"event":"${event}"`) && words.test(line));

  test('does what the stub signs, also after a SIGKILL, and says hello with it', async () => {
    await startReady(s, { env: { LATCHKEY_JOB_KEYS_FILE: jwks } });
    const { grantId, jobId } = await grantFor('grace');
    assert.equal(await succeeded(s, jobId), 'granted');
    assert.equal(await s.stopConnector('SIGKILL'), 'SIGKILL');
    await startReady(s, { env: { LATCHKEY_JOB_KEYS_FILE: jwks } });
    assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
    const [known] = await s.api<{ hello?: { capabilities: string[] } }[]>('/connectors');
    assert.ok(JSON.stringify(known).includes('signed-jobs'), JSON.stringify(known));
  });

  test('refuses a key that is not in the file yet, takes it after SIGHUP, and keeps the old ones where a file is bad', async () => {
    await s.stopStub();
    await rm(join(s.folder, 'control-plane-job-key.pem'));
    await s.startStub();
    const keys = parseJobKeys(await readFile(jwks, 'utf8'));
    assert.ok(keys.ok && keys.value.length === 2, 'the new key stands before the old one');
    const { jobId: refused } = await grantFor('liam');
    await logged('job.unverified', /"unknown_key":1/);
    runningConnector(s).signal('SIGHUP');
    await logged('process.reloaded');
    const taken = await grantFor('grace');
    assert.equal(await succeeded(s, taken.jobId), 'granted');
    assert.ok(!(await s.ldap.members(s.group('on-call'))).includes(s.person('liam')));
    const text = await readFile(jwks, 'utf8');
    await writeFile(jwks, JSON.stringify({ keys: [...JSON.parse(text).keys, { kty: 'oct', k: 'AAAA', kid: 'x' }] }));
    runningConnector(s).signal('SIGHUP');
    await logged('process.reload-refused', /LATCHKEY_JOB_KEYS_FILE.*symmetric/);
    assert.equal(await succeeded(s, (await s.revoke(taken.grantId)).jobId), 'revoked');
    await writeFile(jwks, text);
    const events = await s.events();
    assert.ok(!events.some(({ event }) => 'jobId' in event && event.jobId === refused), 'nothing is told of it');
  });

  test('is checked with the keys that it has', async () => {
    const env = { ...s.connectorEnv(), LATCHKEY_JOB_KEYS_FILE: jwks, LATCHKEY_STATE_DIR: join(s.folder, 'another-state') };
    const { stdout } = await runCommand({ args: ['check', '--json'], env, cwd: s.folder });
    assert.match(stdout, /"job keys".*"ok".*2 keys in .*control-plane-job-keys\.json/s);
    assert.deepEqual(await s.violations(), []);
    assert.equal(await s.stopConnector(), 0);
  });

  suite('from a control plane that was taken over', () => {
    const key = signingKey('the-one');
    const [forger, stranger] = [signingKey('the-one'), signingKey('another')];
    let hostile: WebSocketControlPlane;
    before(async () => {
      await writeFile(jwks, jwksOf(key));
      hostile = await webSocketControlPlane();
      await start();
    });
    after(() => hostile[Symbol.asyncDispose]());

    async function start(): Promise<void> {
      const earlier = hostile.connections();
      const env = {
        LATCHKEY_CONTROL_PLANE_URL: hostile.url,
        LATCHKEY_JOB_KEYS_FILE: jwks,
        LATCHKEY_STATE_DIR: join(s.folder, 'other'),
      };
      await s.startConnector({ welcome: false, env });
      await hostile.when(() => (hostile.connections() > earlier ? true : undefined));
    }

    const job = (changes: Readonly<Record<string, unknown>> = {}) => ({
      jobId: randomUUID(),
      kind: 'grant',
      issuedAt: new Date().toISOString(),
      grantId: randomUUID(),
      user: { username: 'grace' },
      group: { name: 'on-call' },
      durationSeconds: 300,
      ...changes,
    });
    const seconds = () => Math.floor(Date.now() / 1000);
    const by = (who: SigningKey, of: Readonly<Record<string, unknown>>, claims: Readonly<Record<string, unknown>> = {}) =>
      signed(who, claimsOf(of, { aud: ID, iat: seconds(), exp: seconds() + 60, ...claims }), headerOf(who));

    async function answersTo(...frames: readonly object[]): Promise<readonly unknown[]> {
      const peer = await hostile.peer();
      const earlier = hostile.errors.length;
      for (const frame of frames) peer.send({ type: 'job', ...frame });
      await hostile.when(() => (hostile.errors.length >= earlier + frames.length ? true : undefined));
      return hostile.errors.slice(earlier).map(({ code }) => code);
    }

    test('does nothing of what is not signed for it, and stores none of it under its id', async () => {
      const initial = await memberships(s);
      const wanted = job();
      const codes = await answersTo(
        { job: wanted },
        { job: job({ kind: 'revoke' }) },
        { jws: by(forger, wanted) },
        { jws: by(stranger, wanted) },
        { jws: by(key, wanted, { aud: 'another-connector' }) },
        { jws: by(key, wanted, { exp: seconds() - 200, iat: seconds() - 300 }) },
        { jws: by(key, wanted, { jti: 'another-job' }) },
        { jws: by(key, wanted).replace(/\.[^.]*$/, '.') },
        { jws: 'a.b.c' },
      );
      assert.deepEqual(new Set(codes), new Set(['signature_invalid']));
      assert.deepEqual(await memberships(s), initial);
      // The id is free for the true job.
      (await hostile.peer()).send({ type: 'job', jws: by(key, wanted) });
      const outcome = await hostile.outcome(wanted.jobId);
      assert.equal(outcome.kind === 'job.succeeded' ? outcome.outcome : outcome.error.code, 'granted');
      // What was counted since the first is told now; a SIGKILL may lose the counts of a minute.
      assert.equal(await s.stopConnector(), 0);
      await start();
    });

    test('a true job that comes again has no second effect, over a SIGKILL too, and other content under its id is a conflict', async () => {
      const wanted = job({ user: { username: 'maria' } });
      const jws = by(key, wanted);
      (await hostile.peer()).send({ type: 'job', jws });
      await hostile.outcome(wanted.jobId);
      const revoke = job({ kind: 'revoke', grantId: wanted.grantId });
      // A revoke needs no times.
      (await hostile.peer()).send({ type: 'job', jws: by(key, revoke, { iat: undefined, exp: undefined, jti: undefined }) });
      await hostile.outcome(revoke.jobId);
      const initial = await memberships(s);
      (await hostile.peer()).send({ type: 'job', jws });
      await hostile.when(() => (hostile.repeats(wanted.jobId) === 1 ? true : undefined));
      await s.stopConnector('SIGKILL');
      await start();
      (await hostile.peer()).send({ type: 'job', jws });
      await hostile.when(() => (hostile.repeats(wanted.jobId) === 2 ? true : undefined));
      (await hostile.peer()).send({ type: 'job', jws: by(key, { ...wanted, durationSeconds: 3_000 }) });
      await hostile.when(() =>
        hostile.events().find((event) => event.kind === 'job.failed' && event.error.code === 'job_conflict'),
      );
      assert.deepEqual(await memberships(s), initial);
    });

    test('the audit trail counts what was refused, and names the keys of each start', async () => {
      assert.equal(await s.stopConnector(), 0);
      const env = { ...s.connectorEnv(), LATCHKEY_STATE_DIR: join(s.folder, 'other') };
      const { stdout, code } = await runCommand({ args: ['audit', 'export'], env, cwd: s.folder });
      assert.equal(code, 0);
      const records = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).record);
      const counted: Record<string, number> = {};
      for (const { kind, facts } of records)
        if (kind === 'job.unverified')
          for (const [reason, count] of Object.entries<number>(facts.refused)) counted[reason] = (counted[reason] ?? 0) + count;
      assert.deepEqual(counted, { unsigned: 2, signature: 1, unknown_key: 1, audience: 1, expired: 1, claims: 1, malformed: 2 });
      const starts = records.filter(({ kind }) => kind === 'connector.started');
      for (const { facts } of starts) assert.equal(facts.configuration.controlPlane.jobKeys.keys[0].kid, 'the-one');
      assert.ok(records.some(({ kind, facts }) => kind === 'job.refused' && facts.code === 'job_conflict'));
    });
  });
});
