import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SequencedEvent } from '../../src/access/event.ts';
import type { EntryId } from '../../src/access/ids.ts';
import { instant } from '../../src/access/instant.ts';
import type { GoneSighting } from '../../src/directory/directory.ts';
import { lateWrites } from '../../src/engine/engine-parts.ts';
import { goneProofs } from '../../src/engine/gone-proofs.ts';
import { keyedLock, type Urgency, workSlots } from '../../src/engine/keyed-lock.ts';
import { outbox } from '../../src/engine/outbox.ts';
import { protectedBySpelling, protectedGroups } from '../../src/engine/protected-groups.ts';
import { type Attempted, pursuits } from '../../src/engine/pursuits.ts';
import { trustedClock } from '../../src/engine/trusted-clock.ts';
import { viewOf } from '../../src/engine/views.ts';
import type { LinkConnection } from '../../src/link/link.ts';
import { MAX_UNACKNOWLEDGED_EVENTS } from '../../src/protocol/limits.ts';
import { capturedLog } from '../support/captured-log.ts';
import { groupDn, settled } from '../support/engine-under-test.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { fakeDirectory } from '../support/fake-directory.ts';
import { activeGrant, endedGrant, failedGrant, pendingGrant, quietly, samplePair } from '../support/ledger-samples.ts';
import { memoryLedger } from '../support/memory-ledger.ts';

const never = new AbortController().signal;
const NOTHING_KEPT = { of: () => [], keep: () => undefined };

describe('the lock of a key', () => {
  test('lets one in at a time, and other keys pass', async () => {
    const lock = keyedLock();
    const order: string[] = [];
    const first = Promise.withResolvers<void>();
    const begin = (key: string, name: string, until: Promise<void> = Promise.resolve()) =>
      lock.run(key, 'grant', async () => {
        order.push(`${name} begins`);
        await until;
        order.push(`${name} ends`);
      });
    const all = [begin('a', '1', first.promise), begin('a', '2'), begin('b', '3')];
    await settled();
    assert.deepEqual(order, ['1 begins', '3 begins', '3 ends']);
    assert.ok(lock.isHeld('a'));
    assert.ok(!lock.isHeld('b'));
    first.resolve();
    await Promise.all(all);
    assert.deepEqual(order.slice(3), ['1 ends', '2 begins', '2 ends']);
    assert.ok(!lock.isHeld('a'));
  });

  test('lets endings in before grants, each in order of arrival', async () => {
    const lock = keyedLock();
    const order: string[] = [];
    const first = Promise.withResolvers<void>();
    const enter = (urgency: Urgency, name: string) => lock.run('a', urgency, async () => void order.push(name));
    const all = [
      lock.run('a', 'grant', () => first.promise),
      enter('grant', 'g1'),
      enter('ending', 'e1'),
      enter('grant', 'g2'),
      enter('ending', 'e2'),
    ];
    first.resolve();
    await Promise.all(all);
    assert.deepEqual(order, ['e1', 'e2', 'g1', 'g2']);
  });

  test('is freed by work that throws', async () => {
    const lock = keyedLock();
    const thrown = lock.run('a', 'grant', () => Promise.reject(new Error('broken')));
    const next = lock.run('a', 'grant', () => Promise.resolve('in'));
    await assert.rejects(thrown, /broken/);
    assert.equal(await next, 'in');
  });
});

describe('work slots', () => {
  test('bound what is at work, keep some for endings, and let those go first', async () => {
    const run = workSlots({ slots: 3, reserved: 1 });
    const order: string[] = [];
    const gates = new Map<string, () => void>();
    const begin = (urgency: Urgency, name: string) =>
      run(urgency, () => {
        order.push(name);
        return new Promise<void>((resolve) => gates.set(name, resolve));
      });
    const all = [begin('grant', 'g1'), begin('grant', 'g2'), begin('grant', 'g3'), begin('ending', 'e1'), begin('ending', 'e2')];
    await settled();
    assert.deepEqual(order, ['g1', 'g2', 'e1']);
    gates.get('g1')?.();
    await settled();
    assert.deepEqual(order, ['g1', 'g2', 'e1', 'e2']);
    gates.get('e1')?.();
    await settled();
    assert.deepEqual(order.slice(4), [], 'the last free slot is for endings');
    gates.get('e2')?.();
    await settled();
    assert.deepEqual(order.slice(4), ['g3']);
    for (const open of gates.values()) open();
    await Promise.all(all);
  });

  test('are freed by work that throws', async () => {
    const run = workSlots({ slots: 1, reserved: 0 });
    await assert.rejects(
      run('grant', () => Promise.reject(new Error('broken'))),
      /broken/,
    );
    assert.equal(await run('grant', () => Promise.resolve('in')), 'in');
  });
});

