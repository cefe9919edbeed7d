import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { refuseOtherPages } from '../../src/control-plane/browser-rules.ts';
import { RequestProblem } from '../../src/control-plane/requests.ts';

const HOST = '127.0.0.1:8790';
const JSON_BODY = { 'content-type': 'application/json', 'content-length': '2' };

/** The status that such a request is refused with; 200 where it is let through. */
function judged(headers: IncomingHttpHeaders, { method = 'GET', url = '/grants', onLoopback = true } = {}): number {
  try {
    refuseOtherPages({ method, url, headers } as IncomingMessage, onLoopback);
    return 200;
  } catch (error) {
    assert.ok(error instanceof RequestProblem);
    return error.status;
  }
}

test('a tool that is no browser may send anything', () => {
  assert.equal(judged({ host: HOST }), 200);
  assert.equal(judged({}), 200);
  const form = { host: HOST, 'content-type': 'application/x-www-form-urlencoded', 'content-length': '2' };
  assert.equal(judged(form, { method: 'POST' }), 200);
});

test('on loopback only the names of loopback lead to the stub', () => {
  for (const host of ['localhost', 'localhost:1', '127.0.0.1', '127.9.9.9:8790', '[::1]', '[::1]:8790'])
    assert.equal(judged({ host }), 200, host);
  for (const host of [
    'evil.example',
    'evil.example:8790',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '10.0.0.1:8790',
    '[fe80::1]:1',
    '',
  ])
    assert.equal(judged({ host }), 421, host);
  assert.equal(judged({ host: 'stub.example:8790' }, { onLoopback: false }), 200);
});

test('a page of another origin is refused, whatever it asks', () => {
  for (const origin of ['https://evil.example', 'http://127.0.0.1:8791', 'http://localhost:8790', 'null', 'no origin'])
    for (const method of ['GET', 'POST', 'DELETE'])
      assert.equal(judged({ host: HOST, origin, ...JSON_BODY }, { method }), 403, origin);
  assert.equal(judged({ host: HOST, origin: `http://${HOST}`, ...JSON_BODY }, { method: 'POST' }), 200);
  assert.equal(judged({ host: HOST, origin: `http://${HOST}` }, { method: 'DELETE' }), 200);
});

test('the console sends JSON, and what a form could send is refused', () => {
  const page = { host: HOST, origin: `http://${HOST}` };
  for (const type of [
    undefined,
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/plain; application/json',
  ]) {
    const body = { ...page, 'content-length': '2', ...(type === undefined ? {} : { 'content-type': type }) };
    assert.equal(judged(body, { method: 'POST' }), 415, type ?? 'none');
  }
  assert.equal(judged({ ...page, 'transfer-encoding': 'chunked' }, { method: 'POST' }), 415);
});

test('what a browser says comes from elsewhere sees the page, when someone follows a link, and nothing else', () => {
  for (const site of ['cross-site', 'same-site']) {
    const visit = { host: HOST, 'sec-fetch-site': site, 'sec-fetch-mode': 'navigate' };
    assert.equal(judged(visit, { url: '/' }), 200);
    assert.equal(judged(visit, { url: '/grants' }), 403);
    assert.equal(judged(visit, { url: '/', method: 'POST' }), 403);
    assert.equal(judged({ ...visit, 'sec-fetch-mode': 'no-cors' }, { url: '/' }), 403);
  }
  for (const site of ['same-origin', 'none']) assert.equal(judged({ host: HOST, 'sec-fetch-site': site }), 200);
});
