import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { suite, test } from 'node:test';
import { keyPinOf } from '../../../src/access/key-pin.ts';
import { type DirectoryError } from '../../../src/directory/directory.ts';
import { accessRules } from '../../../src/directory/ldap/access-rules.ts';
import { type LdapDirectoryOptions, openLdapDirectory } from '../../../src/directory/ldap/open-ldap-directory.ts';
import { openLdapReader } from '../../../src/directory/ldap/reader/open-ldap-reader.ts';
import { certificateAuthority } from '../../support/certificate-authority.ts';
import { dn, memoryLogger, realClock, simpleBind } from '../../support/ldap-directory-under-test.ts';
import { recordingTls } from '../../support/recording-tls.ts';

const NEVER = new AbortController().signal;

suite('a pinned directory', { timeout: 60_000 }, () => {
  const authority = certificateAuthority('Example Root');
  const leaf = { name: 'directory', hosts: ['127.0.0.1'], purpose: 'server' } as const;
  const certificate = authority.issue(leaf);
  const [pin, otherPin] = [certificate, authority.issue(leaf)].map(({ chain }) => keyPinOf(new X509Certificate(chain).raw));
  assert.ok(pin !== undefined && otherPin !== undefined);
  const base = dn('dc=example,dc=test');

  const options = (port: number, startTls: boolean, pins: LdapDirectoryOptions['pins']): LdapDirectoryOptions => ({
    url: `${startTls ? 'ldap' : 'ldaps'}://127.0.0.1:${port}`,
    startTls,
    ca: authority.pem,
    ...(pins === undefined ? {} : { pins }),
    clientCertificate: null,
    bind: simpleBind('cn=latchkey,dc=example,dc=test', 'the-bind-password'),
    allowCleartext: false,
    referrals: 'ignore',
    flavour: null,
    baseDn: base,
    usersScope: [],
    groupsScope: [],
    userFilter: null,
    groupFilter: null,
    emailAttribute: 'mail',
    usernameAttribute: null,
    groupNameAttribute: null,
    memberAttribute: null,
    connectTimeoutMs: 5_000,
    readTimeoutMs: 10_000,
    clock: realClock,
    random: Math.random,
    logger: memoryLogger().logger,
    bindRefusals: { load: async () => null, save: async () => undefined },
  });

  /** Every way in which the connector opens a connection; each says why it had none. */
  const ways: Readonly<Record<string, (options: LdapDirectoryOptions) => Promise<string>>> = {
    async directory(of) {
      const directory = openLdapDirectory(of);
      const { promise, resolve } = Promise.withResolvers<DirectoryError>();
      directory.onChange((status) => status.state === 'down' && resolve(status.error));
      directory.start();
      const { message } = await promise;
      await directory.close();
      return message;
    },
    async check(of) {
      const directory = openLdapDirectory(of);
      const steps = await directory.check(NEVER);
      await directory.close();
      return steps.find(({ status }) => status === 'fail')?.detail ?? '';
    },
    async sync(of) {
      const others = { fullNameAttribute: null, ownerAttribute: null, managerAttribute: 'manager', pageSize: 100 };
      const reader = openLdapReader({ ...of, ...others, placeholder: dn('') });
      return await reader.means(NEVER).then(
        () => '',
        ({ message }: DirectoryError) => message,
      );
    },
    async acl(of) {
      return await accessRules(of, NEVER).then(
        () => '',
        ({ message }: DirectoryError) => message,
      );
    },
  };

  for (const startTls of [false, true])
    for (const [name, attempt] of Object.entries(ways))
      test(`with another key is told nothing by ${name}${startTls ? ' after StartTLS' : ''}, no bind above all`, async () => {
        await using server = await recordingTls({ certificate, startTls });
        const problem = await attempt(options(server.port, startTls, [otherPin]));
        await server.gone();
        assert.equal(server.heard().length, 0, server.heard().toString('hex'));
        for (const part of [pin, otherPin, 'LDAP_PIN', 'openssl x509'])
          assert.ok(problem.includes(part), `${part} in ${problem}`);
      });

  for (const startTls of [false, true])
    test(`with one of the pinned keys is bound to${startTls ? ' after StartTLS' : ''}, as is one where nothing is pinned`, async () => {
      for (const pins of [[pin], [otherPin, pin], undefined]) {
        await using server = await recordingTls({ certificate, startTls });
        await ways['directory']?.(options(server.port, startTls, pins));
        await server.gone();
        assert.ok(server.heard().includes('the-bind-password'), server.heard().toString('hex'));
      }
    });

  test('needs a certificate that is trusted all the same', async () => {
    const stranger = certificateAuthority('Example Root').issue(leaf);
    await using server = await recordingTls({ certificate: stranger });
    const pins = [keyPinOf(new X509Certificate(stranger.chain).raw)];
    assert.match((await ways['directory']?.(options(server.port, false, pins))) ?? '', /LDAP_CA_FILE/);
    assert.equal(server.heard().length, 0);
  });
});