describe('a pursuit', () => {
  function pursued() {
    const clock = fakeClock();
    const log = capturedLog();
    const all = pursuits({ clock, random: () => 0.5, log: log.logger });
    const delays: number[] = [];
    let answer: () => Attempted | Promise<Attempted> = () => ({ done: false });
    const pursue = () =>
      all.pursue({
        key: 'k',
        urgency: 'grant',
        attempt: async (nextDelayMs) => {
          delays.push(nextDelayMs);
          return answer();
        },
      });
    return {
      clock,
      log,
      all,
      delays,
      pursue,
      answer(next: () => Attempted | Promise<Attempted>) {
        answer = next;
      },
      async pass(ms: number) {
        clock.advance(ms);
        await settled();
      },
    };
  }

  test('backs off from a quarter of a second to a minute, and announces each wait', async () => {
    const { pursue, delays, clock, all } = pursued();
    pursue();
    await settled();
    for (let i = 0; i < 12; i += 1) {
      assert.deepEqual(clock.pending(), [delays.at(-1)]);
      clock.advance(delays.at(-1) ?? 0);
      await settled();
    }
    assert.deepEqual(delays.slice(0, 4), [188, 375, 750, 1500]);
    assert.equal(Math.max(...delays), 45_000);
    await all.stop();
  });

  test('waits as long as an attempt asks for, and is over when one is done', async () => {
    const { pursue, answer, clock, delays, all, pass } = pursued();
    answer(() => ({ done: false, afterMs: 7000 }));
    pursue();
    await settled();
    assert.deepEqual(clock.pending(), [7000]);
    answer(() => ({ done: true }));
    await pass(7000);
    assert.equal(delays.length, 2);
    assert.equal(all.size(), 0);
  });

  test('that throws is tried again, and logged', async () => {
    const { pursue, answer, delays, log, all, pass } = pursued();
    answer(() => Promise.reject(new Error('broken')));
    pursue();
    await settled();
    answer(() => ({ done: true }));
    await pass(188);
    assert.equal(delays.length, 2);
    assert.deepEqual(
      log.lines.map(({ event }) => event),
      ['engine.attempt-failed'],
    );
    assert.equal(all.size(), 0);
  });

  test('asked for again while it is attempted is attempted once more, however that went', async () => {
    const { pursue, answer, delays, all } = pursued();
    const first = Promise.withResolvers<Attempted>();
    answer(() => first.promise);
    pursue();
    await settled();
    pursue();
    answer(() => ({ done: true }));
    first.resolve({ done: true });
    await settled();
    assert.equal(delays.length, 2);
    assert.equal(all.size(), 0);
  });

  test('is kicked out of its wait, and its backoff begins anew', async () => {
    const { pursue, delays, all, clock } = pursued();
    pursue();
    await settled();
    for (let i = 0; i < 8; i += 1) {
      clock.advance(60_000);
      await settled();
    }
    const before = delays.length;
    all.kick('directory');
    await settled();
    assert.equal(delays.length, before + 1);
    assert.equal(delays.at(-1), 188);
    await all.stop();
  });

  test('begins nothing after a stop, which waits for what was begun', async () => {
    const { pursue, answer, delays, all, clock } = pursued();
    const first = Promise.withResolvers<Attempted>();
    answer(() => first.promise);
    pursue();
    await settled();
    let stopped = false;
    const stopping = all.stop().finally(() => {
      stopped = true;
    });
    await settled();
    assert.equal(stopped, false);
    first.resolve({ done: false });
    await stopping;
    pursue();
    await settled();
    assert.equal(delays.length, 1);
    assert.deepEqual(clock.pending(), []);
  });
});

