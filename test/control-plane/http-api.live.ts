import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { runControlPlane } from '../../src/control-plane/control-plane.ts';
import { lineSink, startStub, temporaryFolder } from '../support/control-plane.ts';

const GRANT = { connectorId: 'c-1', user: { username: 'ada' }, group: { name: 'ops' }, durationSeconds: 60 };

async function run(argv: readonly string[]) {
  const stdout = lineSink();
  const stderr = lineSink();
  const code = await runControlPlane(argv, { stdout: stdout.stream, stderr: stderr.stream, signal: AbortSignal.abort() });
  return { code, out: stdout.lines.join('\n'), err: stderr.lines.join('\n') };
}

describe('the command line', () => {
  test('--help prints the usage and exits 0', async () => {
    const { code, out } = await run(['--help']);
    assert.equal(code, 0);
    assert.match(out, /usage: control-plane/);
    assert.match(out, /not a product/);
  });

  for (const argv of [
    ['--nope'],
    ['extra'],
    ['--listen', '8790'],
    ['--listen', 'h:99999'],
    ['--heartbeat', '4'],
    ['--heartbeat', 'x'],
  ]) {
    test(`${argv.join(' ')} exits 64 and names what was found`, async () => {
      const { code, err } = await run(argv);
      assert.equal(code, 64);
      assert.ok(err.includes(argv.at(-1) ?? ''), err);
      assert.match(err, /usage: control-plane/);
    });
  }

  test('an address in use exits 69', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    const files = ['--state', join(folder.path, 'other.json'), '--token-file', join(folder.path, 'token')];
    const { code, err } = await run(['--listen', `127.0.0.1:${stub.port}`, ...files]);
    assert.equal(code, 69);
    assert.match(err, /EADDRINUSE/);
  });

  test('a state file that cannot be read exits 78 and stays as it is', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'state.json');
    await writeFile(file, 'mine');
    const { code } = await run(['--listen', '127.0.0.1:0', '--state', file, '--token-file', join(folder.path, 'token')]);
    assert.equal(code, 78);
    assert.equal(await readFile(file, 'utf8'), 'mine');
  });

  test('a token is made once, for the owner only; the stub says what it is and stops with 0', async () => {
    await using folder = await temporaryFolder();
    const stub = await startStub(folder.path);
    const token = await stub.token();
    assert.match(token, /^[A-Za-z0-9_-]{43}$/);
    assert.equal((await stat(join(folder.path, 'token'))).mode & 0o777, 0o600);
    assert.match(stub.stdout.lines[0] ?? '', /developer's tool/);
    assert.ok(!stub.stdout.lines.join('\n').includes(token));
    assert.equal(await stub.stop(), 0);
    await using again = await startStub(folder.path);
    assert.equal(await again.token(), token);
  });
});

