import { type Entry, parseLdif } from './ldif.ts';
import type { OpenLdapPrograms } from './openldap-programs.ts';
import { runProgram } from './run-program.ts';

export type SearchOptions = { base: string; scope: 'base' | 'one' | 'sub'; filter: string; attributes: readonly string[] };

/** What a directory says to OpenLDAP's own command line programs: independent of the client that is under test. */
export type LdapCommands = {
  /** By `ldapsearch`. Nothing where the base is not there (result 32); throws with what it says on any other result. */
  search: (options: SearchOptions) => Promise<Entry[]>;
  /** By `ldapmodify`. Throws with its exit code, which is LDAP's result code, and what it says when a change is refused. */
  modify: (ldif: string) => Promise<void>;
  /** The same for records that have no changetype: they are added. */
  add: (ldif: string) => Promise<void>;
};

/** Commands that bind as one account. The password is read from its file, so that no command line shows it. */
export function ldapCommands(options: {
  program: OpenLdapPrograms;
  env: NodeJS.ProcessEnv;
  cwd: string;
  url: string;
  caFile: string;
  bindDn: string;
  /** The whole file is the password: it has no line end. */
  passwordFile: string;
}): LdapCommands {
  const { program, cwd, url, caFile, bindDn, passwordFile } = options;
  const run = async (name: 'ldapsearch' | 'ldapmodify', args: readonly string[], input: string) => {
    const { path, env } = program(name);
    const ldapEnv = { ...options.env, ...env, LDAPTLS_CACERT: caFile, LDAPTLS_REQCERT: 'demand' };
    const bind = ['-x', '-H', url, '-D', bindDn, '-y', passwordFile];
    return await runProgram({ path, args: [...bind, ...args], env: ldapEnv, cwd, input });
  };
  const change = async (args: readonly string[], ldif: string) => {
    const result = await run('ldapmodify', args, ldif);
    if (result.code !== 0) throw new Error(`ldapmodify ended with ${result.code}: ${result.stderr.trim()}`);
  };

  return {
    search: async ({ base, scope, filter, attributes }) => {
      const result = await run('ldapsearch', ['-LLL', '-b', base, '-s', scope, filter, ...attributes], '');
      if (result.code === 32) return [];
      if (result.code !== 0) throw new Error(`ldapsearch ended with ${result.code}: ${result.stderr.trim()}`);
      return parseLdif(result.stdout);
    },
    modify: (ldif) => change([], ldif),
    add: (ldif) => change(['-a'], ldif),
  };
}