describe('trusted time', () => {
  test('never runs backwards, and goes on with the monotonic clock', () => {
    const clock = fakeClock();
    const time = trustedClock({ clock, mark: instant(0) });
    const before = time.now();
    clock.step(-7_200_000);
    clock.advance(1000);
    assert.equal(time.now(), before + 1000);
    assert.equal(time.aheadMs(), 7_200_000);
    assert.equal(time.trusted(), false);
    clock.step(7_200_000);
    assert.equal(time.trusted(), true);
  });

  test('runs as fast as the monotonic clock after a step back, however often it is asked', () => {
    const clock = fakeClock();
    const time = trustedClock({ clock, mark: instant(0) });
    const before = time.now();
    clock.step(-7_200_000);
    for (let asked = 0; asked < 10_000; asked += 1) {
      clock.advance(0.25);
      time.now();
    }
    assert.equal(time.now(), before + 2500);
  });

  test('follows a forward step, and the wall clock after a suspended time', () => {
    const clock = fakeClock();
    const time = trustedClock({ clock, mark: instant(0) });
    const before = time.now();
    clock.step(86_400_000);
    assert.equal(time.now(), before + 86_400_000);
    assert.ok(time.trusted());
  });

  test('starts from the mark of the ledger, and is distrusted beyond five minutes ahead of the wall clock', () => {
    const clock = fakeClock();
    const near = trustedClock({ clock, mark: instant(clock.wall() + 300_000) });
    const far = trustedClock({ clock, mark: instant(clock.wall() + 300_001) });
    assert.ok(near.trusted());
    assert.ok(!far.trusted());
    assert.equal(far.now(), clock.wall() + 300_001);
  });
});

describe('the proof that an entry is gone', () => {
  function proofs(answers: GoneSighting[]) {
    const clock = fakeClock();
    const { directory } = fakeDirectory();
    let asked = 0;
    const sighting = { ...directory, sightGone: () => Promise.resolve(answers[asked++] ?? 'gone') };
    const proof = goneProofs({ directory: sighting, clock, confirmMs: 60_000 });
    const entry = samplePair(1, 1).user;
    return { clock, asked: () => asked, ask: () => proof.ask({ entry, witness: null }, never) };
  }

  test('needs two sightings, a minute apart, and does not look in between', async () => {
    const { ask, clock, asked } = proofs(['gone', 'gone']);
    assert.deepEqual(await ask(), { kind: 'unproven', againInMs: 60_000 });
    clock.advance(59_999);
    assert.deepEqual(await ask(), { kind: 'unproven', againInMs: 1 });
    assert.equal(asked(), 1);
    clock.advance(1);
    assert.deepEqual(await ask(), { kind: 'proven' });
  });

  for (const other of ['found', 'unproven'] as const) {
    test(`starts over where a sighting says ${other}`, async () => {
      const { ask, clock } = proofs(['gone', other, 'gone', 'gone']);
      await ask();
      clock.advance(60_000);
      assert.equal((await ask()).kind, other);
      clock.advance(60_000);
      assert.equal((await ask()).kind, 'unproven');
      clock.advance(60_000);
      assert.equal((await ask()).kind, 'proven');
    });
  }

  test('is not made of a sighting of long ago: the entry may have been there since', async () => {
    const { ask, clock } = proofs([]);
    await ask();
    clock.advance(86_400_000);
    assert.equal((await ask()).kind, 'unproven');
  });
});

test('an addition that was lost is waited for by its pair, whatever grant it was for, until it cannot come any more', () => {
  const clock = fakeClock();
  const late = lateWrites({ clock, lateWriteMs: 5000 });
  late.lost(samplePair(1, 1));
  clock.advance(2000);
  late.lost(samplePair(2, 1));
  assert.equal(late.remainingMs(samplePair(1, 1)), 3000);
  assert.equal(late.remainingMs(samplePair(1, 2)), 0);
  clock.advance(3000);
  assert.equal(late.remainingMs(samplePair(1, 1)), 0);
  assert.equal(late.remainingMs(samplePair(2, 1)), 2000);
});

