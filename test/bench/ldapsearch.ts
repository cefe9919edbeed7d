import type { OpenLdap } from '../../src/sandbox/openldap.ts';
import { openLdapPrograms } from '../../src/sandbox/openldap-programs.ts';
import { PAGE_SIZE } from './read-asked.ts';
import { type Took, timed } from './timed-program.ts';

export interface Searched {
  readonly base: string;
  readonly filter: string;
  readonly attributes: readonly string[];
}

/** `ldapsearch -E pr=1000` of a server, as it is measured against: a whole program, what it finds is thrown away. */
export async function ldapsearch(
  { dir, caFile }: OpenLdap,
  { url, bindDn, passwordFile }: { url: string; bindDn: string; passwordFile: string },
): Promise<(searched: Searched) => Promise<Took>> {
  const { path, env } = (await openLdapPrograms())('ldapsearch');
  const bind = ['-x', '-H', url, '-D', bindDn, '-y', passwordFile];
  return async ({ base, filter, attributes }) =>
    await timed({
      path,
      args: [...bind, '-LLL', '-E', `pr=${PAGE_SIZE}/noprompt`, '-b', base, filter, ...attributes],
      env: { ...process.env, ...env, LDAPTLS_CACERT: caFile, LDAPTLS_REQCERT: 'demand' },
      cwd: dir,
    });
}

/** As the administrator, for whom no limit holds. */
export const asAdmin = ({ adminDn, dir }: OpenLdap) => ({ bindDn: adminDn, passwordFile: `${dir}/admin-password` });
