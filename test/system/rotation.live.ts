import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type LdapProxy, startLdapProxy } from '../support/ldap-proxy.ts';
import { assertToldOnce, granted, runningConnector, startReady, succeeded } from '../support/survival.ts';
import { type System, startSystem, until } from '../support/system.ts';

suite('the password of the account is rotated while the connector runs', { concurrency: false }, () => {
  let s: System;
  let proxy: LdapProxy;
  let passwordFile: string;
  const inFile = (password: string) => writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  const inDirectory = (password: string) =>
    s.ldap.modify(`dn: ${s.ldap.connectorDn}\nchangetype: modify\nreplace: userPassword\nuserPassword: ${password}\n`);

  before(async () => {
    s = await startSystem();
    // Two wrong passwords lock the account, for good.
    const policy = `cn=policy,ou=system,${s.ldap.baseDn}`;
    await s.ldap.configModify('dn: cn=module{0},cn=config\nchangetype: modify\nadd: olcModuleLoad\nolcModuleLoad: ppolicy\n');
    await s.ldap.configModify(
      `dn: olcOverlay=ppolicy,olcDatabase={1}mdb,cn=config\nchangetype: add\nobjectClass: olcOverlayConfig\nobjectClass: olcPPolicyConfig\nolcOverlay: ppolicy\nolcPPolicyDefault: ${policy}\n`,
    );
    await s.ldap.modify(
      `dn: ${policy}\nchangetype: add\nobjectClass: device\nobjectClass: pwdPolicy\ncn: policy\npwdAttribute: userPassword\npwdLockout: TRUE\npwdMaxFailure: 2\n`,
    );
    proxy = await startLdapProxy(s.ldap);
    await s.startStub();
    passwordFile = join(s.folder, 'bind-password');
    await inFile(s.ldap.connectorPassword);
    await startReady(s, { env: { LDAP_URL: proxy.url, LDAP_BIND_PASSWORD_FILE: passwordFile } });
  });
  after(async () => {
    await s[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  });

  /** Every session ends; what was asked of the connector before is done over the next one. */
  async function onANewSession(durationSeconds: number, work: (grantId: string) => Promise<unknown>): Promise<void> {
    const { grantId } = await granted(s, { user: { username: 'grace' }, group: { name: 'on-call' }, durationSeconds });
    const bindsBefore = proxy.binds();
    proxy.cut();
    await work(grantId);
    await until('a bind on a new session', async () => proxy.binds() > bindsBefore);
    await s.member(s.group('on-call'), s.person('grace'), false);
  }
  const byExpiry = () => onANewSession(2, (grantId) => s.endOf(grantId));
  const byRevoke = () =>
    onANewSession(300, async (grantId) => assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked'));

  test('first in the file: the old one goes on, and the new one is used once the directory has it', async () => {
    await inFile('the-new-one-of-spring');
    await byExpiry();
    await inDirectory('the-new-one-of-spring');
    await byRevoke();
  });

  test('first in the directory: the session that is there goes on, and the next one has the new one', async () => {
    await inDirectory('the-new-one-of-summer');
    const { grantId } = await granted(s, { user: { username: 'liam' }, group: { name: 'on-call' }, durationSeconds: 300 });
    await inFile('the-new-one-of-summer');
    proxy.cut();
    assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
  });

  test('first wrong in the file, then right', async () => {
    await inFile('a-slip-of-the-pen');
    await byExpiry();
    await inDirectory('the-new-one-of-autumn');
    await inFile('the-new-one-of-autumn');
    await byRevoke();
  });

  test('all of that in one process, which neither locked the account nor showed a password', async () => {
    const child = s.connector();
    assert.equal(child?.lines.filter((line) => line.includes('"connector.started"')).length, 1);
    const [account] = await s.ldap.search({
      base: s.ldap.connectorDn,
      scope: 'base',
      filter: '(objectClass=*)',
      attributes: ['pwdAccountLockedTime'],
    });
    assert.ok(account !== undefined && !account.attributes.has('pwdaccountlockedtime'));
    assert.ok(child?.lines.some((line) => line.includes('"directory.password-kept"')));
    for (const secret of ['the-new-one', 'a-slip-of', s.ldap.connectorPassword])
      assert.ok(!child?.lines.some((line) => line.includes(secret)));
    await assertToldOnce(s);
  });

  test('and SIGHUP comes while the file has one that the directory does not: the old one goes on', async () => {
    await inFile('a-second-slip');
    const child = runningConnector(s);
    child.signal('SIGHUP');
    await child.line((line) => line.includes('"process.reloaded"'));
    const { grantId } = await granted(s, { user: { username: 'liam' }, group: { name: 'on-call' }, durationSeconds: 300 });
    assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
    for (const secret of ['the-new-one', 'a-second-slip']) assert.ok(!child.lines.some((line) => line.includes(secret)));
  });
});
