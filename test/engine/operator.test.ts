import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { GrantId } from '../../src/access/ids.ts';
import type { GrantChoice, OperatorNews, OperatorResult } from '../../src/access/operator.ts';
import type { EngineRequest } from '../../src/engine/operator-commands.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, settled, startedEngine, userDn } from '../support/engine-under-test.ts';

type Rig = Awaited<ReturnType<typeof startedEngine>>['rig'];

const WHO = { by: 'ops', reason: 'a drill' };
const G1: GrantChoice = { by: 'grant', grantId: 'g1' as GrantId };
const WAIT_MS = 30_000;

/** Asks, and lets everything go on that can without time. */
async function ask(rig: Rig, request: EngineRequest, passMs = 0) {
  const news: OperatorNews[] = [];
  let result: OperatorResult | null = null;
  const asked = rig.engine
    .operate(request, (one) => news.push(one), new AbortController().signal)
    .then((final) => {
      result = final;
      return final;
    });
  await settled();
  if (passMs > 0) await rig.pass(passMs);
  if (result !== null) await asked;
  const kept = news.flatMap((one) => ('grant' in one ? [`${one.answer} ${one.grant.grantId}`] : [one.answer]));
  return { news, kept, result: result as OperatorResult | null, asked };
}

const revoke = (rig: Rig, choice: GrantChoice, passMs = 0, waitMs = WAIT_MS) =>
  ask(rig, { request: 'revoke', choice, waitMs, ...WHO }, passMs);

const accepted = (rig: Rig) =>
  rig.ledger.auditRecords().flatMap(({ kind, grantId }) => (kind === 'operator.command' ? [grantId ?? null] : []));

test('a grant that waited for the directory is not shown as waiting once it is made', async () => {
  const { rig, ada, admins } = await startedEngine();
  const troubles = async () => {
    const { news } = await ask(rig, { request: 'grants', isEndedToo: false });
    return news.flatMap((one) => ('grant' in one ? [[one.grant.state, one.grant.trouble?.code]] : []));
  };
  rig.fake.goDown();
  await rig.grant();
  assert.deepEqual(await troubles(), [['pending', 'directory_unavailable']]);
  rig.fake.goUp();
  await rig.pass(MINUTE_MS);
  assert.ok(rig.isMember(ada, admins));
  assert.deepEqual(await troubles(), [['active', undefined]]);
});

