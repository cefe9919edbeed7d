import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, suite, test } from 'node:test';
import type { CheckStep } from '../../../../src/access/event.ts';
import { MEMBER_ATTRIBUTES } from '../../../../src/access/membership.ts';
import { FLAVOUR_NAMES } from '../../../../src/directory/ldap/flavours/names.ts';
import { openLdapDirectory } from '../../../../src/directory/ldap/open-ldap-directory.ts';
import { startDs389 } from '../../../../src/sandbox/ds389.ts';
import { startOpenLdap } from '../../../../src/sandbox/openldap.ts';
import { startSambaAd } from '../../../../src/sandbox/samba-ad.ts';
import type { ThrowAwayDirectory } from '../../../../src/sandbox/throw-away-directory.ts';
import { certificateAuthority } from '../../../support/certificate-authority.ts';
import { dn, type LdapDirectoryChanges, ldapDirectoryOptions } from '../../../support/ldap-directory-under-test.ts';

const signal = new AbortController().signal;
const START: Readonly<Record<ThrowAwayDirectory['flavour'], () => Promise<ThrowAwayDirectory>>> = {
  openldap: () => startOpenLdap({ people: 1200 }),
  '389ds': () => startDs389({ people: 1200 }),
  'active-directory': () => startSambaAd(),
};
/** What each server's groups can hold members in; the last says nothing, since all of them may. */
const FORCED = {
  openldap: { member: 'warn', uniqueMember: 'warn', memberUid: 'warn' },
  '389ds': { member: 'warn', uniqueMember: 'warn', memberUid: 'warn' },
  'active-directory': { member: 'ok', uniqueMember: 'fail', memberUid: 'ok' },
} as const;

