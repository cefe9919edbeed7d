import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Directory, DirectoryError } from '../../../src/directory/directory.ts';
import { openLdapDirectory } from '../../../src/directory/ldap/open-ldap-directory.ts';
import { startDs389 } from '../../../src/sandbox/ds389.ts';
import { type OpenLdap, startOpenLdap } from '../../../src/sandbox/openldap.ts';
import { type SambaAd, startSambaAd } from '../../../src/sandbox/samba-ad.ts';
import type { ThrowAwayDirectory } from '../../../src/sandbox/throw-away-directory.ts';
import {
  type LdapDirectoryChanges,
  ldapDirectoryOptions,
  memoryLogger,
  simpleBind,
  untilState,
} from '../../support/ldap-directory-under-test.ts';

const signal = new AbortController().signal;
const deadline = { timeout: 120_000 };

async function opened(server: ThrowAwayDirectory, changes: LdapDirectoryChanges = {}): Promise<Directory & AsyncDisposable> {
  const directory = openLdapDirectory(await ldapDirectoryOptions(server, changes));
  return { ...directory, [Symbol.asyncDispose]: () => directory.close() };
}

/** Why the first attempt failed. */
async function failure(server: ThrowAwayDirectory, changes: LdapDirectoryChanges = {}): Promise<DirectoryError> {
  await using directory = await opened(server, changes);
  const { promise, resolve } = Promise.withResolvers<DirectoryError>();
  directory.onChange((status) => {
    if (status.state === 'down') resolve(status.error);
    else assert.fail('the account was accepted');
  });
  directory.start();
  return await promise;
}

async function isAccepted(server: ThrowAwayDirectory, changes: LdapDirectoryChanges = {}): Promise<void> {
  await using directory = await opened(server, changes);
  directory.start();
  await untilState(directory, 'up');
}

/** An LDIF that replaces attributes of an entry; an empty value takes the attribute away. */
function replace(dn: string, values: Readonly<Record<string, string>>): string {
  const changes = Object.entries(values).map(
    ([name, value]) => `replace: ${name}\n${value === '' ? '' : `${name}: ${value}\n`}-\n`,
  );
  return `dn: ${dn}\nchangetype: modify\n${changes.join('')}`;
}

suite('an account that OpenLDAP does not let in says why', deadline, () => {
  let server: OpenLdap;
  let policy: string;
  const account = (values: Readonly<Record<string, string>>) => server.modify(replace(server.connectorDn, values));
  before(async () => {
    server = await startOpenLdap();
    policy = `cn=policy,ou=system,${server.baseDn}`;
    await server.configModify('dn: cn=module{0},cn=config\nchangetype: modify\nadd: olcModuleLoad\nolcModuleLoad: ppolicy\n');
    await server.configModify(
      `dn: olcOverlay=ppolicy,olcDatabase={1}mdb,cn=config\nchangetype: add\nobjectClass: olcOverlayConfig\nobjectClass: olcPPolicyConfig\nolcOverlay: ppolicy\nolcPPolicyDefault: ${policy}\nolcPPolicyUseLockout: TRUE\n`,
    );
    await server.modify(
      `dn: ${policy}\nchangetype: add\nobjectClass: device\nobjectClass: pwdPolicy\ncn: policy\npwdAttribute: userPassword\npwdLockout: TRUE\npwdMaxFailure: 1\npwdMustChange: TRUE\npwdMaxAge: 0\n`,
    );
  });
  after(() => server.stop());

  test('a wrong password, and after it that the account is locked', async () => {
    const wrong = await failure(server, { bind: simpleBind(server.connectorDn, 'wrong') });
    assert.deepEqual([wrong.fault, wrong.ldap?.resultCode], ['bind_refused', 49]);
    assert.match(wrong.message, /Check LDAP_BIND_DN and the password/);
    const locked = await failure(server);
    assert.equal(locked.fault, 'bind_refused');
    assert.match(locked.message, /The account is locked: unlock it/);
    await account({ pwdAccountLockedTime: '' });
    await isAccepted(server);
  });

  test('a password that must be changed, where the bind itself succeeds', async () => {
    await account({ pwdReset: 'TRUE' });
    const error = await failure(server);
    assert.equal(error.fault, 'unavailable');
    assert.match(error.message, /nothing but a change of the password\. The password must be changed/);
    await account({ pwdReset: '' });
    await isAccepted(server);
  });

  test('a password that expires soon is a warning, and one that has expired a refusal', async () => {
    await account({ userPassword: server.connectorPassword });
    await account({ pwdReset: '' });
    await server.modify(replace(policy, { pwdMaxAge: '100000', pwdExpireWarning: '99999' }));
    // Both are a second after the password was set, by the server's clock.
    const { logger, lines } = memoryLogger();
    const isWarned = () =>
      lines.some(({ level, fields }) => level === 'warn' && fields['event'] === 'directory.password-expires');
    for (let tries = 0; !isWarned() && tries < 1_000; tries += 1) await isAccepted(server, { logger });
    assert.ok(isWarned());
    await server.modify(replace(policy, { pwdMaxAge: '1', pwdExpireWarning: '' }));
    let error: DirectoryError | null = null;
    for (let tries = 0; error === null && tries < 1_000; tries += 1) {
      await using directory = await opened(server);
      const refused = (await directory.check(signal)).some(({ step, status }) => step === 'bind' && status === 'fail');
      if (refused) error = await failure(server);
    }
    assert.equal(error?.fault, 'bind_refused');
    assert.match(error.message, /The password has expired/);
    await server.modify(replace(policy, { pwdMaxAge: '0' }));
    await isAccepted(server);
  });

  test('a name that is none here', async () => {
    const error = await failure(server, { bind: simpleBind('latchkey@example.test', server.connectorPassword) });
    assert.equal(error.fault, 'unavailable');
    assert.match(error.message, /must be a distinguished name on this server/);
  });
});

