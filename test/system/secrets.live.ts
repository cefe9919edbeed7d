import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type System, startSystem } from '../support/system.ts';
import { delayOf, grantJob, overdueOf, readOnly } from '../support/told.ts';

/** Every spelling in which a secret might get out. */
function spellings(secret: string): string[] {
  const bytes = Buffer.from(secret);
  // A secret inside a longer base64 text begins at any of three places; its edges depend on its neighbours.
  const inBase64 = [0, 1, 2].map((shift) =>
    Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .slice(shift === 0 ? 0 : 4, -4),
  );
  return [
    ...new Set([
      secret,
      bytes.toString('base64url'),
      ...inBase64,
      bytes.toString('hex'),
      bytes.toString('hex').toUpperCase(),
      encodeURIComponent(secret),
      [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
      [...bytes].join(','),
    ]),
  ];
}

suite('no secret gets out', () => {
  let s: System;
  let connectorPid: number;
  let stubPid: number;
  const shown: string[] = [];

  before(async () => {
    s = await startSystem({ ldap: { people: 20 }, env: { LATCHKEY_LOG_LEVEL: 'trace' } });
  });
  after(() => s[Symbol.asyncDispose]());

  const grantFor = (uid: string) => grantJob({ user: { username: uid }, group: { name: 'vpn-users' } });

  test('whatever happens: jobs of every kind, refusals, a directory and a control plane that go away, a wrong password', async () => {
    await s.startStub();
    connectorPid = (await s.startConnector()).pid;
    stubPid = s.stub()?.pid ?? 0;
    const first = grantFor('u0001');
    await s.job(first);
    await s.outcome(first.jobId);
    for (const job of [{ kind: 'check' }, { kind: 'list' }, { kind: 'sync' }]) await s.outcome((await s.job(job)).jobId);
    for (const uid of ['nobody-of-that-name', '*']) await s.outcome((await s.job(grantFor(uid))).jobId);
    await readOnly(s, true);
    await s.revoke(first.grantId);
    await overdueOf(s, first.grantId);
    await readOnly(s, false);
    await s.endOf(first.grantId);
    await s.ldap.kill('SIGINT');
    const second = grantFor('u0002');
    await s.job(second);
    await delayOf(s, second.jobId);
    await s.ldap.start();
    await s.outcome(second.jobId);
    for (const pid of [connectorPid, stubPid]) shown.push(await commandLineOf(pid));
    await s.stopStub();
    await s.startStub();
    await s.event((one) => one.kind === 'job.succeeded' && one.jobId === second.jobId);
    assert.equal(await s.stopConnector(), 0);

    const wrong = join(s.folder, 'wrong-password');
    await writeFile(wrong, `${s.ldap.connectorPassword}-but-wrong\n`, { mode: 0o600 });
    const refused = await s.startConnector({ env: { LDAP_BIND_PASSWORD_FILE: wrong } });
    await refused.line((text) => text.includes('"directory.down"'));
    assert.equal(await s.stopConnector(), 0);
    const otherToken = join(s.folder, 'other-token');
    await writeFile(otherToken, `${s.token}-but-wrong\n`, { mode: 0o600 });
    const stranger = await s.startConnector({ env: { LATCHKEY_CONTROL_PLANE_TOKEN_FILE: otherToken }, welcome: false });
    await stranger.line((text) => /"link\.(?!connecting)/.test(text));
    shown.push(await commandLineOf(stranger.pid));
    await s.stopConnector();
    await s.stopStub();
  });

  test('no line of connector or stub, at trace, shows one', () => {
    const lines = [...s.connectorLines, ...s.output];
    assert.ok(lines.some((line) => line.includes('"level":"trace"') || line.includes('"level":"debug"')));
    assert.ok(s.output.length > 0);
    for (const line of lines) assertSilent(line, line.slice(0, 200));
  });

  test('no file in the state directory or of the stub holds one', async () => {
    const files = [
      ...(await readdir(s.stateDir, { recursive: true })).map((name) => join(s.stateDir, name)),
      join(s.folder, 'control-plane.json'),
    ];
    assert.ok(
      files.some((name) => name.endsWith('.db')),
      files.join(', '),
    );
    for (const file of files) assertSilent((await readFile(file)).toString('latin1'), file);
  });

  test('no command line shows one', { skip: process.platform !== 'linux' }, () => {
    assert.equal([...shown, ...s.commandLines].filter((line) => line.includes('node')).length, 3 + s.commandLines.length);
    for (const line of [...shown, ...s.commandLines]) assertSilent(line, line);
  });

  test('the search finds what it looks for, in every spelling', () => {
    for (const text of [s.token, s.ldap.connectorPassword]) {
      for (const hidden of [text, Buffer.from(`u:${text}`).toString('base64'), Buffer.from(text).toString('hex')])
        assert.throws(() => assertSilent(`… ${hidden} …`, 'seeded'));
    }
  });

  test('no rule of the protocol was broken on the way, but by the token that is not known', async () => {
    await s.startStub();
    const broken = (await s.violations()) as { rule: string }[];
    assert.deepEqual(
      broken.filter(({ rule }) => !/token/.test(rule)),
      [],
    );
  });

  function assertSilent(text: string, where: string): void {
    for (const secret of [s.token, s.ldap.connectorPassword]) {
      for (const spelling of spellings(secret)) assert.ok(!text.includes(spelling), `a secret is in ${where}`);
    }
  }
});

async function commandLineOf(pid: number): Promise<string> {
  if (process.platform !== 'linux') return '';
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
}