describe('a revoke of a person on the machine', () => {
  test('ends an active grant by the one path, is told with its cause, and audited with who and why', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant();
    const { kept, result } = await revoke(rig, G1);
    assert.deepEqual([kept, result], [['accepted', 'ended g1'], { answer: 'done' }]);
    assert.ok(!rig.isMember(ada, admins));
    assert.deepEqual(
      rig.of('grant.ended').map(({ cause, membership }) => `${cause} ${membership}`),
      ['operator removed'],
    );
    const asked = rig.ledger.auditRecords().find(({ kind }) => kind === 'operator.command');
    assert.deepEqual([asked?.grantId, asked?.facts], ['g1', { command: 'revoke', by: 'ops', reason: 'a drill' }]);
  });

  test('keeps standing access, and says so', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.fake.tree.apply({ group: admins, attribute: 'member', add: [ada], remove: [] });
    await rig.grant();
    const { news } = await revoke(rig, G1);
    const [ended] = news.flatMap((one) => (one.answer === 'ended' ? [one.grant.membership] : []));
    assert.equal(ended, 'kept_standing');
    assert.ok(rig.isMember(ada, admins));
  });

  test('is done after a crash that follows its storing at once', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant();
    rig.crashAt('end.stored');
    void rig.engine
      .operate({ request: 'revoke', choice: G1, waitMs: WAIT_MS, ...WHO }, () => undefined, new AbortController().signal)
      .catch(() => undefined);
    await settled();
    assert.ok(rig.hasCrashed());
    assert.ok(rig.isMember(ada, admins));
    await rig.start();
    await rig.pass(MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
    assert.deepEqual(
      rig.of('grant.ended').map(({ cause }) => cause),
      ['operator'],
    );
  });

  test('cancels a grant that is not written yet, which is then never written, over a restart too', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.fake.goDown();
    const job = await rig.grant();
    assert.equal(await rig.stateOf(), 'pending');
    const { kept } = await revoke(rig, G1);
    assert.deepEqual(kept, ['accepted', 'ended g1']);
    rig.fake.goUp();
    await rig.restart();
    await rig.pass(HOUR_MS);
    assert.equal(rig.outcomeOf(job), 'grant_revoked');
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(rig.outcomeOf(await rig.grant({ jobId: 'again' })), 'grant_revoked');
  });

  test('takes out what a cancelled grant had written although nobody had heard of it', async () => {
    for (const restarts of [false, true]) {
      const { rig, ada, admins } = await startedEngine();
      rig.fake.loseNextAnswer('applied');
      rig.crashAt('grant.modify-answered');
      void rig.grant().catch(() => undefined);
      await settled();
      if (!rig.hasCrashed()) rig.fake.goDown();
      rig.neverCrash();
      if (rig.hasCrashed()) {
        rig.fake.goDown();
        await rig.start();
      }
      await revoke(rig, G1, 0, 1000);
      rig.fake.goUp();
      if (restarts) await rig.restart();
      await rig.pass(10 * MINUTE_MS);
      assert.ok(!rig.isMember(ada, admins), String(restarts));
      assert.deepEqual(
        rig.of('grant.ended').map(({ cause }) => cause),
        ['operator'],
        String(restarts),
      );
      assert.equal(rig.outcomeOf('j1'), 'grant_revoked');
    }
  });

  test('tells what it cannot end with the reason once none has ended for as long as it waits, and it goes on', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant();
    rig.fake.goDown();
    const { news, result } = await revoke(rig, G1, WAIT_MS);
    assert.deepEqual(result, { answer: 'done' });
    const left = news.flatMap((one) => (one.answer === 'left' ? [one.grant] : []));
    assert.deepEqual(
      left.map(({ state, trouble }) => [state, trouble?.code]),
      [['ending', 'directory_unavailable']],
    );
    const listed = await ask(rig, { request: 'grants', isEndedToo: false });
    assert.equal(listed.news[0]?.answer === 'grant' && listed.news[0].grant.trouble?.code, 'directory_unavailable');
    rig.fake.goUp();
    await rig.pass(2 * MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('joins an ending that is under way, and has nothing to do for one that is over', async () => {
    const { rig } = await startedEngine();
    await rig.grant();
    rig.fake.goDown();
    await rig.revoke();
    const joined = await revoke(rig, G1, WAIT_MS);
    assert.deepEqual(joined.kept, ['accepted', 'left g1']);
    rig.fake.goUp();
    await rig.pass(2 * MINUTE_MS);
    const over = await revoke(rig, G1);
    assert.deepEqual([over.kept, over.result], [['ended g1', 'accepted'], { answer: 'done' }]);
    assert.deepEqual(
      rig.of('grant.ended').map(({ cause }) => cause),
      ['revoked'],
    );
    assert.deepEqual(accepted(rig), ['g1']);
  });

  test('of all ends every grant, also those that share a membership, and each is told once', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.addUser('bob');
    await rig.grant();
    await rig.grant({ grantId: 'g2' });
    await rig.grant({ grantId: 'g3', user: 'bob' });
    const { news, result } = await revoke(rig, { by: 'all' });
    assert.deepEqual(result, { answer: 'done' });
    const ended = news.flatMap((one) => (one.answer === 'ended' ? [`${one.grant.grantId} ${one.grant.membership ?? ''}`] : []));
    assert.deepEqual(ended.toSorted(), ['g1 kept_by_grant', 'g2 removed', 'g3 removed']);
    assert.ok(!rig.isMember(ada, admins));
  });
});

describe('whom a person means', () => {
  const chosen = async (rig: Rig, choice: GrantChoice) => {
    const { result, news } = await ask(rig, { request: 'choose', choice });
    if (result?.answer === 'refused') return result.message;
    return news.flatMap((one) => (one.answer === 'grant' ? [one.grant.grantId] : []));
  };

  test('is found by DN, id, user name and e-mail address, and by the ledger alone where the directory is away', async () => {
    const { rig, ada } = await startedEngine();
    await rig.grant();
    const id = rig.fake.tree.at(ada)?.id ?? '';
    for (const named of [ada, ada.toUpperCase(), id, id.toUpperCase(), 'ada', 'ADA', 'ada@example.test'])
      assert.deepEqual(await chosen(rig, { by: 'user', named }), ['g1'], named);
    assert.deepEqual(await chosen(rig, { by: 'group', named: 'admins' }), ['g1']);
    rig.fake.goDown();
    await settled();
    for (const named of [ada, id, 'ada']) assert.deepEqual(await chosen(rig, { by: 'user', named }), ['g1'], named);
    assert.match(String(await chosen(rig, { by: 'user', named: 'ada@example.test' })), /the directory cannot be asked/);
  });

  test('is found by the name of before and by the name of now', async () => {
    const { rig, ada } = await startedEngine();
    await rig.grant();
    rig.fake.tree.rename(ada, userDn('ada-lovelace'));
    for (const named of [ada, userDn('ada-lovelace')]) assert.deepEqual(await chosen(rig, { by: 'user', named }), ['g1'], named);
  });

  test('is nobody where a name could mean two: who had it before, and who has it now', async () => {
    const { rig, ada } = await startedEngine();
    await rig.grant();
    rig.fake.tree.rename(ada, userDn('ada-lovelace'));
    rig.addUser('ada');
    for (const named of ['ada', ada]) {
      const found = String(await chosen(rig, { by: 'user', named }));
      assert.match(found, /uid=ada-lovelace.*name one by its id$|uid=ada,.*name one by its id$/, named);
    }
    assert.equal((await revoke(rig, { by: 'user', named: 'ada' })).result?.answer, 'refused');
    assert.equal(await rig.stateOf(), 'active');
  });

  test('is found for a grant that nobody has looked up yet by what its job says', async () => {
    const { rig } = await startedEngine();
    rig.fake.goDown();
    await rig.grant();
    assert.deepEqual(await chosen(rig, { by: 'user', named: 'ada' }), ['g1']);
    assert.deepEqual((await revoke(rig, { by: 'user', named: 'ada' })).kept, ['accepted', 'ended g1']);
  });
});