suite('an account that 389 Directory Server does not let in says why', deadline, () => {
  let server: ThrowAwayDirectory;
  const config = (values: Readonly<Record<string, string>>) => server.modify(replace('cn=config', values));
  const account = (values: Readonly<Record<string, string>>) => server.modify(replace(server.connectorDn, values));
  before(async () => {
    server = await startDs389();
  });
  after(() => server.stop());

  test('a wrong password, and after it that the account is locked', async () => {
    await config({ passwordLockout: 'on', passwordMaxFailure: '1' });
    const wrong = await failure(server, { bind: simpleBind(server.connectorDn, 'wrong') });
    assert.equal(wrong.fault, 'bind_refused');
    const locked = await failure(server);
    assert.match(locked.message, /The account is locked: unlock it/);
    await account({ passwordRetryCount: '', accountUnlockTime: '' });
    await config({ passwordLockout: 'off' });
    await isAccepted(server);
  });

  test('an account that is not active', async () => {
    await account({ nsAccountLock: 'true' });
    assert.match((await failure(server)).message, /The account is disabled: enable it/);
    await account({ nsAccountLock: '' });
    await isAccepted(server);
  });

  test('a password that must be changed, where the bind itself succeeds', async () => {
    await config({ passwordMustChange: 'on' });
    await account({ userPassword: server.connectorPassword });
    assert.match((await failure(server)).message, /The password must be changed/);
    await config({ passwordMustChange: 'off' });
    await account({ userPassword: server.connectorPassword });
    await isAccepted(server);
  });
});

suite('an account of an Active Directory', deadline, () => {
  let server: SambaAd;
  const account = (values: Readonly<Record<string, string>>) => server.modify(replace(server.connectorDn, values));
  before(async () => {
    server = await startSambaAd();
  });
  after(() => server.stop());

  test('is known by its DN, its principal name, its domain and name, and in any spelling of them', async () => {
    const { connectorDn, connectorUpn, connectorDownLevelName, connectorPassword } = server;
    for (const name of [connectorDn, connectorUpn, connectorDownLevelName])
      for (const spelt of [name, name.toLowerCase(), name.toUpperCase()])
        await isAccepted(server, { bind: simpleBind(spelt, connectorPassword) });
  });

  test('says why it is not let in', async () => {
    const refusals = [
      [{ bind: simpleBind(server.connectorDn, 'wrong') }, /password is wrong/],
      [
        { bind: simpleBind(`nobody@${server.connectorUpn.replace(/^.*@/, '')}`, 'x') },
        /no such account|password is wrong|Check LDAP_BIND_DN/,
      ],
    ] as const;
    for (const [changes, advice] of refusals) {
      const error = await failure(server, changes);
      assert.equal(error.fault, 'bind_refused');
      assert.match(error.message, advice);
    }
    const states = [
      [{ userAccountControl: '514' }, /account is disabled/],
      [{ accountExpires: '1' }, /account has expired/],
      [{ pwdLastSet: '0', userAccountControl: '512' }, /must be changed/],
    ] as const;
    for (const [values, advice] of states) {
      await account({ userAccountControl: '66048', accountExpires: '0', pwdLastSet: '-1' });
      await isAccepted(server);
      await account(values);
      const error = await failure(server);
      assert.equal(error.fault, 'bind_refused');
      assert.match(error.message, advice);
    }
    await account({ userAccountControl: '66048', accountExpires: '0', pwdLastSet: '-1' });
    await isAccepted(server);
  });
});
