import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { instant } from '../../src/access/instant.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { makeClientCertificate } from '../support/client-certificate.ts';
import { configFolder, configOf, MINIMAL } from '../support/minimal-config.ts';

const { folder, file } = configFolder();

type Variables = Readonly<Record<string, string>>;
const load = (variables: Variables, nowMs = Date.now()) =>
  loadConfig({ environment: { ...MINIMAL, ...variables }, terminal: false, now: () => instant(nowMs) });

function controlPlaneOf(variables: Variables) {
  return configOf(load(variables)).controlPlane;
}

/** Asserts that exactly one problem is found, about this variable, and returns it in words. */
function refused(variables: Variables, variable: string, about: RegExp, nowMs?: number): string {
  const loaded = load(variables, nowMs);
  assert.ok(!loaded.ok, 'expected a problem');
  const [problem, ...others] = loaded.problems;
  assert.deepEqual(others, []);
  assert.equal(problem?.variable, variable);
  const words = `${problem.found} | ${problem.expected}`;
  assert.match(words, about);
  return words;
}

test('an address without a host before its path is refused, not read with the host that a parser finds there', () => {
  for (const url of ['wss:///control.example.com/connect', 'wss:////h', 'wss:\\\\h', 'wss://\\h', 'wss://h\\connect', 'wss:///'])
    refused({ LATCHKEY_CONTROL_PLANE_URL: url }, 'LATCHKEY_CONTROL_PLANE_URL', /no URL/);
  for (const url of ['http:///proxy.example.com', 'http://CORP\\user:x@proxy.example.com'])
    refused({ HTTPS_PROXY: url }, 'HTTPS_PROXY', /no URL/);
});

test('an address with a line break or a tab in it is refused: without them it would be another host', () => {
  for (const blank of ['\r', '\n', '\t', '\r\n', ' ', '\u0001']) {
    refused(
      { LATCHKEY_CONTROL_PLANE_URL: `wss://control.example.${blank}om/connect` },
      'LATCHKEY_CONTROL_PLANE_URL',
      /no URL|legible|more than one line/,
    );
    refused({ HTTPS_PROXY: `http://proxy.exa${blank}mple.com` }, 'HTTPS_PROXY', /no URL|legible|more than one line/);
  }
});

test('a proxy is read from either case of its name, with or without a scheme', () => {
  const of = (url: string, name = 'HTTPS_PROXY') => {
    const { proxy } = controlPlaneOf({ [name]: url });
    return proxy === null ? null : `${proxy.scheme} ${proxy.host} ${proxy.port}`;
  };
  for (const name of ['HTTPS_PROXY', 'https_proxy', 'Https_Proxy'])
    assert.equal(of('http://proxy.corp:3128', name), 'http proxy.corp 3128');
  assert.equal(of('http://proxy.corp/'), 'http proxy.corp 80');
  assert.equal(of('https://proxy.corp'), 'https proxy.corp 443');
  assert.equal(of('proxy.corp:3128'), 'http proxy.corp 3128');
  assert.equal(of(' 10.0.0.1:3128 '), 'http 10.0.0.1 3128');
  assert.equal(of('http://[2001:db8::1]:3128'), 'http 2001:db8::1 3128');
  assert.equal(of(''), null);
});

test('both cases of the name may agree, and must', () => {
  const both = (one: string, other: string) => ({ HTTPS_PROXY: one, https_proxy: other });
  assert.equal(controlPlaneOf(both('http://proxy', 'http://proxy')).proxy?.host, 'proxy');
  assert.equal(controlPlaneOf(both('http://proxy', '')).proxy?.host, 'proxy');
  const words = refused(both('http://u:hidden1@proxy', 'http://u:hidden2@proxy'), 'HTTPS_PROXY', /https_proxy too/);
  assert.doesNotMatch(words, /hidden/);
});

test('the credentials of a proxy are a secret, decoded', async () => {
  const { proxy } = controlPlaneOf({ HTTPS_PROXY: 'http://jo%40corp:p%3Aw%C3%A9@proxy' });
  assert.equal((await proxy?.credentials?.())?.reveal(), 'jo@corp:p:wé');
  assert.doesNotMatch(inspect([proxy, await proxy?.credentials?.()], { depth: 9 }) + JSON.stringify(proxy), /corp|p:w|p%3A/);
  assert.equal(controlPlaneOf({ HTTPS_PROXY: 'http://proxy' }).proxy?.credentials, null);
});

test('a proxy that cannot be used is refused without being shown, with the way around it', () => {
  for (const [url, about] of [
    ['socks5://u:hidden@proxy', /another kind/],
    ['http://u:hidden@proxy/path', /path/],
    ['http://u:hidden@proxy?x=hidden', /query/],
    ['http://u:hidden@proxy:0', /port/],
    ['http://u:hidden%zz@proxy', /cannot be sent/],
    ['http://u:hidden%0A@proxy', /cannot be sent/],
    ['http://u%3Av:hidden@proxy', /cannot be sent/],
    ['http://u:hidden@', /no URL/],
    ['http://u:hid/den@proxy', /no URL/],
  ] as const) {
    const words = refused({ HTTPS_PROXY: url }, 'HTTPS_PROXY', about);
    assert.doesNotMatch(words, /hidden|hid\/den/);
    assert.match(words, /control\.example\.com in NO_PROXY/);
  }
});

