import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { certificateAuthority } from '../support/certificate-authority.ts';
import { type FakeVault, startFakeVault } from '../support/fake-vault.ts';
import { type LdapProxy, startLdapProxy } from '../support/ldap-proxy.ts';
import { granted, startReady, succeeded } from '../support/survival.ts';
import { type System, startSystem, until } from '../support/system.ts';

const LAUNCHER = new URL('../../scripts/latchkey.sh', import.meta.url).pathname;
const BIND = 'secret/data/latchkey/ldap';
const TOKEN = 'secret/data/latchkey/control-plane';

suite('a connector whose secrets are in Vault', { concurrency: false, skip: process.platform !== 'linux' }, () => {
  let s: System;
  let vault: FakeVault;
  let proxy: LdapProxy;

  before(async () => {
    s = await startSystem();
    proxy = await startLdapProxy(s.ldap);
    const authority = certificateAuthority('the authority of Vault');
    vault = await startFakeVault({
      certificate: authority.issue({ name: 'vault', hosts: ['127.0.0.1'], purpose: 'server' }),
    });
    vault.roles.approle = { roleId: 'connector', secretId: 'the-secret-id' };
    vault.secrets.set(BIND, { password: s.ldap.connectorPassword });
    vault.secrets.set(TOKEN, { token: s.token });
    const file = async (name: string, text: string): Promise<string> => {
      await writeFile(join(s.folder, name), text, { mode: 0o600 });
      return join(s.folder, name);
    };
    await s.startStub();
    await startReady(s, {
      script: LAUNCHER,
      env: {
        LDAP_URL: proxy.url,
        LDAP_BIND_PASSWORD: `vault:${BIND}#password`,
        LDAP_BIND_PASSWORD_FILE: undefined,
        LATCHKEY_CONTROL_PLANE_TOKEN: `vault:${TOKEN}#token`,
        LATCHKEY_CONTROL_PLANE_TOKEN_FILE: undefined,
        VAULT_ADDR: vault.url,
        VAULT_CACERT: await file('vault-ca.pem', authority.pem),
        VAULT_ROLE_ID: 'connector',
        VAULT_SECRET_ID_FILE: await file('vault-secret-id', 'the-secret-id\n'),
      },
    });
  });
  after(async () => {
    await s[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
    await vault[Symbol.asyncDispose]();
  });

  /** A grant that begins on one session and ends on the next. */
  async function overANewSession(meanwhile: () => Promise<void>): Promise<void> {
    const { grantId } = await granted(s, { user: { username: 'grace' }, group: { name: 'on-call' }, durationSeconds: 300 });
    const bindsBefore = proxy.binds();
    await meanwhile();
    proxy.cut();
    assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
    await until('a bind on a new session', async () => proxy.binds() > bindsBefore);
    await s.member(s.group('on-call'), s.person('grace'), false);
  }

  test('a password that was rotated in the directory and in Vault is met at the next bind', async () => {
    await overANewSession(async () => {
      await s.ldap.modify(
        `dn: ${s.ldap.connectorDn}\nchangetype: modify\nreplace: userPassword\nuserPassword: the-new-one-of-winter\n`,
      );
      vault.secrets.set(BIND, { password: 'the-new-one-of-winter' });
    });
  });

  test('with Vault sealed, what was read last goes on, towards the directory and the control plane', async () => {
    vault.instead = (_request, response) => void response.writeHead(503).end('{"errors":["Vault is sealed"]}');
    await overANewSession(async () => undefined);
    await s.stopStub();
    await s.startStub();
    await until('the connector is connected', async () => (await s.connectors()).some(({ connected }) => connected));
    for (const event of ['directory.password-kept', 'link.token-kept']) {
      const line = await s.connector()?.line((text) => text.includes(`"${event}"`));
      assert.match(line ?? '', /is sealed/);
    }
    vault.instead = null;
  });

  test('no line shows a secret of Vault, nor what opens it', () => {
    const lines = s.connector()?.lines ?? [];
    assert.ok(lines.length > 0);
    for (const secret of ['the-new-one', 'the-secret-id', 'hvs.login', s.token, s.ldap.connectorPassword])
      assert.ok(!lines.some((line) => line.includes(secret)), secret);
  });
});
