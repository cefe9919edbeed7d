import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, suite, test } from 'node:test';
import { inspect, promisify } from 'node:util';
import { instant } from '../../src/access/instant.ts';
import { fixedSecret } from '../../src/secrets/file-secret.ts';
import { SecretError } from '../../src/secrets/secret-source.ts';
import { askVault, type VaultServer } from '../../src/secrets/vault/ask.ts';
import { openVault, type VaultLogin } from '../../src/secrets/vault/vault.ts';
import { certificateAuthority } from '../support/certificate-authority.ts';
import { type FakeVault, startFakeVault } from '../support/fake-vault.ts';
import { recordingTls } from '../support/recording-tls.ts';

const SECRET = 'correct-horse-battery';
const AT = { path: 'secret/data/latchkey/ldap', field: 'password' };
const authority = certificateAuthority('the authority of Vault');

suite('secrets in Vault', { concurrency: false }, () => {
  let vault: FakeVault;
  let nowMs = 1_000_000;

  before(async () => {
    const certificate = authority.issue({ name: 'vault', hosts: ['127.0.0.1'], purpose: 'server' });
    vault = await startFakeVault({ certificate });
  });
  after(() => vault[Symbol.asyncDispose]());
  beforeEach(() => {
    vault.asked.length = 0;
    vault.instead = null;
    vault.leaseSeconds = 3600;
    vault.secrets.clear();
    vault.secrets.set(AT.path, { password: SECRET, other: 'nothing' });
    vault.tokens.clear();
    vault.tokens.add('hvs.of-a-person');
    vault.roles.approle = { roleId: 'a-role', secretId: 'secret-of-the-role' };
    vault.roles.kubernetes = { role: 'latchkey', jwt: 'jwt-of-the-pod' };
  });

  const TOKEN: VaultLogin = { by: 'token', token: fixedSecret('hvs.of-a-person') };
  const APPROLE: VaultLogin = {
    by: 'approle',
    mount: 'approle',
    roleId: 'a-role',
    secretId: fixedSecret('secret-of-the-role'),
  };
  const KUBERNETES: VaultLogin = { by: 'kubernetes', mount: 'kubernetes', role: 'latchkey', jwt: fixedSecret('jwt-of-the-pod') };

  function server(changes: Partial<VaultServer> = {}): VaultServer {
    const { hostname, port, protocol } = new URL(vault.url);
    const scheme = protocol === 'https:' ? 'https' : 'http';
    return {
      address: { scheme, host: hostname, port: Number(port), prefix: '' },
      ca: authority.pem,
      namespace: null,
      timeoutMs: 5_000,
      ...changes,
    };
  }

  const opened = (login: VaultLogin, changes: Partial<VaultServer> = {}) =>
    openVault({ server: server(changes), login, ask: askVault(server(changes)), now: () => instant(nowMs) });
  const source = (login: VaultLogin, changes: Partial<VaultServer> = {}) => opened(login, changes).secret(AT, () => true);

  async function failure(reading: Promise<unknown>): Promise<SecretError> {
    const error: unknown = await reading.then(
      () => assert.fail('it was read'),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof SecretError, String(error));
    for (const hidden of [SECRET, 'hvs.', 'secret-of-the-role', 'jwt-of-the-pod'])
      assert.ok(!inspect(error, { depth: 9 }).includes(hidden), 'a secret in an error');
    return error;
  }

  for (const [login, path] of [
    [TOKEN, null],
    [APPROLE, 'auth/approle/login'],
    [KUBERNETES, 'auth/kubernetes/login'],
  ] as const)
    test(`${login.by}: a field is read over TLS, anew each time, with one login`, async () => {
      const read = source(login, { namespace: 'berlin' });
      assert.equal((await read()).reveal(), SECRET);
      vault.secrets.set(AT.path, { password: 'another' });
      assert.equal((await read()).reveal(), 'another');
      assert.deepEqual(
        vault.asked.map((asked) => asked.path),
        [...(path === null ? [] : [path]), AT.path, AT.path],
      );
      assert.ok(vault.asked.every(({ namespace }) => namespace === 'berlin'));
    });

  test('a token that ended is replaced by a new login before it is used, and one that was revoked after', async () => {
    vault.leaseSeconds = 100;
    const read = source(APPROLE);
    await read();
    nowMs += 90_000;
    await read();
    vault.tokens.clear();
    await read();
    assert.equal(vault.asked.filter(({ path }) => path === 'auth/approle/login').length, 3);
  });

  test('what is secret on the way is told, so that no line shows it', async () => {
    const told = async (login: VaultLogin): Promise<readonly string[]> => {
      const learnt: string[] = [];
      await source(login)((secret) => learnt.push(secret.reveal()));
      return learnt;
    };
    assert.deepEqual(await told(TOKEN), ['hvs.of-a-person']);
    const [secretId, token = ''] = await told(APPROLE);
    assert.equal(secretId, 'secret-of-the-role');
    assert.match(token, /^hvs\.login-/);
    assert.equal((await told(KUBERNETES))[0], 'jwt-of-the-pod');
  });

  test('two secrets share a login', async () => {
    vault.secrets.set('secret/data/control-plane', { token: 'abc' });
    const both = opened(KUBERNETES);
    await both.secret(AT, () => true)();
    await both.secret({ path: 'secret/data/control-plane', field: 'token' }, () => true)();
    assert.equal(vault.asked.length, 3);
  });

  const statuses: readonly (readonly [number, unknown, SecretError['fault'], RegExp])[] = [
    [503, { errors: ['Vault is sealed'] }, 'unavailable', /is sealed/],
    [500, { errors: [`internal ${SECRET}`] }, 'unavailable', /\(500\)/],
    [429, {}, 'unavailable', /too often/],
    [412, {}, 'unavailable', /caught up/],
    [307, {}, 'unavailable', /elsewhere \(307\).*VAULT_ADDR/],
    [400, { errors: [SECRET] }, 'unsuitable', /does not understand/],
    [403, { errors: ['permission denied'] }, 'denied', /policy/],
    [404, { errors: [] }, 'missing', /no secret at secret\/data\/latchkey\/ldap.*version 2/],
    [200, 'text', 'unsuitable', /something that is no secret/],
    [200, { data: { data: { password: 7 }, metadata: {} } }, 'unsuitable', /no text/],
    [200, { data: { data: { password: '' }, metadata: {} } }, 'empty', /empty/],
    [200, { data: { data: { password: 'x'.repeat(20_000) }, metadata: {} } }, 'too_large', /too long/],
    [200, { data: { data: { other: 'x' }, metadata: {} } }, 'missing', /without the field "password"/],
    [
      200,
      { data: JSON.parse('{"data":{"__proto__":{"password":"x"}},"metadata":{}}') as unknown },
      'missing',
      /without the field/,
    ],
  ];
  for (const [status, body, fault, message] of statuses)
    test(`an answer ${status} ${JSON.stringify(body).slice(0, 60)} is ${fault}, and says what to do`, async () => {
      vault.instead = (_request, response) => {
        response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end(JSON.stringify(body));
      };
      const error = await failure(source(TOKEN)());
      assert.equal(error.fault, fault, error.message);
      assert.match(error.message, message);
      assert.equal(vault.asked.length, 1, 'a redirect is not followed');
    });

  test('a deleted version, an engine of version 1, and what cannot be such a secret are told apart', async () => {
    vault.secrets.set(AT.path, 'deleted');
    assert.match((await failure(source(TOKEN)())).message, /deleted/);
    vault.secrets.set('version-1/data/x', { password: SECRET });
    const first = opened(TOKEN).secret({ path: 'version-1/data/x', field: 'password' }, () => true);
    assert.match((await failure(first())).message, /version 2/);
    vault.secrets.set(AT.path, { password: SECRET });
    assert.equal((await failure(opened(TOKEN).secret(AT, () => false)())).fault, 'unsuitable');
  });

  test('a refused login says which variables to look at', async () => {
    vault.roles.approle = null;
    vault.roles.kubernetes = null;
    vault.tokens.clear();
    assert.match((await failure(source(APPROLE)())).message, /VAULT_SECRET_ID_FILE/);
    assert.match((await failure(source(KUBERNETES)())).message, /VAULT_KUBERNETES_ROLE/);
    assert.match((await failure(source(TOKEN)())).message, /VAULT_TOKEN_FILE/);
    assert.match((await failure(source({ by: 'token', token: fixedSecret('two\nlines') })())).message, /VAULT_TOKEN_FILE/);
  });

  test('a certificate of another authority, or for another name, is refused before anything is said', async () => {
    const error = await failure(source(TOKEN, { ca: certificateAuthority('another').pem })());
    assert.match(error.message, /VAULT_CACERT/);
    assert.match((await failure(source(TOKEN, { ca: null })())).message, /VAULT_CACERT/);
    const elsewhere = { ...server().address, host: 'localhost' };
    assert.match((await failure(source(TOKEN, { address: elsewhere })())).message, /another name/);
    assert.deepEqual(vault.asked, []);
  });

  test('without VAULT_CACERT an authority that this machine trusts is trusted', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-roots-'));
    const roots = join(folder, 'roots.pem');
    await writeFile(roots, authority.pem);
    const asking = `
      const { askVault } = await import(${JSON.stringify(new URL('../../src/secrets/vault/ask.ts', import.meta.url).href)});
      const ask = askVault(${JSON.stringify(server({ ca: null }))});
      console.log((await ask({ path: 'secret/data/x', token: 'none', post: null })).status);`;
    const env = { ...process.env, SSL_CERT_FILE: roots };
    try {
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', asking], { env });
      assert.equal(stdout.trim(), '403');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('one that knows no later version than TLS 1.1 is told nothing', async () => {
    const certificate = authority.issue({ name: 'old', hosts: ['127.0.0.1'], purpose: 'server' });
    const settings = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await using old = await recordingTls({ certificate, settings });
    const error = await failure(source(TOKEN, { address: { ...server().address, port: old.port } })());
    assert.match(error.message, /EPROTO/);
    await old.gone();
    assert.equal(old.heard().length, 0);
  });

  test('silence, nonsense and an endless answer end in time', async () => {
    vault.instead = () => undefined;
    assert.match((await failure(source(TOKEN, { timeoutMs: 200 })())).message, /did not answer within 200 ms/);
    vault.instead = (_request, response) => void response.end('<html>not Vault</html>');
    assert.equal((await failure(source(TOKEN)())).fault, 'unsuitable');
    vault.instead = (_request, response) => {
      const more = (): void => void response.write(Buffer.alloc(65_536), (error) => error ?? more());
      more();
    };
    assert.match((await failure(source(TOKEN)())).message, /far too long/);
    vault.instead = (_request, response) => {
      response.writeHead(200, { 'content-length': '1000' }).write('{"data":');
      response.destroy();
    };
    assert.equal((await failure(source(TOKEN)())).fault, 'unavailable');
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const address = closed.address();
    assert.ok(typeof address === 'object' && address !== null);
    closed.close();
    await once(closed, 'close');
    const gone = { ...server().address, port: address.port };
    assert.match((await failure(source(TOKEN, { address: gone })())).message, /ECONNREFUSED/);
  });
});
