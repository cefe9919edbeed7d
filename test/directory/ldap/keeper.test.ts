import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../../src/access/clock.ts';
import { instant } from '../../../src/access/instant.ts';
import { DirectoryError } from '../../../src/directory/directory.ts';
import { parseEndpoint } from '../../../src/directory/ldap/endpoint.ts';
import { sessionKeeper } from '../../../src/directory/ldap/keeper.ts';
import type { Session } from '../../../src/directory/ldap/session.ts';
import { memoryLogger } from '../../support/ldap-directory-under-test.ts';

/** A clock that a test turns; timers fire as it passes them. */
function turnedClock() {
  let nowMs = 0;
  const timers = new Set<{ atMs: number; fire: () => void }>();
  const clock: Clock = {
    wall: () => instant(nowMs),
    monotonicMs: () => nowMs,
    timer(delayMs, fire) {
      const timer = { atMs: nowMs + delayMs, fire };
      timers.add(timer);
      return () => timers.delete(timer);
    },
  };
  const nextDelayMs = () => Math.min(...[...timers].map(({ atMs }) => atMs)) - nowMs;
  const turn = async (ms: number): Promise<void> => {
    nowMs += ms;
    for (const timer of [...timers].filter(({ atMs }) => atMs <= nowMs)) {
      timers.delete(timer);
      timer.fire();
    }
    await nextTurn();
  };
  return { clock, turn, nextDelayMs };
}

const endpoint = parseEndpoint('ldaps://one.test', false);
const TWO = parseEndpoint('ldaps://two.test', false);

/** As much of a session as the keeper uses. */
function session(at = endpoint) {
  const ended = Promise.withResolvers<DirectoryError>();
  let isOver = false;
  const end = () => {
    isOver = true;
    ended.resolve(new DirectoryError('unavailable', 'it ended'));
  };
  const fake = {
    endpoint: at,
    ended: ended.promise,
    get isOver() {
      return isOver;
    },
    lastUsedMs: 0,
    search: async () => undefined,
    close: async () => end(),
  };
  return { fake: fake as unknown as Session, end };
}

/** What servers say of themselves, one after another, and since when the ledger says that they are in use. */
interface Says {
  readonly names?: readonly string[];
  readonly inUseSince?: number | null;
}

function keeping(
  attempts: () => Promise<Session>,
  random: () => number,
  several = false,
  { names = [], inUseSince = null }: Says = {},
) {
  const time = turnedClock();
  const told: string[] = [];
  const memory = memoryLogger();
  let tries = 0;
  const keeper = sessionKeeper<string | null>({
    opener: {
      open: () => {
        tries += 1;
        return attempts();
      },
      inUse: () => endpoint,
      isOneOfSeveral: () => several,
      passOver: ({ host }) => void told.push(`not ${host}`),
    },
    gate: {
      open: (_password, opening) => opening(),
      refused: async () => undefined,
      accepted: async () => undefined,
      lastAccepted: () => null,
      bars: async () => false,
      lift: async () => undefined,
      waitsUntil: () => null,
    },
    learn: async () => names[tries - 1] ?? null,
    serverOf: (name) => name,
    inUseSince: () => (inUseSince === null ? null : instant(inUseSince)),
    clock: time.clock,
    random,
    logger: memory.logger,
    onChange: ({ state }) => void told.push(state),
    onFailover: (since) => void told.push(`in use since ${since ?? 'nobody knows'}`),
  });
  return { ...time, keeper, told, tries: () => tries, lines: memory.lines };
}

const away = () => Promise.reject(new DirectoryError('unavailable', 'away'));

/** What is told while sessions follow one another, each after it has lasted. */
async function toldOf(
  sessions: readonly ReturnType<typeof session>[],
  { isOneOfSeveral, says = {} }: { isOneOfSeveral: boolean; says?: Says },
): Promise<readonly string[]> {
  const waiting = sessions.map(({ fake }) => fake);
  const next = async () => waiting.shift() ?? (await away());
  const { keeper, turn, told } = keeping(next, () => 1, isOneOfSeveral, says);
  keeper.start();
  await nextTurn();
  for (const { end } of sessions.slice(0, -1)) {
    await turn(2_000);
    end();
    await nextTurn();
  }
  await keeper.close();
  return told;
}

