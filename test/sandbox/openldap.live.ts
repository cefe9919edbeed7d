import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { LdapCommands } from '../../src/sandbox/ldap-commands.ts';
import { isFreePort } from '../../src/sandbox/loopback.ts';
import { type OpenLdap, startOpenLdap } from '../../src/sandbox/openldap.ts';
import { commandsOfConnector } from '../support/commands-of-connector.ts';
import { becomesFree, everything, modeOf } from './throw-away-directory-tests.ts';

suite('a running server', () => {
  let openLdap: OpenLdap;
  let connector: LdapCommands;
  let group: (cn: string) => string;
  let person: (uid: string) => string;
  const find = (filter: string) =>
    openLdap.search({ base: openLdap.usersScope, scope: 'sub', filter, attributes: ['cn', 'mail'] });

  before(async () => {
    openLdap = await startOpenLdap({ people: 600 });
    connector = await commandsOfConnector(openLdap, openLdap.ldapsUrl);
    group = (cn) => `cn=${cn},${openLdap.groupsScope}`;
    person = (uid) => `uid=${uid},${openLdap.usersScope}`;
  });
  after(() => openLdap.stop());

  test('has 24 named people, the generated ones, two contractors and eleven groups', async () => {
    const count = async (base: string) =>
      (await openLdap.search({ base, scope: 'one', filter: everything, attributes: ['1.1'] })).length;
    assert.equal(await count(openLdap.usersScope), 624);
    assert.equal(await count(openLdap.groupsScope), 10);
    assert.equal(await count(`ou=contractors,${openLdap.baseDn}`), 2);
    assert.equal(await count(`ou=other-groups,${openLdap.baseDn}`), 1);
  });

  test('has names that need escaping, names that are not ASCII, and addresses that are not unique', async () => {
    const [smith] = await find('(uid=jsmith)');
    assert.deepEqual(smith?.attributes.get('cn'), ['Smith, John + Co']);
    assert.match(smith?.dn ?? '', /^cn=Smith(\\,|\\2C) John (\\\+|\\2B) Co,ou=people,/);
    assert.deepEqual((await find('(uid=hiroshi)'))[0]?.attributes.get('cn'), ['ひろし 田中']);
    assert.deepEqual((await find('(uid=dana)'))[0]?.attributes.get('mail'), ['dana@example.test', 'dana.levi@example.test']);
    assert.equal((await find('(mail=shared@example.test)')).length, 2);
  });

  test('has groups of every kind, some of them with members', async () => {
    assert.deepEqual(await openLdap.members(group('billing-readers')), [person('maria')]);
    assert.deepEqual(await openLdap.members(group('payroll-readers')), [person('nadia')]);
    assert.deepEqual(await openLdap.members(group('db-operators')), ['elif']);
    assert.deepEqual(await openLdap.members(group('deploy')), []);
    assert.deepEqual(await openLdap.members(group('nowhere')), []);
  });

  test('lets the connector change who is in a group, and nothing else of it', async () => {
    const change = (dn: string, lines: string) => connector.modify(`dn: ${dn}\nchangetype: modify\n${lines}\n`);
    await change(group('on-call'), `add: member\nmember: ${person('grace')}`);
    assert.ok((await openLdap.members(group('on-call'))).includes(person('grace')));
    await change(group('on-call'), `delete: member\nmember: ${person('grace')}`);
    assert.ok(!(await openLdap.members(group('on-call'))).includes(person('grace')));
    await change(group('payroll-readers'), `add: uniqueMember\nuniqueMember: ${person('grace')}`);
    await change(group('deploy'), 'add: memberUid\nmemberUid: grace');

    const refused = /ended with 50/;
    await assert.rejects(change(group('on-call'), 'replace: description\ndescription: mine'), refused);
    await assert.rejects(change(person('grace'), 'replace: title\ntitle: mine'), refused);
    const elsewhere = `cn=facilities,ou=other-groups,${openLdap.baseDn}`;
    await assert.rejects(change(elsewhere, `add: member\nmember: ${person('grace')}`), refused);
    await assert.rejects(connector.modify(`dn: ${group('on-call')}\nchangetype: delete\n`), refused);
  });

  test('shows the connector people and groups, but no password, not even its own', async () => {
    const see = async (base: string) =>
      (await connector.search({ base, scope: 'base', filter: everything, attributes: ['*'] }))[0];
    const grace = await see(person('grace'));
    assert.deepEqual(grace?.attributes.get('mail'), ['grace@example.test']);
    assert.equal(grace?.attributes.has('userpassword'), false);
    assert.deepEqual((await see(group('engineering')))?.attributes.get('cn'), ['engineering']);
    assert.deepEqual([...((await see(openLdap.connectorDn))?.attributes.keys() ?? [])], ['objectclass']);
    const asAdmin = await openLdap.search({ base: person('grace'), scope: 'base', filter: everything, attributes: ['*'] });
    assert.equal(asAdmin[0]?.attributes.has('userpassword'), true);
  });

  test('lets the connector find an entry outside the scopes by its entryUUID, and see no more of it', async () => {
    const { baseDn } = openLdap;
    const dn = `uid=xavier,ou=contractors,${baseDn}`;
    const [known] = await openLdap.search({ base: dn, scope: 'base', filter: everything, attributes: ['entryUUID'] });
    const uuid = known?.attributes.get('entryuuid')?.[0] ?? '';
    const attributes = ['*', 'entryUUID'];
    const [found] = await connector.search({ base: baseDn, scope: 'sub', filter: `(entryUUID=${uuid})`, attributes });
    assert.equal(found?.dn, dn);
    assert.deepEqual([...found.attributes.keys()].toSorted(), ['entryuuid', 'objectclass']);
    assert.equal((await connector.search({ base: baseDn, scope: 'base', filter: everything, attributes })).length, 1);
    assert.equal((await connector.search({ base: baseDn, scope: 'sub', filter: '(uid=xavier)', attributes })).length, 0);
  });

  test('gives no more than 500 entries unless they are read in pages', async () => {
    const search = { base: openLdap.usersScope, scope: 'one', filter: everything, attributes: ['1.1'] } as const;
    await assert.rejects(connector.search(search), /ended with 4/);
  });

  test('refuses a simple bind in clear', async () => {
    const inClear = await commandsOfConnector(openLdap, openLdap.ldapUrl);
    const base = openLdap.baseDn;
    await assert.rejects(inClear.search({ base, scope: 'base', filter: everything, attributes: [] }), /ended with 13/);
  });

  test('can be reconfigured while it runs', async () => {
    const change = `dn: ${group('engineering')}\nchangetype: modify\nreplace: description\ndescription: changed\n`;
    await openLdap.configModify(readOnly('TRUE'));
    await assert.rejects(openLdap.modify(change), /ended with 53/);
    await openLdap.configModify(readOnly('FALSE'));
    await openLdap.modify(change);
  });

  test('keeps its secrets in files that only their owner can read', async () => {
    assert.equal(modeOf(openLdap.dir), 0o700);
    for (const name of ['connector-password', 'admin-password', 'slapd.conf', 'server.key']) {
      assert.equal(modeOf(join(openLdap.dir, name)), 0o600, name);
    }
    assert.equal(await readFile(openLdap.connectorPasswordFile, 'utf8'), openLdap.connectorPassword);
    assert.equal(existsSync(join(openLdap.dir, 'ca.key')), false);
  });

  test('serves beside another one, which is not it', async () => {
    await using other = await startOpenLdap({ suffix: 'dc=other,dc=test' });
    assert.notEqual(other.ldapsUrl, openLdap.ldapsUrl);
    assert.equal((await other.members(`cn=on-call,${other.groupsScope}`)).length, 2);
    assert.equal((await openLdap.members(group('on-call'))).length, 2);
  });
});