describe('a pause', () => {
  test('refuses grants and extensions as paused, also those that wait, before the clock and after what is known of the grant', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant({ seconds: 3600 });
    rig.addUser('bob');
    rig.fake.goDown();
    const waiting = await rig.grant({ grantId: 'waits', user: 'bob' });
    await ask(rig, { request: 'pause', ...WHO });
    rig.fake.goUp();
    await rig.pass(MINUTE_MS);
    assert.equal(rig.outcomeOf(waiting), 'paused');
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'new', user: 'bob' })), 'paused');
    assert.equal(rig.outcomeOf(await rig.grant({ seconds: 7200 })), 'paused');
    assert.equal(rig.outcomeOf(await rig.grant({ seconds: 1800 })), 'updated');
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'new', user: 'bob' })), 'grant_conflict');
    await rig.restart();
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'after', user: 'bob' })), 'paused');
    rig.clock.step(-HOUR_MS);
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'clock', user: 'bob' })), 'paused');
    rig.clock.step(HOUR_MS);
    await rig.pass(HOUR_MS);
    assert.ok(!rig.isMember(ada, admins));
    await ask(rig, { request: 'resume', ...WHO });
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'again', user: 'bob' })), 'granted');
  });

  test('that cannot be stored is none', async () => {
    const { LedgerError } = await import('../../src/ledger/ledger.ts');
    const { rig } = await startedEngine();
    rig.ledger.failNext('pause', new LedgerError('no_space', 'full'));
    const signal = new AbortController().signal;
    await assert.rejects(rig.engine.operate({ request: 'pause', ...WHO }, () => undefined, signal));
    assert.equal(rig.outcomeOf(await rig.grant()), 'granted');
  });
});

describe('a clock that was ahead', () => {
  test('is believed once a person accepts it, also by the next start, whatever was under way', async () => {
    const { rig } = await startedEngine();
    rig.clock.step(DAY_MS);
    await rig.pass(1000);
    rig.clock.step(-DAY_MS);
    assert.equal(rig.engine.status().clock.trusted, false);
    const [{ result }] = await Promise.all([
      ask(rig, { request: 'accept_clock', ...WHO }),
      // Something that had read the time of before is stored after it.
      rig.ledger.advanceClock((rig.now() + DAY_MS) as ReturnType<typeof rig.now>),
    ]);
    assert.deepEqual(result, { answer: 'done' });
    assert.equal(rig.engine.status().clock.trusted, true);
    await rig.pass(20_000);
    assert.ok((await rig.ledger.clockMark()) <= rig.now());
    await rig.restart();
    assert.equal(rig.outcomeOf(await rig.grant()), 'granted');
  });
});

describe('a membership of unknown ownership', () => {
  test('is what a person says it is, and only while it is unknown', async () => {
    for (const isStanding of [true, false]) {
      const { rig, ada, admins } = await startedEngine();
      await rig.grant();
      const known = await ask(rig, { request: 'adopt', grantId: 'g1' as GrantId, isStanding, ...WHO });
      assert.match(JSON.stringify(known.result), /is known: it is ours/);
      const period = [...rig.ledger.peek().periods.values()][0];
      assert.ok(period !== undefined);
      await rig.ledger.savePeriod({ ...period, standing: 'unknown' }, { at: rig.now(), audit: [] });
      await rig.revoke();
      await rig.pass(MINUTE_MS);
      assert.equal(await rig.stateOf(), 'ending');
      const adopted = await ask(rig, { request: 'adopt', grantId: 'g1' as GrantId, isStanding, ...WHO }, MINUTE_MS);
      assert.deepEqual(adopted.result, { answer: 'done' });
      assert.equal(await rig.stateOf(), 'ended');
      assert.equal(rig.isMember(ada, admins), isStanding);
    }
  });
});

describe('an engine that only ends', () => {
  test('ends what is due and what a person means, begins no grant, and leaves what there is to tell', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.addUser('bob');
    await rig.grant();
    rig.fake.goDown();
    await rig.grant({ grantId: 'waits', user: 'bob' });
    rig.crash();
    rig.fake.goUp();
    await rig.start({ link: false, endsOnly: true });
    await rig.pass(MINUTE_MS);
    assert.equal(await rig.stateOf('waits'), 'pending');
    const { kept } = await revoke(rig, G1);
    assert.deepEqual(kept, ['accepted', 'ended g1']);
    assert.ok(!rig.isMember(ada, admins));
    assert.deepEqual(rig.of('grant.ended'), []);
    await rig.restart();
    assert.deepEqual(
      rig.of('grant.ended').map(({ cause }) => cause),
      ['operator'],
    );
    assert.equal(await rig.stateOf('waits'), 'active');
  });
});
