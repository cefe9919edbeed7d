import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { MembershipChange } from '../../src/directory/directory.ts';
import { type Ledger, LedgerError } from '../../src/ledger/ledger.ts';
import { type EngineUnderTestOptions, HOUR_MS, MINUTE_MS, settled, startedEngine, userDn } from '../support/engine-under-test.ts';
import { activeGrant, quietly, samplePair, samplePeriod } from '../support/ledger-samples.ts';

type Watched = NonNullable<EngineUnderTestOptions['watch']>;

/** Counts what is asked of the ledger. */
function countedCalls() {
  let calls: (keyof Ledger)[] = [];
  const watch: Watched = {
    directory: (directory) => directory,
    ledger(ledger) {
      const counted = Object.entries(ledger).map(([name, call]) => [
        name,
        typeof call === 'function'
          ? (...args: unknown[]) => {
              calls.push(name as keyof Ledger);
              return Reflect.apply(call, ledger, args);
            }
          : call,
      ]);
      return Object.fromEntries(counted) as Ledger;
    },
  };
  return {
    watch,
    forget: () => void (calls = []),
    of: (...names: (keyof Ledger)[]) => calls.filter((name) => names.includes(name)).length,
    all: () => calls,
  };
}

async function fill(rig: Awaited<ReturnType<typeof startedEngine>>['rig'], count: number): Promise<void> {
  const expiresAt = rig.in(MINUTE_MS);
  for (let i = 0; i < count; i += 1) {
    const grant = activeGrant(String(i), { pair: samplePair(i, 1), expiresAt });
    const period = samplePeriod({ pair: grant.pair });
    await rig.ledger.activate({ grant, period, intentId: null, placeholder: null }, quietly({ at: rig.now() }));
  }
}

describe('what endings ask of the ledger', () => {
  test('a hundred that are due begin in one call, and each then reads once, and writes its intent and its end', async () => {
    const calls = countedCalls();
    const { rig } = await startedEngine({ watch: calls.watch });
    const expiresAt = rig.in(MINUTE_MS);
    for (let i = 0; i < 100; i += 1) {
      rig.addUser(`user${i}`);
      await rig.grant({ grantId: `g${i}`, user: `user${i}`, expiresAt });
    }
    await rig.pass(MINUTE_MS - 1);
    calls.forget();
    await rig.pass(1);
    assert.equal(rig.of('grant.ended').length, 100);
    assert.equal(calls.of('beginEndings'), 1);
    for (const method of ['endingState', 'openIntent', 'end'] as const) assert.equal(calls.of(method), 100, method);
    const told = calls.of('events', 'acknowledge');
    assert.ok(calls.all().length - told <= 310, `${calls.all().length - told} calls: ${[...new Set(calls.all())].join(', ')}`);
  });

  test('a grant does not have it asked for due grants, but for one whose end is near', async () => {
    const calls = countedCalls();
    const { rig } = await startedEngine({ watch: calls.watch });
    calls.forget();
    await rig.grant();
    assert.equal(calls.of('dueGrants', 'nextExpiry'), 0);
    rig.addUser('bob');
    await rig.pass(300);
    calls.forget();
    await rig.grant({ grantId: 'g2', user: 'bob', expiresAt: rig.in(100) });
    assert.ok(calls.of('nextExpiry') > 0);
    await rig.pass(100);
    assert.equal(await rig.stateOf('g2'), 'ended');
  });

  test('where not all of them can be written together, each is written alone', async () => {
    const { rig } = await startedEngine({
      watch: {
        directory: (directory) => directory,
        ledger: (ledger) => ({
          ...ledger,
          beginEndings: (endings) =>
            endings.length > 1 || endings[0]?.grant.grantId === 'grant-3'
              ? Promise.reject(new LedgerError('no_space', 'the disk is full'))
              : ledger.beginEndings(endings),
        }),
      },
    });
    await fill(rig, 5);
    rig.fake.goDown();
    await rig.pass(MINUTE_MS);
    const states = await Promise.all([0, 1, 2, 3, 4].map((i) => rig.stateOf(`grant-${i}`)));
    assert.deepEqual(states, ['ending', 'ending', 'ending', 'active', 'ending']);
  });
});

