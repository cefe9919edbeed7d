import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LdapCommands } from '../../src/sandbox/ldap-commands.ts';
import { isFreePort } from '../../src/sandbox/loopback.ts';
import type { ThrowAwayDirectory, ThrowAwayDirectoryOptions } from '../../src/sandbox/throw-away-directory.ts';
import { commandsOfConnector } from '../support/commands-of-connector.ts';

export const everything = '(objectClass=*)';

type Start = (options?: ThrowAwayDirectoryOptions) => Promise<ThrowAwayDirectory>;

/**
 * What holds for a throw-away server of whatever kind; what is a server's own is given. Servers take seconds to start, so that
 * one serves most of the rules.
 */
export function throwAwayDirectoryTests(options: {
  start: Start;
  /** Of the file and the function that start it, for a program of its own. */
  module: string;
  exportName: string;
  /** LDAP's result for a simple bind in clear. */
  inClear: number;
  /** The attribute of the members of a groupOfUniqueNames, where there is one. */
  uniqueMember: 'uniqueMember' | 'member';
  suffix: string;
  /** Paths outside the folder that a killed server would leave. */
  leftovers?: (dir: string) => string[];
  /** One group with this person in it, as LDIF. */
  extraGroup: (server: { groupDn: string; personDn: string }) => string;
}): void {
  const { start, inClear, uniqueMember, leftovers = () => [] } = options;
  runningServerTests({ start, inClear, uniqueMember, leftovers });

  test('a folder that was given is kept, and served again with the same accounts', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'latchkey test '));
    const { suffix } = options;
    const names = { groupDn: `cn=extra,ou=groups,${suffix}`, personDn: `cn=Smith\\, John \\+ Co,ou=people,${suffix}` };
    try {
      const first = await start({ dir, suffix, requireTls: false, ldif: options.extraGroup(names) });
      assert.equal((await first.members(first.groupDn('extra'))).length, 1);
      const clear = await commandsOfConnector(first, first.ldapUrl);
      assert.equal(
        (await clear.search({ base: first.groupsScope, scope: 'base', filter: everything, attributes: [] })).length,
        1,
      );
      await first.modify(change(first.groupDn('deploy'), 'add: memberUid\nmemberUid: zoe'));
      await first.stop();
      await using second = await start({ dir, suffix });
      assert.equal(second.connectorPassword, first.connectorPassword);
      assert.deepEqual(await second.members(second.groupDn('deploy')), ['zoe']);
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  test('entries that the server refuses are an error that says so', async () => {
    await assert.rejects(start({ ldif: 'dn: cn=odd,dc=elsewhere\nobjectClass: device\ncn: odd\n' }), /refused the entries: /);
  });

  test('a server does not outlive a program that is killed, and leaves nothing outside its folder', async () => {
    const module = new URL(`../../src/sandbox/${options.module}`, import.meta.url).href;
    const code = `const { ${options.exportName}: start } = await import(${JSON.stringify(module)});
      const { dir, ldapsUrl } = await start();
      console.log(JSON.stringify([dir, new URL(ldapsUrl).port]));
      setInterval(() => undefined, 1000);`;
    const program = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(program.stdout, 'data', { signal: AbortSignal.timeout(120_000) });
    const [dir, port]: unknown[] = JSON.parse(String(line));
    try {
      assert.equal(await isFreePort(Number(port)), false);
      program.kill('SIGKILL');
      await once(program, 'exit');
      await becomesFree(Number(port));
      assert.deepEqual(leftovers(String(dir)).filter(existsSync), []);
    } finally {
      program.kill('SIGKILL');
      await rm(String(dir), { recursive: true, force: true });
    }
  });
}