describe('the API', () => {
  test('says what it is', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    assert.match(await stub.get<string>('/'), /developer's tool/);
  });

  test('a grant is kept before it is answered, and survives a restart', async () => {
    await using folder = await temporaryFolder();
    let grantId: unknown;
    {
      await using stub = await startStub(folder.path);
      const { status, body } = await stub.request('POST', '/grants', GRANT);
      assert.equal(status, 201);
      grantId = (body as { grantId: string }).grantId;
      assert.ok((await readFile(join(folder.path, 'state.json'), 'utf8')).includes(String(grantId)));
    }
    await using stub = await startStub(folder.path);
    const grants = await stub.get<{ grantId: string; jobs: { state: string }[] }[]>('/grants');
    assert.deepEqual(
      grants.map((grant) => [grant.grantId, grant.jobs[0]?.state]),
      [[grantId, 'queued']],
    );
  });

  test('requests that cannot be served name what was found and expected', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    await stub.request('POST', '/grants', { ...GRANT, grantId: 'g-1', jobId: 'j-1' });
    const cases: readonly [string, string, unknown, number, RegExp][] = [
      ['POST', '/grants', { ...GRANT, user: { username: 'ada', id: 'x' } }, 400, /user/],
      ['POST', '/grants', { ...GRANT, expiresAt: '2026-01-01T00:00:00.000Z' }, 400, /exactly one of expiresAt, durationSeconds/],
      ['POST', '/grants', { ...GRANT, durationSeconds: 0 }, 400, /durationSeconds/],
      ['POST', '/grants', { ...GRANT, reason: 'typo' }, 400, /found reason; expected only/],
      ['POST', '/grants', { ...GRANT, jobId: 'j-1' }, 409, /job j-1 exists/],
      ['POST', '/grants', { ...GRANT, grantId: 'g-1', connectorId: 'c-2' }, 409, /belongs to connector c-1/],
      ['POST', '/grants', { ...GRANT, connectorId: undefined }, 409, /no connector has connected/],
      ['POST', '/grants', { ...GRANT, connectorId: 7 }, 400, /connectorId: found 7/],
      ['POST', '/grants', '{', 400, /not JSON/],
      ['POST', '/grants', '[]', 400, /JSON object/],
      ['POST', '/grants', `"${'x'.repeat(70_000)}"`, 413, /at most 65536/],
      ['POST', '/jobs', { connectorId: 'c-1', job: 'x' }, 400, /job: found "x"/],
      ['DELETE', '/grants/nobody', undefined, 404, /no grant nobody/],
      ['GET', '/grants/nobody', undefined, 404, /no grant nobody/],
      ['GET', '/jobs/nobody', undefined, 404, /no job nobody/],
      ['GET', '/pages/nobody', undefined, 404, /nobody/],
      ['GET', '/events?after=-1', undefined, 400, /after: found -1/],
      ['GET', '/events?waitSeconds=31', undefined, 400, /up to 30/],
      ['PUT', '/grants', undefined, 405, /expected GET or POST/],
      ['GET', '/nothing', undefined, 404, /GET \/ lists/],
      ['GET', '/grants/%E0%A4%A', undefined, 400, /percent-encoded/],
    ];
    for (const [method, path, body, status, message] of cases) {
      const answer = await stub.request(method, path, body);
      assert.equal(answer.status, status, `${method} ${path} ${JSON.stringify(answer.body)}`);
      assert.match((answer.body as { error: string }).error, message);
    }
    assert.equal((await stub.get<unknown[]>('/jobs')).length, 1);
  });

  test('an extension is another job of the same grant', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    for (const jobId of ['j-1', 'j-2']) await stub.request('POST', '/grants', { ...GRANT, grantId: 'g-1', jobId });
    assert.deepEqual(await stub.request('DELETE', '/grants/g-1').then(({ status }) => status), 202);
    const { jobs } = await stub.get<{ jobs: { kind: string }[] }>('/grants/g-1');
    assert.deepEqual(
      jobs.map(({ kind }) => kind),
      ['grant', 'grant', 'revoke'],
    );
  });

  test('a web page gets no answer', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    const { status } = await fetch(`${stub.apiUrl}/grants`, { headers: { origin: 'https://example.com' } });
    assert.equal(status, 403);
  });

  test('beyond loopback it speaks https and asks for the API token', async () => {
    await using folder = await temporaryFolder();
    const apiTokenFile = join(folder.path, 'api-token');
    await using stub = await startStub(folder.path, { args: ['--listen', '0.0.0.0:0', '--api-token-file', apiTokenFile] });
    assert.match(stub.connectUrl, /^wss:/);
    const ca = await readFile(join(folder.path, 'control-plane-ca.pem'), 'utf8');
    const get = async (token: string) => {
      const headers = { authorization: `Bearer ${token}` };
      const sent = httpsRequest({ host: '127.0.0.1', port: stub.port, path: '/grants', ca, headers, agent: false });
      sent.end();
      const [response] = (await once(sent, 'response')) as [{ statusCode: number; resume(): void }];
      response.resume();
      return response.statusCode;
    };
    assert.equal(await get((await readFile(apiTokenFile, 'utf8')).trim()), 200);
    assert.equal(await get(await stub.token()), 401);
    assert.equal(await get(''), 401);
  });

  test('the certificate is kept from run to run', async () => {
    await using folder = await temporaryFolder();
    const texts: string[] = [];
    for (let i = 0; i < 2; i += 1) {
      await using stub = await startStub(folder.path, { args: ['--listen', '0.0.0.0:0'] });
      assert.match(stub.connectUrl, /^wss:\/\/localhost:/);
      texts.push(await readFile(join(folder.path, 'control-plane-cert.pem'), 'utf8'));
    }
    assert.equal(texts[0], texts[1]);
    assert.equal((await stat(join(folder.path, 'control-plane-key.pem'))).mode & 0o777, 0o600);
  });
});