test('what was written is there after a killed server has been started again on the same ports', async () => {
  await using openLdap = await startOpenLdap();
  const onCall = `cn=on-call,${openLdap.groupsScope}`;
  const { pid, ldapsUrl } = openLdap;
  await openLdap.modify(`dn: ${onCall}\nchangetype: modify\nadd: member\nmember: uid=uma,${openLdap.usersScope}\n`);
  await openLdap.kill('SIGKILL');
  assert.equal(openLdap.pid, undefined);
  await assert.rejects(openLdap.members(onCall));
  await openLdap.start();
  assert.notEqual(openLdap.pid, pid);
  assert.equal(openLdap.ldapsUrl, ldapsUrl);
  assert.equal((await openLdap.members(onCall)).length, 3);
});

test('stop leaves no process and no folder, even of a stopped server, and may be repeated', async () => {
  const openLdap = await startOpenLdap();
  const { pid } = openLdap;
  assert.ok(pid !== undefined && isAlive(pid));
  await openLdap.kill('SIGSTOP');
  await openLdap.stop();
  await openLdap.stop();
  assert.equal(isAlive(pid), false);
  assert.equal(existsSync(openLdap.dir), false);
});

test('a folder that was given is kept, and served again with the same accounts', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey test '));
  try {
    const first = await startOpenLdap({ dir });
    const { groupsScope } = first;
    await first.modify(`dn: cn=deploy,${groupsScope}\nchangetype: modify\nadd: memberUid\nmemberUid: zoe\n`);
    await first.stop();
    await using second = await startOpenLdap({ dir });
    assert.equal(second.connectorPassword, first.connectorPassword);
    assert.deepEqual(await second.members(`cn=deploy,${groupsScope}`), ['zoe']);
  } finally {
    await rm(dir, { recursive: true });
  }
});

