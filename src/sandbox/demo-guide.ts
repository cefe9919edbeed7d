import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DemoSystem } from './demo-steps.ts';
import type { OpenLdapPrograms } from './openldap-programs.ts';
import { shellLine } from './shell-words.ts';

/** What to try while the demo is up, as text whose commands work when they are pasted into a shell. */
export function demoGuide(options: {
  system: DemoSystem;
  program: OpenLdapPrograms;
  folder: string;
  logs: readonly string[];
}): string {
  const { system, program, folder, logs } = options;
  const { openLdap, controlPlane, readyUrl } = system;
  const api = controlPlane.apiUrl;
  const curl = (...words: string[]) => shellLine(['curl', '-s', ...words]);
  const grant = {
    grantId: 'try-1',
    user: { username: 'viktor' },
    group: { name: 'release-approvers' },
    durationSeconds: 60,
    justification: 'release 4.2',
  };
  const ldapsearch = program('ldapsearch');
  const bind = ['-x', '-H', openLdap.ldapsUrl, '-D', openLdap.adminDn, '-y', join(openLdap.dir, 'admin-password')];
  const names = ['member', 'uniqueMember', 'memberUid'];
  const look = shellLine(
    [
      ldapsearch.path,
      ...bind,
      '-LLL',
      '-o',
      'ldif-wrap=no',
      '-b',
      openLdap.groupsScope,
      '-s',
      'one',
      '(objectClass=*)',
      ...names,
    ],
    { ...ldapsearch.env, LDAPTLS_CACERT: openLdap.caFile },
  );
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const command = shellLine(['sh', join(root, 'scripts', 'node.sh'), join(root, 'src', 'main.ts'), 'check']);
  return `
All of it is still up. Its console, in a browser: ${api}/

Or try more in another terminal:

  a grant of a minute   ${curl('-d', JSON.stringify(grant), `${api}/grants`)}
  what became of it     ${curl(`${api}/grants/try-1`)}
  revoke it             ${curl('-X', 'DELETE', `${api}/grants/try-1?reason=done`)}
  all grants            ${curl(`${api}/grants`)}
  all events            ${curl(`${api}/events`)}
  connectors            ${curl(`${api}/connectors`)}
  more                  ${curl(`${api}/`)}
  health                ${curl(readyUrl)}
  who is in the groups  ${look}
  latchkey's commands   (${shellLine(['cd', folder])} && ${command})

  logs                  ${logs.join('\n                        ')}
  everything            ${folder}

Press Ctrl-C to stop; nothing is left behind.
`;
}
