import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cacheCandidates } from '../../src/sandbox/cache-folder.ts';
import { plannedPackages, unpackedName } from '../../src/sandbox/debian-packages.ts';
import { formatEntry, parseLdif } from '../../src/sandbox/ldif.ts';
import { platformOf } from '../../src/sandbox/programs.ts';

const simulation = `NOTE: This is only a simulation!
The following NEW packages will be installed:
  ldap-utils libltdl7 perl slapd
Inst libltdl7 (2.4.7-7~deb12u1 Debian:12.15/oldstable [amd64])
Inst libc6 [2.36-9] (2.36-10 Debian:12.15/oldstable [amd64]) []
Inst libssl-dev [3.0.19-1] (3.0.20-1 Debian:12.15/oldstable [amd64]) []
Inst libssl3 [3.0.19-1] (3.0.20-1 Debian:12.15/oldstable [amd64])
Inst libperl5.36 (5.36.0-7 Debian:12.15/oldstable [amd64])
Inst libldap-2.5-0:i386 (2.5.13 Debian:12.15/oldstable [i386])
Inst perl (5.36.0-7 Debian:12.15/oldstable [amd64])
Inst slapd (2.5.13+dfsg-5 Debian:12.15/oldstable [amd64])
Inst ldap-utils (2.5.13+dfsg-5 Debian:12.15/oldstable [amd64])
Conf libltdl7 (2.4.7-7~deb12u1 Debian:12.15/oldstable [amd64])
`;

test('of the dependencies only run-time libraries of this architecture are downloaded, and never the C library', () => {
  assert.deepEqual(plannedPackages({ packages: ['slapd', 'ldap-utils'], simulation }), [
    'slapd',
    'ldap-utils',
    'libltdl7',
    'libssl3',
  ]);
});

test('beside the libraries those dependencies are downloaded that are asked for', () => {
  assert.deepEqual(plannedPackages({ packages: ['ldap-utils'], dependencies: /^(?:slap|perl$)/, simulation }), [
    'ldap-utils',
    'libltdl7',
    'libssl3',
    'perl',
    'slapd',
  ]);
});

test('what is wanted is downloaded even where apt says that it is installed', () => {
  assert.deepEqual(plannedPackages({ packages: ['slapd'], simulation: 'slapd is already the newest version.\n' }), ['slapd']);
});

test('an unpacked folder is for one release, one architecture and one set of packages', () => {
  const osRelease = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n';
  const packages = ['slapd', 'ldap-utils'];
  assert.equal(unpackedName({ osRelease, arch: 'arm64', packages }), 'debian-12-arm64-ldap-utils+slapd');
  assert.equal(unpackedName({ osRelease: '', arch: 'x64', packages }), 'unknown-unknown-x64-ldap-utils+slapd');
});

test('the cache is under XDG_CACHE_HOME when that is absolute, else under the home, and last under the temporary folder', () => {
  const places = { home: '/home/dana', temporary: '/tmp', uid: 1000 };
  const own = '/tmp/latchkey-1000';
  assert.deepEqual(cacheCandidates({ ...places, xdgCacheHome: '/cache' }), ['/cache/latchkey', own]);
  assert.deepEqual(cacheCandidates({ ...places, xdgCacheHome: 'cache' }), ['/home/dana/.cache/latchkey', own]);
  assert.deepEqual(cacheCandidates({ ...places, xdgCacheHome: undefined }), ['/home/dana/.cache/latchkey', own]);
  assert.deepEqual(cacheCandidates({ ...places, home: '', xdgCacheHome: undefined }), [own]);
});

test('a platform is known by its family', () => {
  assert.equal(platformOf('darwin', ''), 'macos');
  assert.equal(platformOf('linux', 'NAME="Debian"\nID=debian\n'), 'debian');
  assert.equal(platformOf('linux', 'ID=linuxmint\nID_LIKE="ubuntu debian"\n'), 'debian');
  assert.equal(platformOf('linux', 'ID="rocky"\nID_LIKE="rhel centos fedora"\n'), 'fedora');
  assert.equal(platformOf('linux', 'VERSION_ID=3.20\nID=alpine\n'), 'alpine');
  assert.equal(platformOf('linux', 'ID=arch\n'), 'other');
  assert.equal(platformOf('linux', ''), 'other');
});

test('LDIF that is written is read back, whatever its values need', () => {
  const dn = 'cn=José\\, Ñandú,dc=example,dc=test';
  const values = ['plain', ' leading', 'trailing ', ':colon', '<less', 'ひろし', 'two\nlines', '', '# not a comment', 'a: b'];
  const text = formatEntry(
    dn,
    values.map((value) => ['Description', value] as const),
  );
  assert.deepEqual(parseLdif(text), [{ dn, attributes: new Map([['description', values]]) }]);
});

test('folded lines, comments and several records are understood', () => {
  const text = '# first\ndn: cn=a,dc=ex\n ample\nmember: x\nmember: y\n\n\n# refldap://elsewhere\n\ndn:: Y249Yg==\ncn: b\n';
  assert.deepEqual(parseLdif(text), [
    { dn: 'cn=a,dc=example', attributes: new Map([['member', ['x', 'y']]]) },
    { dn: 'cn=b', attributes: new Map([['cn', ['b']]]) },
  ]);
});

test('the ids of Active Directory are bytes, and stay in base64 even where they could be text', () => {
  const [entry] = parseLdif('dn: cn=a\nobjectGUID:: AAECAwQFBgcICQoLDA0ODw==\nobjectSid: S-1-5\n');
  assert.deepEqual(entry?.attributes.get('objectguid'), ['AAECAwQFBgcICQoLDA0ODw==']);
  assert.deepEqual(entry?.attributes.get('objectsid'), [Buffer.from('S-1-5').toString('base64')]);
});