for (const [flavour, start] of Object.entries(START)) {
  suite(`faults in the configuration, as they are checked on ${flavour}`, { timeout: 120_000 }, () => {
    let server: ThrowAwayDirectory;
    before(async () => {
      server = await start();
    });
    after(() => server.stop());

    const checked = async (changes: LdapDirectoryChanges): Promise<readonly CheckStep[]> => {
      const directory = openLdapDirectory(await ldapDirectoryOptions(server, changes));
      try {
        return await directory.check(signal);
      } finally {
        await directory.close();
      }
    };
    const troubles = async (changes: LdapDirectoryChanges) =>
      (await checked(changes)).filter(({ status }) => status !== 'ok').map(({ step, status }) => [step, status]);
    /** The last line, the only one that fails, as where no connection comes about. */
    const lastWords = async (changes: LdapDirectoryChanges): Promise<string> => {
      const steps = await checked(changes);
      assert.deepEqual(
        steps.filter(({ status }) => status === 'fail'),
        steps.slice(-1),
      );
      return steps.at(-1)?.detail ?? '';
    };

    test('everybody is counted, over as many pages as there are', async () => {
      const entries = await server.search({ base: server.usersScope, scope: 'sub', filter: '(uid=*)', attributes: ['uid'] });
      const users = (await checked({})).find(({ step }) => step === 'users');
      assert.match(users?.detail ?? '', new RegExp(`^${entries.length} users`));
    });

    test('an attribute that nobody has is warned of, and one that the schema has not fails', async () => {
      const named = (attribute: string) => ({
        usernameAttribute: attribute,
        emailAttribute: attribute,
        groupNameAttribute: attribute,
      });
      const steps = ['username attribute', 'e-mail attribute', 'group name'];
      assert.deepEqual(
        await troubles(named('telexNumber')),
        steps.map((step) => [step, 'warn']),
      );
      assert.deepEqual(
        await troubles(named('no-such-attribute')),
        steps.map((step) => [step, 'fail']),
      );
    });

    test('a forced member attribute is held against the schema of the groups', async () => {
      for (const memberAttribute of MEMBER_ATTRIBUTES) {
        const step = (await checked({ memberAttribute })).find((one) => one.step === 'member attributes');
        const expected = FORCED[server.flavour][memberAttribute];
        assert.equal(step?.status, expected, `${memberAttribute}: ${step?.detail}`);
        if (expected !== 'ok') assert.match(step.detail, new RegExp(`LDAP_MEMBER_ATTRIBUTE is ${memberAttribute}`));
      }
    });

    test('a forced flavour that the root DSE contradicts is a line that names both', async () => {
      for (const forced of FLAVOUR_NAMES) {
        const found = (await checked({ flavour: forced })).filter(({ status }) => status !== 'ok');
        if (forced === flavour) assert.deepEqual(found, []);
        else {
          assert.deepEqual(
            found.map(({ step }) => step),
            ['flavour'],
          );
          assert.ok(found[0]?.detail.startsWith(`LDAP_FLAVOUR is ${forced}, but the root DSE is that of ${flavour}`));
        }
      }
    });

    test('a base or scope that is missing is one line', async () => {
      const nowhere = dn(`ou=nowhere,${server.baseDn}`);
      assert.deepEqual(await troubles({ usersScope: [nowhere] }), [['users scope', 'fail']]);
      assert.deepEqual(await troubles({ groupsScope: [nowhere] }), [['groups scope', 'fail']]);
      for (const baseDn of [nowhere, dn('dc=no,dc=where')])
        assert.deepEqual(await troubles({ baseDn, usersScope: [], groupsScope: [] }), [['base', 'fail']]);
    });

    test('a certificate of an authority that is not trusted is named with its own, and with those that were given', async () => {
      const [one, other] = [certificateAuthority('First Example CA'), certificateAuthority('Second Example CA')];
      const starting = { url: server.ldapUrl, startTls: true };
      for (const changes of [{}, starting]) {
        const shown = /shows a certificate of localhost for localhost.*, issued by Latchkey sandbox CA; LDAP_CA_FILE/;
        const given = await lastWords({ ...changes, ca: one.pem + other.pem });
        assert.match(given, shown);
        assert.match(given, /LDAP_CA_FILE has First Example CA, Second Example CA\.$/);
        assert.match(await lastWords({ ...changes, ca: null }), /LDAP_CA_FILE is not set, so the authorities of the system/);
        const namesake = certificateAuthority('Latchkey sandbox CA').pem;
        assert.match(await lastWords({ ...changes, ca: namesake }), /has Latchkey sandbox CA, which bears the same name\.$/);
      }
    });

    test('a port that speaks TLS where it should not, or not where it should, is told', async () => {
      const [tls, plain] = [server.ldapsUrl, server.ldapUrl].map((url) => new URL(url).port);
      const connectTimeoutMs = 2_000;
      for (const startTls of [false, true])
        assert.match(
          await lastWords({ url: `ldap://127.0.0.1:${tls}`, startTls, connectTimeoutMs }),
          /speaks TLS from the first byte: write ldaps:\/\//,
        );
      assert.match(
        await lastWords({ url: `ldaps://127.0.0.1:${plain}`, connectTimeoutMs }),
        /speaks LDAP without TLS: name the port for ldaps:\/\/ .*, or write ldap:\/\/ with LDAP_START_TLS=true\.$/,
      );
    });
  });
}

test('of a port that speaks neither LDAP nor TLS nothing is said that is not known', async () => {
  const sockets = new Set<{ destroy(): void }>();
  const listener = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  assert.ok(address !== null && typeof address === 'object');
  try {
    await using server = await startOpenLdap();
    for (const url of [`ldaps://127.0.0.1:${address.port}`, `ldap://127.0.0.1:${address.port}`]) {
      const directory = openLdapDirectory(await ldapDirectoryOptions(server, { url }));
      const last = (await directory.check(signal)).at(-1);
      await directory.close();
      assert.equal(last?.status, 'fail');
      assert.doesNotMatch(last.detail, /That port|The server shows/);
    }
  } finally {
    for (const socket of sockets) socket.destroy();
    listener.close();
    await once(listener, 'close');
  }
});
