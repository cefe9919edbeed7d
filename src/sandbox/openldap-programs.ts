import { type Program, providePrograms } from './programs.ts';

export type OpenLdapPrograms = (name: 'slapd' | 'ldapsearch' | 'ldapmodify' | 'openssl') => Program;

/** OpenLDAP's server and command line programs, and openssl. Rejects with one sentence on what to install. */
export async function openLdapPrograms(): Promise<OpenLdapPrograms> {
  // macOS has an old slapd of its own, and Homebrew does not put its one on PATH.
  const brew = ['libexec', 'bin'].flatMap((name) => [`/opt/homebrew/opt/openldap/${name}`, `/usr/local/opt/openldap/${name}`]);
  return await providePrograms({
    wanted: [
      { name: 'slapd', debianPackage: 'slapd' },
      { name: 'ldapsearch', debianPackage: 'ldap-utils' },
      { name: 'ldapmodify', debianPackage: 'ldap-utils' },
      { name: 'openssl', debianPackage: 'openssl' },
    ],
    hints: {
      macos: 'install OpenLDAP with "brew install openldap"',
      debian: 'the packages could not be downloaded, so install them with "apt-get install slapd ldap-utils openssl"',
      fedora: 'install OpenLDAP with "dnf install openldap-servers openldap-clients openssl"',
      alpine: 'install OpenLDAP with "apk add openldap openldap-back-mdb openldap-overlay-all openldap-clients openssl"',
      other: "install OpenLDAP's server and command line programs, and openssl",
    },
    folders: brew,
    env: process.env,
  });
}