describe('a protected group', () => {
  function guarded(configured: readonly string[]) {
    const fake = fakeDirectory();
    fake.goUp();
    fake.tree.add({ kind: 'group', dn: groupDn('root'), name: 'root', attribute: 'member', values: ['cn=x'] });
    const log = capturedLog();
    const groups = protectedGroups({
      configured,
      unprotected: [],
      directory: fake.directory,
      kept: NOTHING_KEPT,
      log: log.logger,
    });
    const entryOf = async (name: string) => {
      const found = await fake.directory.findGroup({ by: 'name', name }, null, never);
      assert.ok(found.kind === 'found');
      return found.entry;
    };
    return { fake, log, groups, entryOf };
  }

  test('stays protected by its id when it is renamed', async () => {
    const { fake, groups } = guarded(['ROOT']);
    await groups.resolve(never);
    const before = fake.tree.at(groupDn('root'))?.id ?? ('' as EntryId);
    fake.tree.rename(groupDn('root'), groupDn('wheel'));
    const entry = await fake.directory.locateGroup(before, never);
    assert.ok(entry !== null && groups.protects(entry));
  });

  test('is looked for anew: its name may mean another by now, and whatever it meant before stays protected', async () => {
    const { fake, groups, entryOf, log } = guarded(['root']);
    await groups.resolve(never);
    fake.tree.rename(groupDn('root'), groupDn('wheel'));
    const first = fake.tree.group(groupDn('wheel'));
    assert.ok(first !== null);
    first.name = 'wheel';
    await groups.resolveAnew(never);
    assert.deepEqual([groups.unresolved(), log.lines], [[], []], 'it is known by its id');
    fake.tree.add({ kind: 'group', dn: groupDn('root'), name: 'root', attribute: 'member', values: ['cn=x'] });
    await groups.resolveAnew(never);
    const second = fake.tree.group(groupDn('root'));
    assert.ok(second !== null);
    second.name = 'sudo';
    fake.tree.rename(groupDn('root'), groupDn('sudo'));
    assert.ok(groups.protects(await entryOf('wheel')) && groups.protects(await entryOf('sudo')));
    assert.deepEqual(groups.ids().toSorted(), [first.id, second.id].toSorted());
    fake.tree.delete(groupDn('wheel'));
    fake.tree.delete(groupDn('sudo'));
    await groups.resolveAnew(never);
    await groups.resolveAnew(never);
    assert.deepEqual([groups.unresolved(), log.lines.length], [['root'], 1]);
  });

  test('is known by name, by any spelling of its DN, and by id', async () => {
    const { entryOf, fake } = guarded([]);
    const id = fake.tree.at(groupDn('root'))?.id ?? '';
    for (const one of ['Root', 'CN=root, OU=groups,dc=example,dc=test', id]) {
      const groups = protectedGroups({
        configured: [one],
        unprotected: [],
        directory: fake.directory,
        kept: NOTHING_KEPT,
        log: capturedLog().logger,
      });
      await groups.resolve(never);
      assert.ok(groups.protects(await entryOf('root')), one);
      assert.deepEqual(groups.unresolved(), []);
    }
  });

  test('is known without a directory by its spelling, and one that rules over the directory unless it is released', () => {
    const rules = protectedBySpelling({ configured: ['Wheel'], unprotected: ['CN=Backup Operators, dc=example'] });
    const group = (name: string, builtIn: string | null) => ({
      id: 'an-id' as EntryId,
      dn: `cn=${name},dc=example`,
      name,
      builtIn,
    });
    assert.deepEqual(
      [group('wheel', null), group('staff', null), group('Domain Admins', 'Domain Admins'), group('Backup Operators', 'x')].map(
        (one) => rules.protects(one) || rules.protectsBuiltIn(one),
      ),
      [true, false, true, false],
    );
    assert.ok(rules.releases(group('Backup Operators', 'x')));
  });

  test('that rules over the directory is not released by a name that reads as the id or DN of one that is', () => {
    const released = {
      id: '00000000-0000-4000-8000-00000000000a',
      dn: 'CN=Backup Operators, dc=example',
      name: 'Print Operators',
    };
    const rules = protectedBySpelling({ configured: [], unprotected: Object.values(released) });
    const group = { id: 'an-id' as EntryId, dn: 'cn=x,dc=example', name: 'x', builtIn: 'Domain Admins' };
    for (const name of [released.id, released.dn]) assert.ok(rules.protectsBuiltIn({ ...group, name }), name);
    const goingBy = [{ id: released.id as EntryId }, { dn: 'cn=backup operators,dc=example' }, { name: 'print operators' }];
    for (const one of goingBy) assert.ok(!rules.protectsBuiltIn({ ...group, ...one }));
  });

  test('that is missing is reported once, looked for again, and refused by its spelling meanwhile', async () => {
    const { groups, fake, log, entryOf } = guarded(['later']);
    assert.equal(groups.unresolved(), null);
    await groups.resolve(never);
    await groups.resolve(never);
    assert.deepEqual(groups.unresolved(), ['later']);
    assert.equal(log.lines.length, 1);
    fake.tree.add({ kind: 'group', dn: groupDn('later'), name: 'later', attribute: 'member', values: ['cn=x'] });
    assert.ok(groups.protects(await entryOf('later')));
    await groups.resolve(never);
    assert.deepEqual(groups.unresolved(), []);
  });

  test('is not believed absent where the directory cannot be asked', async () => {
    const { groups, fake } = guarded(['root']);
    fake.goDown();
    await assert.rejects(groups.resolve(never));
    assert.equal(groups.unresolved(), null);
  });
});

