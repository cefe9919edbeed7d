import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type LdapCommands, ldapCommands } from '../src/sandbox/ldap-commands.ts';
import { type OpenLdap, startOpenLdap } from '../src/sandbox/openldap.ts';
import { openLdapPrograms } from '../src/sandbox/openldap-programs.ts';
import { hashedPassword } from '../src/sandbox/slapd-config.ts';
import { startChild } from './support/child.ts';
import { type RunningStub, startStub } from './support/control-plane.ts';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const database = 'dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\n';
const account = 'cn=latchkey,ou=system,dc=example,dc=com';
const groups = 'ou=groups,dc=example,dc=com';
const grace = 'uid=grace,ou=people,dc=example,dc=com';

/** The text of README's code block of that kind that begins so. */
function block(readme: string, kind: string, begin: string): string {
  const blocks = [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)];
  const found = blocks.find(([, language, text]) => language === kind && text?.startsWith(begin) === true)?.[2];
  assert.ok(found !== undefined, `README.md has no ${kind} block that begins with ${begin}`);
  return found;
}

suite("README's steps to an own server", () => {
  let openLdap: OpenLdap;
  let connector: LdapCommands;
  let folder: string;
  let stub: RunningStub;

  before(async () => {
    const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
    openLdap = await startOpenLdap({ suffix: 'dc=example,dc=com' });
    folder = await mkdtemp(join(tmpdir(), 'latchkey-readme-'));
    // A server that shows nobody anything, so that every right the account has is README's.
    await openLdap.modify(`dn: ${account}\nchangetype: delete\n`);
    const closed = `replace: olcAccess\nolcAccess: to attrs=userPassword by anonymous auth by * none\nolcAccess: to * by * none\n`;
    await openLdap.configModify(`${database}${closed}-\ndelete: olcLimits\n`);

    const hash = hashedPassword(openLdap.connectorPassword);
    const entry = block(readme, 'ldif', `dn: ${account}`).replace('{SSHA}…', hash);
    await openLdap.modify(entry.replace(/^objectClass/m, 'changetype: add\nobjectClass'));
    await openLdap.configModify(block(readme, 'ldif', database));

    stub = await startStub(folder);
    await writeFile(join(folder, 'control-plane-token'), await stub.token(), { mode: 0o600 });
    const settings = block(readme, 'sh', 'LATCHKEY_CONTROL_PLANE_URL')
      .replace(/^LATCHKEY_CONTROL_PLANE_URL=.*$/m, `LATCHKEY_CONTROL_PLANE_URL=${stub.connectUrl}`)
      .replace(/^LDAP_URL=.*$/m, `LDAP_URL=${openLdap.ldapsUrl}`)
      .replace(/^LDAP_CA_FILE=.*$/m, `LDAP_CA_FILE=${openLdap.caFile}`)
      .replace(/^LDAP_BIND_PASSWORD_FILE=.*$/m, `LDAP_BIND_PASSWORD_FILE=${openLdap.connectorPasswordFile}`);
    await writeFile(join(folder, '.env'), settings);
    connector = ldapCommands({
      program: await openLdapPrograms(),
      env: { PATH: process.env['PATH'], HOME: folder, LC_ALL: 'C' },
      cwd: folder,
      url: openLdap.ldapsUrl,
      caFile: openLdap.caFile,
      bindDn: account,
      passwordFile: openLdap.connectorPasswordFile,
    });
  });
  after(async () => {
    await stub.stop();
    await openLdap.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('pass the check with its .env file', async () => {
    await using child = startChild({ script: main, args: ['check'], cwd: folder });
    assert.equal(await child.ended, 0, child.lines.join('\n'));
    assert.ok(child.lines.length > 8, child.lines.join('\n'));
    for (const line of child.lines) assert.match(line, /^ok /);
  });

  test('let the account change who is in a group, and nothing else', async () => {
    const change = (dn: string, lines: string) => connector.modify(`dn: ${dn}\nchangetype: modify\n${lines}\n`);
    await change(`cn=on-call,${groups}`, `add: member\nmember: ${grace}`);
    assert.ok((await openLdap.members(`cn=on-call,${groups}`)).includes(grace));
    const elsewhere = 'cn=facilities,ou=other-groups,dc=example,dc=com';
    await assert.rejects(change(`cn=on-call,${groups}`, 'replace: description\ndescription: mine'), /ended with 50/);
    await assert.rejects(change(elsewhere, `add: member\nmember: ${grace}`), /ended with 50/);
    await assert.rejects(change(grace, 'replace: title\ntitle: mine'), /ended with 50/);
  });

  test('show the account no password, and no more than is needed outside the scopes', async () => {
    const see = async (filter: string) =>
      (await connector.search({ base: 'dc=example,dc=com', scope: 'sub', filter, attributes: ['*', '+'] }))[0];
    const found = await openLdap.search({ base: grace, scope: 'base', filter: '(objectClass=*)', attributes: ['entryUUID'] });
    const person = await see(`(entryUUID=${found[0]?.attributes.get('entryuuid')?.[0]})`);
    assert.equal(person?.dn, grace);
    assert.equal(person?.attributes.has('userpassword'), false);
    assert.equal(person?.attributes.has('mail'), true);
    const outside = await openLdap.search({
      base: 'uid=xavier,ou=contractors,dc=example,dc=com',
      scope: 'base',
      filter: '(objectClass=*)',
      attributes: ['entryUUID'],
    });
    const contractor = await see(`(entryUUID=${outside[0]?.attributes.get('entryuuid')?.[0]})`);
    assert.deepEqual([...(contractor?.attributes.keys() ?? [])].toSorted(), ['entryuuid', 'objectclass']);
  });
});