test('with memberof, a person shows the groups, and a deleted person leaves them', async () => {
  const ldif =
    'dn: cn=extra,ou=groups,dc=example,dc=test\nobjectClass: groupOfNames\ncn: extra\nmember: uid=liam,ou=people,dc=example,dc=test\n';
  await using openLdap = await startOpenLdap({ memberof: true, ldif });
  const ines = `uid=ines,${openLdap.usersScope}`;
  const [entry] = await openLdap.search({ base: ines, scope: 'base', filter: everything, attributes: ['memberOf'] });
  const expected = ['audit-reviewers', 'domain-admins'].map((cn) => `cn=${cn},${openLdap.groupsScope}`);
  assert.deepEqual(entry?.attributes.get('memberof')?.toSorted(), expected);
  await openLdap.modify(`dn: ${ines}\nchangetype: delete\n`);
  assert.ok(!(await openLdap.members(`cn=domain-admins,${openLdap.groupsScope}`)).includes(ines));
  assert.equal((await openLdap.members(`cn=extra,${openLdap.groupsScope}`)).length, 1);
});

test('an idle connection is closed after the idle time', async () => {
  await using openLdap = await startOpenLdap({ idleTimeoutSeconds: 1 });
  const socket = await openSocket(openLdap.ldapUrl);
  socket.resume();
  await once(socket, 'end', { signal: AbortSignal.timeout(20_000) });
  socket.destroy();
});

test('without requireTls a simple bind in clear is accepted', async () => {
  await using openLdap = await startOpenLdap({ requireTls: false });
  const inClear = await commandsOfConnector(openLdap, openLdap.ldapUrl);
  assert.equal((await inClear.search({ base: openLdap.baseDn, scope: 'base', filter: everything, attributes: [] })).length, 1);
});

test('entries that the server refuses are an error that says so, and leave no folder', async () => {
  await assert.rejects(
    startOpenLdap({ ldif: 'dn: cn=odd,dc=elsewhere\ncn: odd\n' }),
    /slapadd refused the entries: .*dc=elsewhere/s,
  );
});

test('a program that ends without stopping its server leaves neither the server nor its folder', async () => {
  const { program, server } = await startInProgram('');
  const [code] = await once(program, 'exit');
  assert.equal(code, 0);
  await becomesFree(server.port);
  assert.equal(existsSync(server.dir), false);
});

test('a server does not outlive a program that is killed', { skip: process.platform !== 'linux' }, async () => {
  const { program, server } = await startInProgram('setInterval(() => undefined, 1000);');
  try {
    assert.equal(await isFreePort(server.port), false);
    program.kill('SIGKILL');
    await once(program, 'exit');
    await becomesFree(server.port);
  } finally {
    program.kill('SIGKILL');
    await rm(server.dir, { recursive: true, force: true });
  }
});

/** A server started by a program of its own, which then goes on with the given code. */
async function startInProgram(andThen: string): Promise<{ program: ChildProcess; server: { dir: string; port: number } }> {
  const sandbox = new URL('../../src/sandbox/openldap.ts', import.meta.url).href;
  const code = `const { startOpenLdap } = await import(${JSON.stringify(sandbox)});
    const { dir, ldapsUrl } = await startOpenLdap();
    console.log(JSON.stringify([dir, new URL(ldapsUrl).port]));
    ${andThen}`;
  const program = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(program.stdout, 'data', { signal: AbortSignal.timeout(60_000) });
  const [dir, port] = JSON.parse(String(line));
  return { program, server: { dir: String(dir), port: Number(port) } };
}

async function openSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  await once(socket, 'connect');
  return socket;
}

function readOnly(value: 'TRUE' | 'FALSE'): string {
  return `dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\nreplace: olcReadOnly\nolcReadOnly: ${value}\n`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