suite('keeping a session', () => {
  test('pauses double from a quarter of a second to two seconds, and no attempt overlaps another', async () => {
    const { keeper, turn, nextDelayMs, tries, told, lines } = keeping(away, () => 1);
    keeper.start();
    await nextTurn();
    const pauses: number[] = [];
    for (let count = 1; count <= 7; count += 1) {
      assert.equal(tries(), count);
      pauses.push(nextDelayMs());
      await turn(nextDelayMs());
    }
    assert.deepEqual(pauses, [250, 500, 1_000, 2_000, 2_000, 2_000, 2_000]);
    assert.deepEqual(told, ['down']);
    assert.equal(lines.filter(({ level }) => level === 'warn').length, 1);
    await assert.rejects(keeper.current(null), { fault: 'unavailable', message: 'away' });
    await keeper.close();
  });

  test('pauses are spread by chance over the whole of their length', async () => {
    const { keeper, nextDelayMs } = keeping(away, () => 0.1);
    keeper.start();
    await nextTurn();
    assert.equal(nextDelayMs(), 25);
    await keeper.close();
  });

  test('a session that had lasted is replaced at once and silently, and whoever asks meanwhile waits for it', async () => {
    const [first, second] = [session(), session()];
    const waiting = [first.fake, second.fake];
    const { keeper, turn, told } = keeping(
      async () => waiting.shift() ?? (await away()),
      () => 1,
    );
    keeper.start();
    await nextTurn();
    assert.equal((await keeper.current(null)).session, first.fake);
    await turn(2_000);
    first.end();
    assert.equal((await keeper.current(null)).session, second.fake);
    assert.deepEqual(told, ['up']);
    await keeper.close();
    await assert.rejects(keeper.current(null), /closed/);
  });

  test('a server that hangs up at once is not dialled in a loop', async () => {
    const sessions = [session(), session()];
    const waiting = sessions.map(({ fake }) => fake);
    const { keeper, turn, told, tries, nextDelayMs } = keeping(
      async () => waiting.shift() ?? (await away()),
      () => 1,
    );
    keeper.start();
    await nextTurn();
    sessions[0]?.end();
    await nextTurn();
    assert.equal(tries(), 1);
    assert.equal(nextDelayMs(), 250);
    await turn(250);
    sessions[1]?.end();
    await nextTurn();
    assert.equal(nextDelayMs(), 500);
    assert.deepEqual(told, ['up', 'not one.test', 'down', 'up', 'not one.test', 'down']);
    await keeper.close();
  });

  test('another server behind the same name is told too, as far as servers say who they are', async () => {
    const says = { names: ['CN=DC1', 'CN=DC1', 'CN=DC2'] };
    const told = await toldOf([session(), session(), session()], { isOneOfSeveral: false, says });
    assert.deepEqual(told, ['up', 'in use since nobody knows']);
  });

  test('where nobody remembers the server, the first of several is told too: an earlier process may have used another', async () => {
    const told = await toldOf([session(), session(), session(TWO)], { isOneOfSeveral: true });
    assert.deepEqual(told, ['up', 'in use since nobody knows', 'in use since nobody knows']);
  });

  test('the first session, and each with another server, is told with since when that server is in use', async () => {
    const told = await toldOf([session(), session(), session(TWO)], { isOneOfSeveral: false, says: { inUseSince: 7 } });
    assert.deepEqual(told, ['up', 'in use since 7', 'in use since 7']);
  });

  test('a server whose session does not last is passed over', async () => {
    const first = session();
    const waiting = [first.fake];
    const { keeper, told } = keeping(
      async () => waiting.shift() ?? (await away()),
      () => 1,
    );
    keeper.start();
    await nextTurn();
    first.end();
    await nextTurn();
    assert.deepEqual(told, ['up', 'not one.test', 'down']);
    await keeper.close();
  });

  test('who waits for the first session can give up', async () => {
    const never = Promise.withResolvers<Session>();
    const { keeper } = keeping(
      () => never.promise,
      () => 1,
    );
    keeper.start();
    await assert.rejects(keeper.current(AbortSignal.abort()), { fault: 'unavailable' });
    never.reject(new DirectoryError('unavailable', 'over'));
    await keeper.close();
  });
});
