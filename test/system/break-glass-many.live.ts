import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startChild } from '../support/child.ts';
import { entryRef, peopleRefs, writeDueGrants } from '../support/due-grants.ts';
import { runCommand } from '../support/program.ts';
import { atScale } from '../support/scale.ts';
import { assertToldOnce } from '../support/survival.ts';
import { startSystem, until } from '../support/system.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
/** In two groups, so that not all leave by one modify. */
const PEOPLE = atScale({ sample: 100, full: 1000 });

test('of many grants that are ended without a connector, and by a command that is killed amidst, each ends once and is told once', async () => {
  await using s = await startSystem({ ldap: { people: PEOPLE }, env: { TEST_LINK_BACKOFF_MS: '50:500' } });
  // The first start makes the ledger, with the directory that it is of.
  await s.startStub();
  await s.startConnector();
  await s.event((event) => event.kind === 'directory.changed' && event.state === 'up');
  await s.stopConnector();
  await s.stopStub();
  const users = (await peopleRefs(s)).slice(0, PEOPLE);
  const names = ['vpn-users', 'release-approvers'];
  const ids: string[] = [];
  for (const name of names) {
    const group = await entryRef(s, s.group(name));
    const members = users.map(({ dn }) => `member: ${dn}`).join('\n');
    await s.ldap.modify(`dn: ${group.dn}\nchangetype: modify\nadd: member\n${members}\n`);
    ids.push(...(await writeDueGrants(s, { group, users, prefix: name, dueInMs: 3_600_000 })));
  }
  assert.equal(ids.length, 2 * PEOPLE);
  const left = async () =>
    (await Promise.all(names.map((name) => s.ldap.members(s.group(name))))).flat().filter((dn) => /^uid=u\d/.test(dn)).length;
  assert.equal(await left(), 2 * PEOPLE);

  const env = { ...s.connectorEnv(), LATCHKEY_LOG_LEVEL: 'fatal' };
  await using killed = startChild({ script: MAIN, args: ['revoke', '--all', '--yes'], cwd: s.folder, env });
  await killed.line((line) => line.startsWith(`${2 * PEOPLE} grants of ${PEOPLE} users in 2 groups`));
  await until('the first has left', async () => (await left()) < 2 * PEOPLE);
  await killed.end('SIGKILL');

  const rest = await runCommand({ args: ['revoke', '--all', '--yes'], env, cwd: s.folder });
  assert.equal(rest.code, 0, rest.stderr);
  assert.equal(await left(), 0);
  await s.startStub();
  await s.startConnector();
  await until(
    'all was told',
    async () => (await s.events()).filter(({ event }) => event.kind === 'grant.ended').length >= 2 * PEOPLE,
  );
  const ended = (await s.events()).flatMap(({ event }) => (event.kind === 'grant.ended' ? [event] : []));
  assert.deepEqual(ended.map(({ grant }) => grant.grantId).toSorted(), ids.toSorted());
  for (const { cause, membership } of ended) assert.deepEqual([cause, membership], ['operator', 'removed']);
  await assertToldOnce(s);
});
