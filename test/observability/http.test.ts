import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { HealthParts } from '../../src/observability/health.ts';
import { serveHealth } from '../../src/observability/http.ts';
import { createLogger } from '../../src/observability/pino-logger.ts';

const READY: HealthParts = {
  directory: { ready: true, baseDn: 'dc=example' },
  controlPlane: { ready: true },
  ledger: { ready: true },
  clock: { ready: true },
  policy: { ready: true },
  sync: { ready: true },
  backup: { ready: true },
};

const metrics = () => Promise.resolve({ contentType: 'text/plain; version=0.0.4', text: 'latchkey_directory_up 1\n' });

async function served(health: () => HealthParts | Promise<HealthParts> = () => READY) {
  const lines: string[] = [];
  const logger = createLogger({ level: 'trace', destination: { write: (line) => lines.push(line) } });
  const endpoint = await serveHealth({ host: '127.0.0.1', port: 0, health, metrics, logger });
  return { url: endpoint.url, lines, logger, [Symbol.asyncDispose]: () => endpoint.close() };
}

test('/livez answers 200 whatever the parts say', async () => {
  await using endpoint = await served(() => ({ ...READY, ledger: { ready: false } }));
  const response = await fetch(`${endpoint.url}/livez`);
  assert.deepEqual([response.status, await response.json()], [200, { live: true }]);
});

test('/readyz and /healthz tell every part, with 503 while one is not ready', async () => {
  let parts = READY;
  await using endpoint = await served(() => parts);
  for (const path of ['/readyz', '/healthz', '/readyz?verbose']) {
    parts = READY;
    const good = await fetch(endpoint.url + path);
    assert.deepEqual([good.status, await good.json()], [200, { ready: true, ...READY }]);
    parts = { ...READY, directory: { ready: false, error: 'down' } };
    const bad = await fetch(endpoint.url + path);
    assert.deepEqual([bad.status, await bad.json()], [503, { ready: false, ...parts }]);
  }
});

test('HEAD answers as GET, without the body', async () => {
  await using endpoint = await served();
  const response = await fetch(`${endpoint.url}/readyz`, { method: 'HEAD' });
  assert.deepEqual([response.status, await response.text()], [200, '']);
  assert.ok(Number(response.headers.get('content-length')) > 20);
});

test('another path is 404 and another method 405', async () => {
  await using endpoint = await served();
  const statuses = [];
  for (const [path, method] of [
    ['/', 'GET'],
    ['/metrics/', 'GET'],
    ['/readyz/', 'GET'],
    ['/livez', 'POST'],
    ['/readyz', 'DELETE'],
    ['/metrics', 'POST'],
  ] as const) {
    const response = await fetch(endpoint.url + path, { method });
    statuses.push(response.status);
    await response.body?.cancel();
  }
  assert.deepEqual(statuses, [404, 404, 404, 405, 405, 405]);
});

test('/metrics tells what is exposed, as it is called, and 503 where that fails', async () => {
  await using endpoint = await served();
  const response = await fetch(`${endpoint.url}/metrics`);
  assert.deepEqual([response.status, await response.text()], [200, 'latchkey_directory_up 1\n']);
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4');
  const { logger } = endpoint;
  const failing = { host: '127.0.0.1', port: 0, health: () => READY, metrics: () => Promise.reject(new Error('no')), logger };
  const other = await serveHealth(failing);
  try {
    const failed = await fetch(`${other.url}/metrics`);
    assert.deepEqual([failed.status, await failed.text()], [503, '{"error":"the metrics could not be told"}\n']);
    assert.ok(endpoint.lines.some((line) => line.includes('the metrics could not be told')));
  } finally {
    await other.close();
  }
});

test('a body is not waited for, and headers beyond the limit are refused', async () => {
  await using endpoint = await served();
  const { port } = new URL(endpoint.url);
  const answerTo = async (text: string) => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.end(text);
    let answer = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      answer += chunk;
    });
    await once(socket, 'close');
    return answer.split('\r\n')[0];
  };
  const expecting = 'POST /livez HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n';
  assert.equal(await answerTo(expecting), 'HTTP/1.1 405 Method Not Allowed');
  assert.match((await answerTo(`GET /livez HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(8_000)}\r\n\r\n`)) ?? '', / 431 /);
});

test('parts that cannot be told are 503, and the program goes on', async () => {
  await using endpoint = await served(() => {
    throw new Error('broken');
  });
  assert.equal((await fetch(`${endpoint.url}/readyz`)).status, 503);
  assert.equal((await fetch(`${endpoint.url}/livez`)).status, 200);
  assert.match(endpoint.lines.join(''), /http\.failed/);
});

test('a part that never answers is not ready, and does not silence /livez', async () => {
  await using endpoint = await served(() => new Promise(() => {}));
  const asked = Array.from({ length: 8 }, async () => (await fetch(`${endpoint.url}/readyz`)).status);
  assert.equal((await fetch(`${endpoint.url}/livez`)).status, 200);
  assert.deepEqual(new Set(await Promise.all(asked)), new Set([503]));
});

test('an address in use is a fault of its own', async () => {
  await using endpoint = await served();
  const port = Number(new URL(endpoint.url).port);
  await assert.rejects(serveHealth({ host: '127.0.0.1', port, health: () => READY, metrics, logger: endpoint.logger }), {
    name: 'ListenError',
    fault: 'address_in_use',
  });
});

test('closing frees the port and cuts connections that idle', async () => {
  const endpoint = await served();
  const port = Number(new URL(endpoint.url).port);
  const idle = connect(port, '127.0.0.1').on('error', () => {});
  await once(idle, 'connect');
  const closed = once(idle, 'close');
  await endpoint[Symbol.asyncDispose]();
  await closed;
  await using again = await serveHealth({ host: '127.0.0.1', port, health: () => READY, metrics, logger: endpoint.logger }).then(
    (second) => ({ url: second.url, [Symbol.asyncDispose]: () => second.close() }),
  );
  assert.equal(again.url, endpoint.url);
});