test('a proxy is used only where the control plane is not exempted and the connection leaves the machine', () => {
  const proxyOf = (variables: Variables) => controlPlaneOf({ HTTPS_PROXY: 'http://proxy', ...variables }).proxy;
  for (const url of ['ws://localhost', 'wss://localhost', 'wss://127.0.0.9:8443', 'wss://[::1]'])
    assert.equal(proxyOf({ LATCHKEY_CONTROL_PLANE_URL: url }), null, url);
  for (const exempt of ['*', 'control.example.com', '.example.com', 'a, EXAMPLE.com', 'control.example.com:443'])
    assert.equal(proxyOf({ no_proxy: exempt }), null, exempt);
  for (const other of ['', 'ample.com', 'control.example.com:8443', '10.0.0.0/8'])
    assert.equal(proxyOf({ NO_PROXY: other })?.host, 'proxy', other);
  const byAddress = { LATCHKEY_CONTROL_PLANE_URL: 'wss://10.1.2.3' };
  assert.equal(proxyOf({ ...byAddress, NO_PROXY: '10.0.0.0/8' }), null);
  assert.equal(proxyOf({ ...byAddress, NO_PROXY: '10.0.0.0/16' })?.host, 'proxy');
  assert.equal(proxyOf({ NO_PROXY: 'other', no_proxy: 'example.com' }), null);
  assert.equal(controlPlaneOf({ HTTPS_PROXY: 'no proxy at all', NO_PROXY: '*' }).proxy, null);
});

const CERT = 'LATCHKEY_CONTROL_PLANE_CERT_FILE';
const KEY = 'LATCHKEY_CONTROL_PLANE_KEY_FILE';

test('a client certificate and its key are read together, and again each time', async () => {
  const first = makeClientCertificate();
  const certFile = file('cert.pem', first.chain);
  const keyFile = file('key.pem', first.key);
  const source = controlPlaneOf({ [CERT]: certFile, [KEY]: keyFile }).clientCertificate;
  const read = await source?.();
  assert.ok(read?.ok);
  assert.equal(read.value.key.reveal().trim(), first.key.trim());
  assert.doesNotMatch(inspect(read, { depth: 9 }) + JSON.stringify(read), /PRIVATE KEY/);
  const second = makeClientCertificate();
  writeFileSync(certFile, second.chain);
  assert.deepEqual(await source?.(), {
    ok: false,
    of: 'key',
    problem: `is not the key of the first certificate in ${certFile}`,
  });
  writeFileSync(keyFile, second.key);
  const again = await source?.();
  assert.ok(again?.ok && again.value.chain.trim() === second.chain.trim());
  assert.equal(controlPlaneOf({}).clientCertificate, null);
});

test('a client certificate without its key, or a key without its certificate, is refused', () => {
  const { chain, key } = makeClientCertificate();
  refused({ [CERT]: file('lone-cert.pem', chain) }, KEY, /not set, and .*CERT_FILE is \| both of them, or none/);
  refused({ [KEY]: file('lone-key.pem', key) }, CERT, /not set, and .*KEY_FILE is/);
});

test('a client certificate that has expired is warned of: endings need no control plane, and must not wait for a new one', () => {
  const expiresAtMs = Date.parse('2026-03-01T00:00:00.000Z');
  const { chain, key } = makeClientCertificate({ expiresAtMs });
  const loaded = load({ [CERT]: file('old.pem', chain), [KEY]: file('old-key.pem', key) }, expiresAtMs);
  assert.ok(loaded.ok);
  const [warning, ...others] = loaded.warnings.filter(({ variable }) => variable === CERT);
  assert.deepEqual(others, []);
  assert.match(warning?.message ?? '', /expired at 2026-03-01T00:00:00.000Z; have it renewed/);
});

test('a client certificate that cannot be used is refused, and the key is never shown', () => {
  const expiresAtMs = Date.parse('2026-03-01T00:00:00.000Z');
  const { chain, key } = makeClientCertificate({ expiresAtMs });
  const now = expiresAtMs - 1_000;
  const certFile = file('c.pem', chain);
  const keyFile = file('k.pem', key);
  const wrong = (certificate: string, itsKey: string, of: string, about: RegExp, nowMs = now) => {
    const words = refused({ [CERT]: certificate, [KEY]: itsKey }, of, about, nowMs);
    assert.doesNotMatch(words, /PRIVATE KEY-|MIG/);
  };
  wrong(certFile, file('other.pem', makeClientCertificate().key), KEY, /not the key of the first certificate/);
  wrong(certFile, file('locked.pem', makeClientCertificate({ passphrase: 'x' }).key), KEY, /without a passphrase/);
  wrong(certFile, certFile, KEY, /holds something else \(not shown\)/);
  wrong(certFile, join(folder, 'absent'), KEY, /does not exist/);
  wrong(certFile, folder, KEY, /cannot be read as a file/);
  wrong(certFile, key, KEY, /not shown: it may be the secret itself/);
  wrong(keyFile, keyFile, CERT, /holds no PEM certificate/);
  wrong(join(folder, 'absent'), keyFile, CERT, /does not exist/);
});
