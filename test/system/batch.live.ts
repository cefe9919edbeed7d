import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { EntryRef } from '../../src/access/reference.ts';
import type { WireEvent } from '../../src/protocol/event-frame.ts';
import { entryRef, peopleRefs, writeDueGrants } from '../support/due-grants.ts';
import { type LdapProxy, startLdapProxy } from '../support/ldap-proxy.ts';
import { atScale } from '../support/scale.ts';
import { killed } from '../support/survival.ts';
import { type StoredEvent, type System, startSystem, until } from '../support/system.ts';

type Ended = Extract<WireEvent, { kind: 'grant.ended' }>;

const COUNT = atScale({ sample: 120, full: 1_000 });
const STANDING = ['uid=standing1', 'uid=standing2'];

suite(`${COUNT} endings that are due at once in one group`, { concurrency: false }, () => {
  let s: System;
  let proxy: LdapProxy;
  let people: readonly EntryRef[];
  let serial = 0;
  let seen = 0;

  before(async () => {
    s = await startSystem({ ldap: { people: COUNT } });
    proxy = await startLdapProxy(s.ldap);
    people = await peopleRefs(s);
    assert.equal(people.length, COUNT);
    await s.startStub();
  });
  after(async () => {
    await s[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  });

  /** A new group with all the people in it, whose grants are due. */
  async function due({ standing = false, dueInMs = -1000 } = {}) {
    assert.equal(await s.stopConnector(), 0);
    serial += 1;
    const dn = s.group(`big-${serial}`);
    const others = standing ? STANDING.map((one) => `${one},${s.ldap.usersScope}`) : [];
    const members = [...people.map((user) => user.dn), ...others];
    const lines = members.map((member) => `member: ${member}`).join('\n');
    await s.ldap.modify(`dn: ${dn}\nchangetype: add\nobjectClass: groupOfNames\ncn: big-${serial}\n${lines}\n`);
    const group = await entryRef(s, dn);
    const ids = await writeDueGrants(s, { group, users: people, prefix: `g${serial}`, dueInMs });
    const modifies = proxy.modifies();
    return {
      dn,
      ids,
      others,
      members: () => s.ldap.members(dn),
      modifies: () => proxy.modifies() - modifies,
      start: (options: Parameters<System['startConnector']>[0] = {}) =>
        s.startConnector({ ...options, env: { LDAP_URL: proxy.url, LATCHKEY_LOG_LEVEL: 'info' } }),
      takeOut: (value: string) => s.ldap.modify(`dn: ${dn}\nchangetype: modify\ndelete: member\nmember: ${value}\n`),
      /** Every one of them has been told, each once; by grant. */
      async ended(): Promise<ReadonlyMap<string, Ended>> {
        const told = new Map<string, Ended>();
        await until('every grant has been told to have ended', async () => {
          for (const { index, event } of await s.api<StoredEvent[]>(`/events?after=${seen}&limit=1000&waitSeconds=1`)) {
            seen = index;
            if (event.kind !== 'grant.ended') continue;
            assert.ok(!told.has(event.grant.grantId), 'a grant was told to have ended twice');
            told.set(event.grant.grantId, event);
          }
          return ids.every((id) => told.has(id));
        });
        assert.deepEqual(await s.violations(), []);
        return told;
      },
    };
  }

  const membershipsOf = (ids: readonly string[], ended: ReadonlyMap<string, Ended>) => ({
    ...Object.groupBy(ids, (id) => ended.get(id)?.membership ?? 'untold'),
  });

  test('leave in a few modifies, and nobody else does', async (t) => {
    const { ids, others, members, modifies, start, ended } = await due({ standing: true });
    await start();
    assert.deepEqual(membershipsOf(ids, await ended()), { removed: ids });
    assert.deepEqual((await members()).toSorted(), others.toSorted());
    assert.ok(modifies() <= COUNT / 10, `${modifies()} modifies`);
    t.diagnostic(`${COUNT} endings in ${modifies()} modifies`);
  });

  test('leave to the last member, who gives place to the placeholder', async (t) => {
    const { ids, members, modifies, start, ended } = await due();
    await start();
    assert.deepEqual(membershipsOf(ids, await ended()), { removed: ids });
    const left = await members();
    assert.equal(left.length, 1);
    assert.ok(!people.some(({ dn }) => left.includes(dn)));
    assert.ok(modifies() <= COUNT / 5, `${modifies()} modifies`);
    t.diagnostic(`${COUNT} endings and a placeholder in ${modifies()} modifies`);
  });

  test('are each judged alone: who was taken out by hand, who was renamed, who has another grant', async () => {
    const { dn, ids, others, members, start, ended, takeOut } = await due({ standing: true, dueInMs: 4000 });
    const [out, renamed, kept] = people;
    assert.ok(out !== undefined && renamed !== undefined && kept !== undefined);
    const group = await entryRef(s, dn);
    const [longer] = await writeDueGrants(s, { group, users: [kept], prefix: `longer${serial}`, dueInMs: 600_000 });
    await takeOut(out.dn);
    await s.ldap.modify(`dn: ${renamed.dn}\nchangetype: modrdn\nnewrdn: uid=renamed${serial}\ndeleteoldrdn: 1\n`);
    try {
      await start();
      const found = membershipsOf(ids, await ended());
      assert.deepEqual(found, {
        already_absent: ids.slice(0, 1),
        kept_by_grant: ids.slice(2, 3),
        removed: [ids[1], ...ids.slice(3)],
      });
      assert.deepEqual((await members()).toSorted(), [kept.dn, ...others].toSorted());
      assert.ok(longer !== undefined);
      await s.job({ jobId: `revoke-${longer}`, kind: 'revoke', grantId: longer, issuedAt: new Date().toISOString() });
      await s.endOf(longer);
      assert.deepEqual((await members()).toSorted(), others.toSorted());
    } finally {
      await s.ldap.modify(
        `dn: uid=renamed${serial},${s.ldap.usersScope}\nchangetype: modrdn\nnewrdn: ${renamed.dn.split(',')[0]}\ndeleteoldrdn: 1\n`,
      );
    }
  });

  const kills = ['batch.refused:1', 'batch.split:2', 'batch.split:1', 'end.modify-answered:1', 'end.claimed:1'];
  for (const killAt of kills.slice(0, atScale({ sample: 2, full: kills.length })))
    test(`are all done, and told once, by a process that follows one killed at ${killAt}`, async () => {
      // Nobody else is in the group, so the whole cannot go out at once and is split.
      const { ids, members, start, ended } = await due();
      await start({ killAt, welcome: false });
      await killed(s);
      await start();
      assert.deepEqual(membershipsOf(ids, await ended()), { removed: ids });
      assert.equal((await members()).length, 1);
    });

  test('find out each for itself what became of a modify whose answer was lost', async () => {
    const { ids, others, members, start, ended } = await due({ standing: true });
    proxy.spoil('lose-answer');
    await start();
    await proxy.spoilt();
    assert.deepEqual(membershipsOf(ids, await ended()), { removed: ids });
    assert.deepEqual((await members()).toSorted(), others.toSorted());
  });
});