describe('while the directory is down', () => {
  test('an ending is told at once as overdue, then about once a minute, and asks for nothing in between', async () => {
    const calls = countedCalls();
    const { rig } = await startedEngine({ watch: calls.watch });
    await fill(rig, 20);
    rig.fake.goDown();
    await rig.pass(MINUTE_MS);
    assert.equal(rig.of('grant.overdue').length, 20);
    calls.forget();
    await rig.pass(10 * MINUTE_MS);
    assert.ok(calls.of('endingState') <= 20 * 15, `${calls.of('endingState')} attempts`);
    assert.ok(calls.of('tell') >= 20 * 9 && calls.of('tell') <= 20 * 15, `${calls.of('tell')} times told`);
  });

  test('its return begins every ending at once, the one that is due longest first', async () => {
    const { rig } = await startedEngine();
    for (const [i, minutes] of [3, 1, 2].entries()) {
      rig.addUser(`user${i}`);
      await rig.grant({ grantId: `g${i}`, user: `user${i}`, expiresAt: rig.in(minutes * MINUTE_MS) });
    }
    rig.fake.goDown();
    rig.crash();
    rig.clock.advance(HOUR_MS);
    await rig.start();
    await rig.pass(2 * MINUTE_MS);
    const before = rig.fake.operations.length;
    rig.fake.goUp();
    await settled();
    assert.equal(rig.of('grant.ended').length, 3);
    const asked = rig.fake.operations.slice(before).find(({ method }) => method === 'change');
    assert.deepEqual((asked?.args[0] as MembershipChange | undefined)?.remove, [
      userDn('user1'),
      userDn('user2'),
      userDn('user0'),
    ]);
  });
});

describe('a new connection to the control plane', () => {
  test('begins nothing that waits for the directory', async () => {
    const calls = countedCalls();
    const { rig } = await startedEngine({ watch: calls.watch });
    await fill(rig, 20);
    rig.fake.goDown();
    await rig.pass(MINUTE_MS + 100);
    rig.disconnect();
    calls.forget();
    await rig.connect();
    assert.equal(calls.of('endingState'), 0);
  });
});

describe('what a grant asks of the directory', () => {
  const asked = (rig: Awaited<ReturnType<typeof startedEngine>>['rig'], from: number) =>
    rig.fake.operations.slice(from).map(({ method }) => method);

  test('is looked up once where nothing was waited for', async () => {
    const { rig } = await startedEngine();
    const from = rig.fake.operations.length;
    await rig.grant();
    assert.deepEqual(asked(rig, from), ['findUser', 'findGroup', 'protectorOf', 'probe', 'change', 'locateUser', 'locateGroup']);
  });

  test('and of the ledger: stored, pending, read, its intent with its pair, claimed', async () => {
    const calls = countedCalls();
    const { rig } = await startedEngine({ watch: calls.watch });
    calls.forget();
    await rig.grant();
    const writes = calls.all().filter((name) => !['job', 'known', 'space', 'attachedJobs', 'pairState', 'events'].includes(name));
    assert.deepEqual(writes, ['storeJob', 'savePending', 'openIntent', 'activate', 'acknowledge']);
  });

  test('keeps its user where it must be tried again, whoever goes by that name then', async () => {
    const { rig, ada, admins } = await startedEngine();
    const held = rig.fake.holdNext('probe');
    const job = await rig.grant();
    await held.reached;
    rig.fake.goDown();
    held.go();
    await settled();
    rig.fake.tree.rename(ada, userDn('renamed'));
    rig.addUser('ada');
    rig.fake.goUp();
    await rig.pass(MINUTE_MS);
    assert.equal(rig.outcomeOf(job), 'granted');
    assert.deepEqual(rig.fake.tree.group(admins)?.values, [userDn('keeper'), userDn('renamed')]);
  });

  test('is looked up again where the look-up took longer than a second', async () => {
    const { rig } = await startedEngine();
    const from = rig.fake.operations.length;
    const held = rig.fake.holdNext('findGroup');
    await rig.grant();
    await held.reached;
    await rig.pass(1001);
    held.go();
    await settled();
    assert.equal(await rig.stateOf('g1'), 'active');
    assert.deepEqual(asked(rig, from), [
      'findUser',
      'findGroup',
      'protectorOf',
      'locateUser',
      'locateGroup',
      'protectorOf',
      'probe',
      'change',
      'locateUser',
      'locateGroup',
    ]);
  });
});