function runningServerTests(options: {
  start: Start;
  inClear: number;
  uniqueMember: string;
  leftovers: (dir: string) => string[];
}): void {
  suite('a running server', () => {
    let server: ThrowAwayDirectory;
    let connector: LdapCommands;

    before(async () => {
      server = await options.start({ people: 40 });
      connector = await commandsOfConnector(server, server.ldapsUrl);
    });
    after(() => server.stop());

    test('has 24 named people, the generated ones, two contractors and eleven groups', async () => {
      const count = async (base: string) =>
        (await server.search({ base, scope: 'one', filter: everything, attributes: ['1.1'] })).length;
      assert.equal(await count(server.usersScope), 64);
      assert.equal(await count(server.groupsScope), 10);
      assert.equal(await count(`ou=contractors,${server.baseDn}`), 2);
      assert.equal(await count(`ou=other-groups,${server.baseDn}`), 1);
    });

    test('has names that need escaping, names that are not ASCII, and an address that is not unique', async () => {
      const find = (filter: string) =>
        server.search({ base: server.usersScope, scope: 'sub', filter, attributes: ['cn', 'uid'] });
      assert.deepEqual((await find('(uid=jsmith)'))[0]?.attributes.get('cn'), ['Smith, John + Co']);
      assert.deepEqual((await find('(uid=hiroshi)'))[0]?.attributes.get('cn'), ['ひろし 田中']);
      assert.equal((await find('(mail=shared@example.test)')).length, 2);
    });

    test('names a person by uid', async () => {
      for (const uid of ['grace', 'jsmith', 'jnandu', 'hiroshi', 'u0007', 'u0040']) {
        const base = server.personDn(uid);
        const [person] = await server.search({ base, scope: 'base', filter: everything, attributes: ['uid'] });
        assert.deepEqual(person?.attributes.get('uid'), [uid]);
      }
    });

    test('has groups of every kind, some of them with members', async () => {
      assert.deepEqual(await server.members(server.groupDn('billing-readers')), [server.personDn('maria')]);
      assert.deepEqual(await server.members(server.groupDn('payroll-readers')), [server.personDn('nadia')]);
      assert.deepEqual(await server.members(server.groupDn('db-operators')), ['elif']);
      assert.deepEqual(await server.members(server.groupDn('deploy')), []);
      assert.deepEqual(await server.members(server.groupDn('nowhere')), []);
    });

    test('lets the connector change who is in a group, and nothing else of it', async () => {
      const grace = server.personDn('grace');
      const onCall = server.groupDn('on-call');
      const write = (dn: string, lines: string) => connector.modify(change(dn, lines));
      await write(onCall, `add: member\nmember: ${grace}`);
      assert.ok((await server.members(onCall)).includes(grace));
      await write(onCall, `delete: member\nmember: ${grace}`);
      assert.ok(!(await server.members(onCall)).includes(grace));
      await write(server.groupDn('payroll-readers'), `add: ${options.uniqueMember}\n${options.uniqueMember}: ${grace}`);
      await write(server.groupDn('deploy'), 'add: memberUid\nmemberUid: grace');

      const refused = /ended with 50/;
      await assert.rejects(write(onCall, 'replace: description\ndescription: mine'), refused);
      await assert.rejects(write(grace, 'replace: title\ntitle: mine'), refused);
      const elsewhere = `cn=facilities,ou=other-groups,${server.baseDn}`;
      await assert.rejects(write(elsewhere, `add: member\nmember: ${grace}`), refused);
      await assert.rejects(connector.modify(`dn: ${onCall}\nchangetype: delete\n`), refused);
    });

    test('shows the connector people and groups, but no password', async () => {
      const see = async (base: string) =>
        (await connector.search({ base, scope: 'base', filter: everything, attributes: ['*'] }))[0];
      const grace = await see(server.personDn('grace'));
      assert.deepEqual(grace?.attributes.get('mail'), ['grace@example.test']);
      assert.deepEqual((await see(server.groupDn('engineering')))?.attributes.get('cn'), ['engineering']);
      for (const dn of [server.personDn('grace'), server.connectorDn]) {
        const secrets = ['userPassword', 'unicodePwd', 'aci'];
        const [entry] = await connector.search({ base: dn, scope: 'base', filter: everything, attributes: secrets });
        assert.deepEqual([...(entry?.attributes.keys() ?? [])], []);
      }
    });

    test('refuses a simple bind in clear', async () => {
      const clear = await commandsOfConnector(server, server.ldapUrl);
      const search = { base: server.baseDn, scope: 'base', filter: everything, attributes: [] } as const;
      await assert.rejects(clear.search(search), new RegExp(`ended with ${options.inClear}:`));
    });

    test('keeps its secrets in files that only their owner can read', async () => {
      assert.equal(modeOf(server.dir), 0o700);
      for (const name of ['connector-password', 'admin-password', 'server.key']) {
        assert.equal(modeOf(join(server.dir, name)), 0o600, name);
      }
      assert.equal(await readFile(server.connectorPasswordFile, 'utf8'), server.connectorPassword);
      assert.equal(existsSync(join(server.dir, 'ca.key')), false);
    });

    test('has what was written after it has been killed and started again on the same ports', async () => {
      const { pid, ldapsUrl } = server;
      await server.modify(change(server.groupDn('on-call'), `add: member\nmember: ${server.personDn('uma')}`));
      await server.kill('SIGKILL');
      assert.equal(server.pid, undefined);
      await assert.rejects(server.members(server.groupDn('on-call')));
      await server.start();
      assert.notEqual(server.pid, pid);
      assert.equal(server.ldapsUrl, ldapsUrl);
      assert.equal((await server.members(server.groupDn('on-call'))).length, 3);
    });

    test('leaves no process, no folder and nothing elsewhere when it is stopped, even while it is halted, and twice', async () => {
      const { pid, dir, ldapUrl, ldapsUrl } = server;
      assert.ok(pid !== undefined && isAlive(pid));
      await server.kill('SIGSTOP');
      await server.stop();
      await server.stop();
      assert.equal(isAlive(pid), false);
      assert.equal(existsSync(dir), false);
      await becomesFree(Number(new URL(ldapUrl).port));
      await becomesFree(Number(new URL(ldapsUrl).port));
      assert.deepEqual(options.leftovers(dir).filter(existsSync), []);
    });
  });
}

export function change(dn: string, lines: string): string {
  return `dn:: ${Buffer.from(dn).toString('base64')}\nchangetype: modify\n${lines}\n`;
}

/** It may be no child of ours, so there is no event to wait for. */
export async function becomesFree(port: number): Promise<void> {
  for (let turn = 0; turn < 500 && !(await isFreePort(port)); turn += 1) await sleep(10);
  assert.equal(await isFreePort(port), true);
}

export function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