describe('the outbox', () => {
  async function filled(count: number) {
    const clock = fakeClock();
    const ledger = memoryLedger();
    const event = { kind: 'ledger.replaced', previousLedgerId: 'x' } as const;
    await ledger.tell(quietly({ events: Array.from({ length: count }, () => event) }));
    const out = outbox({ ledger, clock, log: capturedLog().logger, failPoints: () => undefined });
    return { clock, ledger, out, event };
  }

  function peer() {
    const lost = new AbortController();
    const seqs: number[] = [];
    const connection: LinkConnection = {
      send(frame) {
        if (lost.signal.aborted) return false;
        if (frame.type === 'event') seqs.push(frame.seq);
        return true;
      },
      sendText: () => Promise.resolve(true),
      flushed: () => Promise.resolve(),
      signal: lost.signal,
    };
    return { connection, seqs, lose: () => lost.abort() };
  }

  test('has at most 500 unacknowledged on a connection, and goes on as they are acknowledged', async () => {
    const { out } = await filled(MAX_UNACKNOWLEDGED_EVENTS + 120);
    const { connection, seqs } = peer();
    out.attach(connection, 0);
    await settled();
    assert.deepEqual(
      seqs,
      Array.from({ length: 500 }, (_, i) => i + 1),
    );
    assert.equal(await out.acknowledged(100), true);
    await settled();
    assert.equal(seqs.length, 600);
    assert.equal(await out.acknowledged(600), true);
    await settled();
    assert.equal(seqs.at(-1), 620);
    assert.equal(seqs.length, 620);
  });

  test('sends again in order on the next connection what was not acknowledged', async () => {
    const { out } = await filled(10);
    const first = peer();
    out.attach(first.connection, 0);
    await settled();
    await out.acknowledged(4);
    first.lose();
    out.detach();
    const second = peer();
    out.attach(second.connection, 4);
    await settled();
    assert.deepEqual(second.seqs, [5, 6, 7, 8, 9, 10]);
    assert.equal(await out.drained(), false);
    await out.acknowledged(10);
    assert.equal(await out.drained(), true);
  });

  test('refuses the acknowledgement of what it never sent, and without a connection', async () => {
    const { out, ledger } = await filled(3);
    assert.equal(await out.acknowledged(1), false);
    out.attach(peer().connection, 0);
    await settled();
    assert.equal(await out.acknowledged(4), false);
    assert.equal((await ledger.events({ after: 0, limit: 10 })).length, 3);
  });

  test('misses nothing that arrives while it is sending', async () => {
    const { out, ledger, event } = await filled(1);
    const { connection, seqs } = peer();
    out.attach(connection, 0);
    void ledger.tell(quietly({ events: [event, event] })).then(out.wake);
    out.wake();
    await settled();
    assert.deepEqual(seqs, [1, 2, 3]);
  });

  test('stops at the first frame that a lost connection does not take', async () => {
    const { out } = await filled(3);
    const { connection, seqs, lose } = peer();
    lose();
    out.attach(connection, 0);
    await settled();
    assert.deepEqual(seqs, []);
    const next = peer();
    out.attach(next.connection, 0);
    await settled();
    assert.deepEqual(next.seqs, [1, 2, 3]);
  });

  test('leaves no timer on a connection that is lost after the ledger failed', async () => {
    const { out, ledger, clock } = await filled(1);
    ledger.events = (): Promise<readonly SequencedEvent[]> => Promise.reject(new Error('unreadable'));
    out.attach(peer().connection, 0);
    await settled();
    assert.deepEqual(clock.pending(), [1000]);
    out.detach();
    assert.deepEqual(clock.pending(), []);
  });
});

test('a view says null of what is unknown, and the end only of what has ended', () => {
  assert.deepEqual(viewOf(pendingGrant('a', null)), {
    grantId: 'grant-a',
    user: null,
    group: null,
    state: 'pending',
    standing: false,
    activatedAt: null,
    expiresAt: null,
  });
  assert.equal(viewOf(activeGrant('a', { standing: 'unknown' })).standing, 'unknown');
  assert.equal(viewOf(failedGrant('a')).expiresAt, null);
  const ended = endedGrant('a');
  assert.equal(viewOf(ended).endedAt, ended.endedAt);
  assert.ok(!('endedAt' in viewOf(activeGrant('a'))));
});
