import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { AuditRecord } from '../../src/access/audit.ts';
import type { Event } from '../../src/access/event.ts';
import { instant } from '../../src/access/instant.ts';
import type { Period } from '../../src/access/membership.ts';
import type { Pair } from '../../src/access/reference.ts';
import { type Ledger, LedgerError, type LedgerFault } from '../../src/ledger/ledger.ts';
import {
  activeGrant,
  DAWN,
  endedGrant,
  endingGrant,
  everyEvent,
  failedGrant,
  grantIdOf,
  jobIdOf,
  pendingGrant,
  quietly,
  sampleAudit,
  sampleIntent,
  sampleJob,
  samplePair,
  samplePeriod,
  seconds,
  succeeded,
} from './ledger-samples.ts';

/** A ledger that a contract test has opened; the harness closes whatever is open when the test ends. */
export interface LedgerUnderTest {
  readonly ledger: Ledger;
  /** Closes the ledger and opens it again. */
  reopen(): Promise<LedgerUnderTest>;
  auditRecords(): Promise<readonly AuditRecord[]>;
}

export type OpenLedger = (t: TestContext) => Promise<LedgerUnderTest>;

/** True for a ledger error of that fault; for `assert.rejects`. */
export function faulty(fault: LedgerFault): (error: unknown) => boolean {
  return (error) => error instanceof LedgerError && error.fault === fault;
}

/** Opens an intent over nothing, and saves no period with it. */
const NO_CHANGE = { period: null, replaces: null };
const ALL = { after: 0, limit: 1000 };
const EVERY_GRANT = { endedSince: null, after: null, limit: 1000 };

async function told(ledger: Ledger): Promise<readonly Event[]> {
  return (await ledger.events(ALL)).map(({ event }) => event);
}

/** The rules of the port, one test each, for any adapter. */
export function ledgerContract(adapter: string, open: OpenLedger): void {
  describe(`${adapter}: identity and order`, () => identityRules(open));
  describe(`${adapter}: jobs and results`, () => jobRules(open));
  describe(`${adapter}: events`, () => eventRules(open));
  describe(`${adapter}: grants`, () => grantRules(open));
  describe(`${adapter}: periods and intents`, () => membershipRules(open));
  describe(`${adapter}: retention and time`, () => retentionRules(open));
}

function identityRules(open: OpenLedger): void {
  test('a ledger keeps its id and its connector across openings', async (t) => {
    const first = await open(t);
    const identity = await first.ledger.identity();
    assert.match(identity.ledgerId, /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
    assert.equal(identity.nextSeq, 1);
    const { ledger } = await first.reopen();
    assert.deepEqual(await ledger.identity(), identity);
  });

  test('changes take effect in the order in which they were asked for', async (t) => {
    const { ledger } = await open(t);
    await Promise.all([
      ledger.storeJob(sampleJob('a'), quietly()),
      ledger.countAttempts([jobIdOf('a'), jobIdOf('unknown')]),
      ledger.storeJob(sampleJob('b'), quietly()),
    ]);
    assert.equal((await ledger.job(jobIdOf('a')))?.attempts, 1);
    assert.equal((await ledger.job(jobIdOf('b')))?.attempts, 0);
  });

  test('a call that fails leaves nothing behind and does not spoil its neighbours', async (t) => {
    const { ledger, auditRecords } = await open(t);
    await ledger.storeJob(sampleJob('a'), quietly());
    const before = await auditRecords();
    const consequence = quietly({
      at: seconds(99),
      events: everyEvent(),
      results: [succeeded('a')],
      audit: [sampleAudit('job.accepted')],
    });
    const calls = await Promise.allSettled([
      ledger.storeJob(sampleJob('b'), quietly()),
      ledger.storeJob(sampleJob('a'), consequence),
      ledger.storeJob(sampleJob('c'), quietly()),
    ]);
    assert.deepEqual(
      calls.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(await told(ledger), []);
    assert.deepEqual(await auditRecords(), before);
    assert.equal(await ledger.clockMark(), seconds(1));
    assert.equal((await ledger.identity()).nextSeq, 1);
  });

  test('nothing can be asked of a closed ledger, and what was asked before is done', async (t) => {
    const opened = await open(t);
    const { ledger } = opened;
    const asked = ledger.storeJob(sampleJob('a'), quietly());
    const closing = ledger.close();
    await assert.rejects(ledger.identity(), faulty('closed'));
    await Promise.all([asked, closing, ledger.close()]);
    const again = await opened.reopen();
    assert.notEqual(await again.ledger.job(jobIdOf('a')), null);
  });

  test('audit records are kept in order, the creation of the ledger first', async (t) => {
    const first = await open(t);
    const records = [
      sampleAudit('job.accepted'),
      { ...sampleAudit('intent.opened'), jobId: jobIdOf('a'), grantId: grantIdOf('a'), pair: samplePair(1, 1) },
    ];
    await first.ledger.tell(quietly({ audit: records }));
    await first.ledger.tell(quietly({ audit: [{ ...sampleAudit('grant.failed'), pair: null }] }));
    const { ledgerId, connectorId } = await first.ledger.identity();
    const { auditRecords } = await first.reopen();
    const [created, ...others] = await auditRecords();
    assert.equal(created?.kind, 'ledger.created');
    assert.deepEqual(created?.facts, { ledgerId, connectorId });
    assert.deepEqual(others, [...records, { ...sampleAudit('grant.failed'), pair: null }]);
  });

  test('a fact of an audit record that is undefined is left out, and keeps nothing from being written', async (t) => {
    const { ledger, auditRecords } = await open(t);
    const record = { ...sampleAudit('job.accepted'), facts: { known: null, unknown: undefined } };
    await ledger.tell(quietly({ audit: [record] }));
    assert.deepEqual((await auditRecords()).at(-1), { ...record, facts: { known: null } });
  });
}

function jobRules(open: OpenLedger): void {
  test('a job is read as it was stored', async (t) => {
    const first = await open(t);
    const jobs = [
      sampleJob('a', {
        job: {
          kind: 'grant',
          jobId: jobIdOf('a'),
          issuedAt: DAWN,
          grantId: grantIdOf('a'),
          user: { by: 'email', email: 'a@example.org' },
          group: { by: 'dn', dn: samplePair(1, 1).group.dn },
          end: { kind: 'at', expiresAt: seconds(60) },
          notAfter: seconds(30),
          justification: 'on call',
          requestedBy: 'someone',
        },
        traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`,
      }),
      sampleJob('b', { job: null }),
      sampleJob('c', { job: { kind: 'list', jobId: jobIdOf('c'), issuedAt: DAWN, endedSince: DAWN } }),
      sampleJob('d', { job: { kind: 'check', jobId: jobIdOf('d'), issuedAt: DAWN } }),
      sampleJob('e'),
      sampleJob('f', { job: { kind: 'sync', jobId: jobIdOf('f'), issuedAt: DAWN, mode: 'delta' } }),
      sampleJob('g', {
        job: {
          kind: 'sync',
          jobId: jobIdOf('g'),
          issuedAt: DAWN,
          mode: 'full',
          acceptRemovals: 's-1',
          notAfter: seconds(30),
        },
      }),
    ];
    for (const job of jobs) await first.ledger.storeJob(job, quietly());
    const { ledger } = await first.reopen();
    for (const job of jobs) assert.deepEqual(await ledger.job(job.jobId), { ...job, attempts: 0, result: null });
    assert.equal(await ledger.job(jobIdOf('unknown')), null);
  });

  test('a job id is stored once', async (t) => {
    const { ledger } = await open(t);
    await ledger.storeJob(sampleJob('a'), quietly());
    await assert.rejects(ledger.storeJob(sampleJob('a'), quietly()), faulty('conflict'));
  });

  test('a job settles once, in the transaction of its result', async (t) => {
    const { ledger } = await open(t);
    await ledger.storeJob(sampleJob('a'), quietly({ results: [succeeded('a')] }));
    const settled = await ledger.job(jobIdOf('a'));
    assert.deepEqual(settled?.result, succeeded('a'));
    const other = quietly({ results: [{ kind: 'job.succeeded', jobId: jobIdOf('a'), outcome: 'revoked' }] });
    await assert.rejects(ledger.tell(other), faulty('conflict'));
    assert.deepEqual(await ledger.job(jobIdOf('a')), settled);
    assert.deepEqual(await told(ledger), [succeeded('a')]);
  });

  test('a result of an unknown job is a conflict', async (t) => {
    const { ledger } = await open(t);
    await assert.rejects(ledger.tell(quietly({ results: [succeeded('a')] })), faulty('conflict'));
  });

  test('open jobs of a grant are found in order of receipt, settled ones are not', async (t) => {
    const { ledger } = await open(t);
    for (const name of ['z', 'a', 'm', 'k']) await ledger.storeJob(sampleJob(name), quietly());
    await ledger.savePending(pendingGrant('g'), [jobIdOf('a'), jobIdOf('z')], quietly());
    await ledger.attach(jobIdOf('m'), grantIdOf('g'), quietly());
    await ledger.tell(quietly({ results: [succeeded('a')] }));
    const attached = await ledger.attachedJobs(grantIdOf('g'));
    assert.deepEqual(
      attached.map(({ jobId }) => jobId),
      [jobIdOf('z'), jobIdOf('m')],
    );
    assert.equal(attached[0]?.grantId, grantIdOf('g'));
  });

  test('a job that is unknown or settled cannot be attached', async (t) => {
    const { ledger } = await open(t);
    await ledger.storeJob(sampleJob('a'), quietly({ results: [succeeded('a')] }));
    for (const name of ['a', 'unknown']) {
      await assert.rejects(ledger.attach(jobIdOf(name), grantIdOf('g'), quietly()), faulty('conflict'));
      await assert.rejects(ledger.savePending(pendingGrant('g'), [jobIdOf(name)], quietly()), faulty('conflict'));
    }
    assert.equal((await ledger.known(grantIdOf('g'))).grant, null);
  });
}

/** How many events {@link everyEvent} tells. */
const COUNT = everyEvent().length;

function eventRules(open: OpenLedger): void {
  test('every event is read as it was told, in order', async (t) => {
    const first = await open(t);
    const events = everyEvent();
    await first.ledger.tell(quietly({ at: seconds(5), events }));
    const { ledger } = await first.reopen();
    assert.deepEqual(
      await ledger.events(ALL),
      events.map((event, index) => ({ seq: index + 1, at: seconds(5), event })),
    );
    assert.deepEqual(
      (await ledger.events({ after: 2, limit: 3 })).map(({ seq }) => seq),
      [3, 4, 5],
    );
  });

  test('the end of a grant is told before the result of its revoke', async (t) => {
    const { ledger } = await open(t);
    await ledger.storeJob(sampleJob('a'), quietly());
    const ended = everyEvent().filter(({ kind }) => kind === 'grant.ended');
    const consequence = quietly({ results: [succeeded('a')], events: ended });
    await ledger.end({ grant: endedGrant('g'), period: null, placeholder: null }, consequence);
    assert.deepEqual(
      (await told(ledger)).map(({ kind }) => kind),
      ['grant.ended', 'job.succeeded'],
    );
  });

  test('of the events that supersede each other, only the newest of a subject is kept', async (t) => {
    const { ledger } = await open(t);
    const delayed = (name: string, attempts: number): Event => ({
      kind: 'job.delayed',
      jobId: jobIdOf(name),
      attempts,
      nextAttemptAt: seconds(9),
      error: { code: 'directory_unavailable', message: 'it is away', retryable: true },
    });
    const ended = everyEvent().filter(({ kind }) => kind === 'grant.ended');
    await ledger.tell(quietly({ events: [delayed('a', 1), delayed('b', 1), ...ended] }));
    await ledger.tell(quietly({ events: [delayed('a', 2), ...ended] }));
    assert.deepEqual(await told(ledger), [delayed('b', 1), ...ended, delayed('a', 2), ...ended]);
    assert.deepEqual(
      (await ledger.events(ALL)).map(({ seq }) => seq),
      [2, 3, 4, 5],
    );
  });

  test('what is acknowledged is deleted, up to and with that number', async (t) => {
    const { ledger } = await open(t);
    await ledger.tell(quietly({ events: everyEvent() }));
    await ledger.acknowledge(COUNT - 2);
    assert.deepEqual(
      (await ledger.events(ALL)).map(({ seq }) => seq),
      [COUNT - 1, COUNT],
    );
    await ledger.acknowledge(3);
    assert.deepEqual(
      (await ledger.events(ALL)).map(({ seq }) => seq),
      [COUNT - 1, COUNT],
    );
  });

  test('an acknowledgement of what was never numbered deletes nothing', async (t) => {
    const { ledger } = await open(t);
    await ledger.tell(quietly({ events: everyEvent() }));
    await assert.rejects(ledger.acknowledge(COUNT + 1), faulty('conflict'));
    assert.equal((await told(ledger)).length, COUNT);
  });

  test('a number is never given twice, not even after all events were acknowledged and the ledger reopened', async (t) => {
    const first = await open(t);
    await first.ledger.tell(quietly({ events: everyEvent() }));
    await first.ledger.acknowledge(COUNT);
    const { ledger } = await first.reopen();
    assert.equal((await ledger.identity()).nextSeq, COUNT + 1);
    await ledger.tell(quietly({ events: everyEvent().slice(0, 1) }));
    assert.deepEqual(
      (await ledger.events(ALL)).map(({ seq }) => seq),
      [COUNT + 1],
    );
  });

  test('a renewed ledger tells its replacement before everything unsent, under numbers never used', async (t) => {
    const first = await open(t);
    const before = await first.ledger.identity();
    await first.ledger.tell(quietly({ events: everyEvent() }));
    await first.ledger.acknowledge(COUNT - 2);
    const last = everyEvent().slice(0, 1);
    const renewed = await first.ledger.renew(quietly({ events: last }));
    assert.notEqual(renewed.ledgerId, before.ledgerId);
    assert.equal(renewed.connectorId, before.connectorId);
    const { ledger } = await first.reopen();
    assert.deepEqual(await ledger.identity(), renewed);
    assert.deepEqual(await told(ledger), [
      { kind: 'ledger.replaced', previousLedgerId: before.ledgerId },
      ...everyEvent().slice(-2),
      ...last,
    ]);
    const seqs = (await ledger.events(ALL)).map(({ seq }) => seq);
    assert.deepEqual(
      seqs,
      [1, 2, 3, 4].map((nth) => COUNT + nth),
    );
    assert.equal(renewed.nextSeq, COUNT + 5);
    assert.equal(before.replacedAt, null);
    assert.notEqual(renewed.replacedAt, null);
  });
}

function grantRules(open: OpenLedger): void {
  test('live grants of unknown standing are counted until it is known', async (t) => {
    const { ledger } = await open(t);
    const unknown = samplePeriod({ standing: 'unknown' });
    await ledger.savePending(pendingGrant('a'), [], quietly());
    await ledger.activate({ grant: activeGrant('a'), period: unknown, intentId: null, placeholder: null }, quietly());
    assert.equal(await ledger.countOwnershipUnknown(), 1);
    await ledger.savePeriod({ ...unknown, standing: false }, quietly());
    assert.equal(await ledger.countOwnershipUnknown(), 0);
  });

  test('open grants of a group are counted up to a limit: pending ones once their pair is known, none that is over', async (t) => {
    const { ledger } = await open(t);
    const [pair, elsewhere] = [samplePair(1, 1), samplePair(1, 2)];
    const { id: groupId } = pair.group;
    assert.deepEqual(await ledger.groupsOfOpenGrants(), []);
    const openGrants = (limit = 100) => ledger.countOpenGrants({ groupId, limit });
    await ledger.savePending(pendingGrant('unresolved', null), [], quietly());
    await ledger.savePending(pendingGrant('elsewhere', elsewhere), [], quietly());
    assert.equal(await openGrants(), 0);
    await ledger.savePending(pendingGrant('pending', pair), [], quietly());
    await ledger.savePending(pendingGrant('failing', pair), [], quietly());
    for (const name of ['active', 'ending'])
      await ledger.activate(
        { grant: activeGrant(name, { pair }), period: samplePeriod({ pair }), intentId: null, placeholder: null },
        quietly(),
      );
    await ledger.beginEnding(endingGrant('ending', pair), [], quietly());
    assert.deepEqual([await openGrants(), await openGrants(3)], [4, 3]);
    assert.deepEqual(await ledger.groupsOfOpenGrants(), [groupId, elsewhere.group.id].toSorted());
    await ledger.failGrant(failedGrant('failing', { pair }), quietly());
    await ledger.end({ grant: endedGrant('ending', { pair }), period: samplePeriod({ pair }), placeholder: null }, quietly());
    assert.equal(await openGrants(), 2);
    await ledger.failGrant(failedGrant('elsewhere', { pair: elsewhere }), quietly());
    assert.deepEqual(await ledger.groupsOfOpenGrants(), [groupId]);
  });

  test('a census counts what is not over, and since when the earliest ending is due', async (t) => {
    const { ledger } = await open(t);
    const nothing = { pending: 0, active: 0, ending: 0, endingSince: null, openJobs: 0 };
    assert.deepEqual(await ledger.census(), nothing);
    await ledger.storeJob(sampleJob('1'), quietly());
    await ledger.savePending(pendingGrant('a'), [], quietly());
    for (const [name, number] of [
      ['b', 1],
      ['c', 2],
      ['d', 3],
    ] as const) {
      const pair = samplePair(number, 1);
      await ledger.savePending(pendingGrant(name, pair), [], quietly());
      const change = { grant: activeGrant(name, { pair }), period: samplePeriod({ pair }), intentId: null, placeholder: null };
      await ledger.activate(change, quietly());
    }
    assert.deepEqual(await ledger.census(), { ...nothing, pending: 1, active: 3, openJobs: 1 });
    const ending = (name: string, number: number, since: number) => ({
      ...endingGrant(name, samplePair(number, 1)),
      since: seconds(since),
    });
    await ledger.beginEnding(ending('c', 2, 40), [], quietly());
    await ledger.beginEnding(ending('d', 3, 20), [], quietly());
    assert.deepEqual(await ledger.census(), { pending: 1, active: 1, ending: 2, endingSince: seconds(20), openJobs: 1 });
  });

  test('a held membership is told once, by the grant that became active first; standing and unknown ones are not', async (t) => {
    const { ledger } = await open(t);
    const activate = async (name: string, others: Parameters<typeof activeGrant>[1], standing: boolean | 'unknown' = false) => {
      const grant = activeGrant(name, { ...others, standing });
      await ledger.savePending(pendingGrant(name, grant.pair), [], quietly());
      const period = samplePeriod({ pair: grant.pair, standing });
      await ledger.activate({ grant, period, intentId: null, placeholder: null }, quietly());
    };
    await activate('a', { pair: samplePair(1, 1), activatedAt: seconds(5) });
    await activate('b', { pair: samplePair(1, 1), activatedAt: seconds(2) });
    await activate('c', { pair: samplePair(1, 1), activatedAt: seconds(2) });
    await activate('d', { pair: samplePair(1, 2) });
    await activate('e', { pair: samplePair(2, 1) });
    await activate('f', { pair: samplePair(2, 2) }, true);
    await activate('g', { pair: samplePair(3, 1) }, 'unknown');
    await ledger.beginEnding(endingGrant('e', samplePair(2, 1)), [], quietly());
    await ledger.savePending(pendingGrant('h', samplePair(4, 1)), [], quietly());
    const held = ([user, group]: readonly [number, number], name: string) => {
      const pair = samplePair(user, group);
      return { userId: pair.user.id, groupId: pair.group.id, grantId: grantIdOf(name) };
    };
    const all = await ledger.heldMemberships({ after: null, limit: 100 });
    assert.deepEqual(all, [held([1, 1], 'b'), held([1, 2], 'd'), held([2, 1], 'e')]);
    const [first] = await ledger.heldMemberships({ after: null, limit: 1 });
    assert.deepEqual(first, all[0]);
    assert.deepEqual(await ledger.heldMemberships({ after: all[0] ?? null, limit: 100 }), all.slice(1));
  });

  test('what active grants stand for is told of each, standing access included, and that it was seen absent', async (t) => {
    const { ledger } = await open(t);
    const activate = async (name: string, pair: Pair, period: Partial<Period> = {}) => {
      const grant = activeGrant(name, { pair, standing: period.standing ?? false });
      await ledger.savePending(pendingGrant(name, pair), [], quietly());
      await ledger.activate({ grant, period: samplePeriod({ pair, ...period }), intentId: null, placeholder: null }, quietly());
    };
    await activate('a', samplePair(1, 1));
    await activate('b', samplePair(1, 1));
    await activate('c', samplePair(1, 2), { standing: true, values: [], metValues: [] });
    await activate('d', samplePair(2, 1), { values: [], metValues: ['met'] });
    await activate('e', samplePair(2, 2), { values: [], metValues: [] });
    await activate('f', samplePair(3, 1));
    await ledger.beginEnding(endingGrant('f', samplePair(3, 1)), [], quietly());
    await ledger.savePending(pendingGrant('g', samplePair(4, 1)), [], quietly());
    const all = await ledger.activeMemberships({ after: null, limit: 100 });
    const of = (name: string, pair: Pair, isBelieved = true) => ({ grantId: grantIdOf(name), pair, isBelieved });
    assert.deepEqual(all, [
      of('a', samplePair(1, 1)),
      of('b', samplePair(1, 1)),
      of('c', samplePair(1, 2)),
      of('d', samplePair(2, 1)),
      of('e', samplePair(2, 2), false),
    ]);
    assert.deepEqual(await ledger.activeMemberships({ after: grantIdOf('a'), limit: 2 }), all.slice(1, 3));
  });

  test('a grant is read as it was saved, in each of its states', async (t) => {
    const first = await open(t);
    const grants = {
      pending: { ...pendingGrant('pending', null), end: { kind: 'at', expiresAt: seconds(60) } },
      resolved: pendingGrant('resolved'),
      active: activeGrant('active', { standing: 'unknown' }),
      ending: endingGrant('ending', samplePair(2, 1)),
      ended: endedGrant('ended', { pair: samplePair(3, 1) }),
      failed: failedGrant('failed'),
      refused: failedGrant('refused', { pair: samplePair(4, 1) }),
    } as const;
    const { ledger } = first;
    await ledger.savePending(grants.pending, [], quietly());
    await ledger.savePending(grants.resolved, [], quietly());
    const period = samplePeriod({ standing: 'unknown' });
    await ledger.activate({ grant: grants.active, period, intentId: null, placeholder: null }, quietly());
    await ledger.beginEnding(grants.ending, [], quietly());
    await ledger.end({ grant: grants.ended, period: null, placeholder: null }, quietly());
    await ledger.failGrant(grants.failed, quietly());
    await ledger.failGrant(grants.refused, quietly());
    const again = await first.reopen();
    for (const grant of Object.values(grants)) {
      assert.deepEqual(await again.ledger.known(grant.grantId), { grant, revokedBefore: false });
    }
  });

  test('a grant never goes back, and what is over stays as it is', async (t) => {
    const { ledger } = await open(t);
    const activate = (name: string) =>
      ledger.activate({ grant: activeGrant(name), period: samplePeriod(), intentId: null, placeholder: null }, quietly());
    const end = (name: string) => ledger.end({ grant: endedGrant(name), period: null, placeholder: null }, quietly());
    await ledger.failGrant(failedGrant('failed'), quietly());
    await activate('active');
    await ledger.beginEnding(endingGrant('ending'), [], quietly());
    await end('ended');
    for (const refused of [
      () => ledger.savePending(pendingGrant('active'), [], quietly()),
      () => ledger.failGrant(failedGrant('active'), quietly()),
      () => activate('ending'),
      () => ledger.failGrant(failedGrant('ending'), quietly()),
      () => end('ended'),
      () => ledger.beginEnding(endingGrant('ended'), [], quietly()),
      () => ledger.savePending(pendingGrant('failed'), [], quietly()),
      () => end('failed'),
    ]) {
      await assert.rejects(refused(), faulty('conflict'));
    }
  });

  test('a revoke that came before its grant is remembered', async (t) => {
    const first = await open(t);
    await first.ledger.rememberRevoke(grantIdOf('a'), quietly());
    await first.ledger.rememberRevoke(grantIdOf('a'), quietly());
    const { ledger } = await first.reopen();
    assert.deepEqual(await ledger.known(grantIdOf('a')), { grant: null, revokedBefore: true });
    assert.deepEqual(await ledger.known(grantIdOf('b')), { grant: null, revokedBefore: false });
  });

  test('due grants come earliest first, and only active ones whose end has come', async (t) => {
    const { ledger } = await open(t);
    assert.equal(await ledger.nextExpiry(), null);
    const ends = { late: 30, early: 10, middle: 20, far: 40 };
    for (const [name, end] of Object.entries(ends)) {
      const grant = activeGrant(name, { expiresAt: seconds(end) });
      await ledger.activate({ grant, period: samplePeriod(), intentId: null, placeholder: null }, quietly());
    }
    await ledger.savePending(pendingGrant('pending'), [], quietly());
    assert.equal(await ledger.nextExpiry(), seconds(10));
    const due = async (limit: number) => (await ledger.dueGrants(seconds(30), limit)).map(({ grantId }) => grantId);
    assert.deepEqual(await due(10), [grantIdOf('early'), grantIdOf('middle'), grantIdOf('late')]);
    assert.deepEqual(await due(1), [grantIdOf('early')]);
    await ledger.beginEnding(endingGrant('early'), [], quietly());
    assert.deepEqual(await due(1), [grantIdOf('middle')]);
    assert.equal(await ledger.nextExpiry(), seconds(20));
  });

  test('many endings begin at once, but for those that have changed since', async (t) => {
    const { ledger, auditRecords } = await open(t);
    for (const name of ['due', 'unknown standing', 'longer', 'revoked']) {
      const pair = samplePair(name.length, 1);
      const standing = name === 'unknown standing' ? ('unknown' as const) : false;
      const grant = activeGrant(name, { pair, standing, ...(name === 'longer' ? { expiresAt: seconds(90) } : {}) });
      await ledger.activate({ grant, period: samplePeriod({ pair, standing }), intentId: null, placeholder: null }, quietly());
    }
    const revoked = { ...endingGrant('revoked', samplePair(7, 1)), cause: 'revoked' as const, since: seconds(50) };
    await ledger.beginEnding(revoked, [], quietly());
    await ledger.savePending(pendingGrant('pending'), [], quietly());
    const { nextSeq } = await ledger.identity();
    const before = (await auditRecords()).length;
    const begun = await ledger.beginEndings(
      ['due', 'unknown standing', 'longer', 'revoked', 'pending', 'never seen'].map((name) => ({
        grant: endingGrant(name, samplePair(name.length, 1)),
        consequence: quietly({
          at: seconds(60),
          events: [{ kind: 'ledger.replaced', previousLedgerId: name }],
          audit: [sampleAudit('grant.ending')],
        }),
      })),
    );
    assert.deepEqual(begun, [grantIdOf('due'), grantIdOf('unknown standing')]);
    assert.deepEqual((await ledger.known(grantIdOf('due'))).grant, endingGrant('due', samplePair(3, 1)));
    const { grant: unknown } = await ledger.known(grantIdOf('unknown standing'));
    assert.deepEqual(unknown, { ...endingGrant('unknown standing', samplePair(16, 1)), standing: 'unknown' });
    assert.deepEqual((await ledger.known(grantIdOf('revoked'))).grant, revoked);
    assert.equal((await ledger.known(grantIdOf('longer'))).grant?.state, 'active');
    assert.equal((await ledger.known(grantIdOf('pending'))).grant?.state, 'pending');
    assert.equal((await ledger.identity()).nextSeq, nextSeq + 2);
    assert.equal((await auditRecords()).length, before + 2);
    assert.deepEqual(await ledger.beginEndings([]), []);
  });

  test('a pending grant is saved with the intent that is opened for it, or neither is', async (t) => {
    const { ledger } = await open(t);
    await ledger.savePending(pendingGrant('a', null), [], quietly());
    await ledger.savePending(pendingGrant('b', null), [], quietly());
    await ledger.openIntent(sampleIntent('a'), { ...NO_CHANGE, grant: pendingGrant('a') }, quietly());
    assert.deepEqual((await ledger.known(grantIdOf('a'))).grant, pendingGrant('a'));
    const second = ledger.openIntent(sampleIntent('b'), { ...NO_CHANGE, grant: pendingGrant('b') }, quietly());
    await assert.rejects(second, faulty('conflict'));
    assert.deepEqual((await ledger.known(grantIdOf('b'))).grant, pendingGrant('b', null));
  });

  test('what an ending needs is read at once, and nothing of a grant that is not ending', async (t) => {
    const { ledger } = await open(t);
    const grant = activeGrant('a');
    await ledger.activate({ grant, period: samplePeriod(), intentId: null, placeholder: null }, quietly());
    assert.equal(await ledger.endingState(grant), null);
    assert.equal(await ledger.endingState({ ...grant, grantId: grantIdOf('unknown') }), null);
    await ledger.storeJob(sampleJob('a'), quietly());
    await ledger.storeJob(sampleJob('b'), quietly());
    await ledger.beginEnding(endingGrant('a'), [jobIdOf('a')], quietly());
    await ledger.openIntent(sampleIntent('a', { kind: 'remove', preImage: 'member' }), NO_CHANGE, quietly());
    assert.deepEqual(await ledger.endingState(grant), {
      grant: endingGrant('a'),
      jobs: await ledger.attachedJobs(grantIdOf('a')),
      pair: await ledger.pairState(samplePair(1, 1)),
    });
    assert.equal((await ledger.attachedJobs(grantIdOf('a'))).length, 1);
  });

  test('grants are listed by id and in pages, ended ones since an instant, failed ones never', async (t) => {
    const { ledger } = await open(t);
    await ledger.savePending(pendingGrant('d'), [], quietly());
    await ledger.beginEnding(endingGrant('b'), [], quietly());
    const active = { grant: activeGrant('c'), period: samplePeriod(), intentId: null, placeholder: null };
    await ledger.activate(active, quietly());
    await ledger.end({ grant: endedGrant('a', { endedAt: seconds(70) }), period: null, placeholder: null }, quietly());
    await ledger.end({ grant: endedGrant('e', { endedAt: seconds(80) }), period: null, placeholder: null }, quietly());
    await ledger.failGrant(failedGrant('f'), quietly());
    const list = async (query: Parameters<Ledger['listGrants']>[0]) =>
      (await ledger.listGrants(query)).map(({ grantId }) => grantId.slice('grant-'.length)).join('');
    assert.equal(await list(EVERY_GRANT), 'bcd');
    assert.equal(await list({ ...EVERY_GRANT, endedSince: seconds(70) }), 'abcde');
    assert.equal(await list({ ...EVERY_GRANT, endedSince: seconds(71) }), 'bcde');
    assert.equal(await list({ endedSince: DAWN, after: grantIdOf('b'), limit: 2 }), 'cd');
    assert.equal(await list({ endedSince: null, after: grantIdOf('b'), limit: 1 }), 'c');
  });

  test('a start finds everything that is unfinished', async (t) => {
    const first = await open(t);
    const { ledger } = first;
    for (const name of ['b', 'a', 'attached', 'settled']) await ledger.storeJob(sampleJob(name), quietly());
    await ledger.savePending(pendingGrant('pending'), [jobIdOf('attached')], quietly({ results: [succeeded('settled')] }));
    await ledger.beginEnding(endingGrant('ending', samplePair(2, 2)), [], quietly());
    const one = await ledger.openIntent(sampleIntent('pending'), NO_CHANGE, quietly());
    const removal = sampleIntent('ending', { kind: 'remove', pair: samplePair(2, 2), preImage: 'member', placeholder: '' });
    const other = await ledger.openIntent(removal, NO_CHANGE, quietly());
    const { ledger: again } = await first.reopen();
    const unfinished = await again.unfinished();
    assert.deepEqual(
      unfinished.jobs.map(({ jobId }) => jobId),
      [jobIdOf('b'), jobIdOf('a'), jobIdOf('attached')],
    );
    assert.deepEqual(unfinished.pending, [pendingGrant('pending')]);
    assert.deepEqual(unfinished.ending, [endingGrant('ending', samplePair(2, 2))]);
    assert.deepEqual(unfinished.intents, [one, other]);
  });
}

function membershipRules(open: OpenLedger): void {
  test('a pair has one open intent at most', async (t) => {
    const { ledger } = await open(t);
    await ledger.savePending(pendingGrant('a'), [], quietly());
    await ledger.savePending(pendingGrant('b'), [], quietly());
    const first = await ledger.openIntent(sampleIntent('a'), NO_CHANGE, quietly());
    assert.deepEqual(first, { ...sampleIntent('a'), intentId: first.intentId, epoch: 1 });
    const second = ledger.openIntent(sampleIntent('b'), { period: samplePeriod(), replaces: null }, quietly());
    await assert.rejects(second, faulty('conflict'));
    assert.deepEqual(await ledger.pairState(samplePair(1, 1)), { period: null, grants: [], intent: first, placeholder: null });
    await ledger.openIntent(sampleIntent('b', { pair: samplePair(1, 2) }), NO_CHANGE, quietly());
    await ledger.closeIntent(first.intentId, quietly());
    const third = await ledger.openIntent(sampleIntent('b'), NO_CHANGE, quietly());
    assert.ok(third.intentId > first.intentId);
  });

  test('an intent replaces the open one of its pair, and no other', async (t) => {
    const { ledger } = await open(t);
    await ledger.savePending(pendingGrant('a'), [], quietly());
    const first = await ledger.openIntent(sampleIntent('a'), NO_CHANGE, quietly());
    const elsewhere = await ledger.openIntent(sampleIntent('a', { pair: samplePair(1, 2) }), NO_CHANGE, quietly());
    const replacing = (replaces: number) => ledger.openIntent(sampleIntent('a'), { period: null, replaces }, quietly());
    await assert.rejects(replacing(elsewhere.intentId), faulty('conflict'));
    const second = await replacing(first.intentId);
    assert.deepEqual((await ledger.unfinished()).intents, [elsewhere, second]);
    await ledger.closeIntent(second.intentId, quietly());
    await assert.rejects(replacing(second.intentId), faulty('conflict'));
  });

  test('what was replaced is remembered, since its write may still take effect', async (t) => {
    const { ledger } = await open(t);
    await ledger.savePending(pendingGrant('a'), [], quietly());
    const { intentId } = await ledger.openIntent(sampleIntent('a'), NO_CHANGE, quietly({ at: seconds(1) }));
    const later = { period: null, replaces: intentId };
    const next = await ledger.openIntent(sampleIntent('a'), later, quietly({ at: seconds(5) }));
    await ledger.closeIntent(next.intentId, quietly({ at: seconds(6) }));
    assert.deepEqual(await ledger.replacedIntents(seconds(5)), [{ kind: 'add', pair: samplePair(1, 1), replacedAt: seconds(5) }]);
    assert.deepEqual(await ledger.replacedIntents(seconds(6)), []);
  });

  test('another server makes doubtful what is open or was closed lately: of each pair the newest intent, of grants that came to hold it', async (t) => {
    const { ledger } = await open(t);
    const openFor = async (name: string, user: number, kind: 'add' | 'remove' = 'add') =>
      ledger.openIntent(sampleIntent(name, { pair: samplePair(user, 1), kind }), NO_CHANGE, quietly());
    for (const [index, name] of ['a', 'b', 'c', 'failed', 'waiting'].entries())
      await ledger.savePending(pendingGrant(name, samplePair((index % 3) + 1, 1)), [], quietly());
    for (const kind of ['add', 'remove'] as const) {
      const { intentId } = await openFor('a', 1, kind);
      await ledger.closeIntent(intentId, quietly({ at: seconds(3) }));
    }
    const early = await openFor('b', 2);
    await ledger.closeIntent(early.intentId, quietly({ at: seconds(1) }));
    const closed = await openFor('c', 3);
    await ledger.closeIntent(closed.intentId, quietly({ at: seconds(3) }));
    for (const [name, user] of [
      ['failed', 1],
      ['waiting', 2],
    ] as const) {
      const { intentId } = await openFor(name, user);
      await ledger.closeIntent(intentId, quietly({ at: seconds(3) }));
    }
    await ledger.failGrant(failedGrant('failed'), quietly());
    for (const [index, name] of ['a', 'b', 'c'].entries()) {
      const pair = samplePair(index + 1, 1);
      const grant = activeGrant(name, { pair });
      await ledger.activate({ grant, period: samplePeriod({ pair }), intentId: null, placeholder: null }, quietly());
    }
    const doubted = async (since = 0) => {
      const { intents, moot } = await ledger.doubts(seconds(since));
      return { of: intents.map(({ intent, isDecided }) => `${intent.grantId} ${intent.kind}${isDecided ? '!' : ''}`), moot };
    };
    assert.deepEqual(await doubted(), { of: [], moot: [] });
    const used = { at: seconds(10), lookBackMs: 8_000 };
    assert.equal(await ledger.keepServer({ server: 'two', ...used }), seconds(10));
    const { of, moot } = await doubted();
    assert.deepEqual([of, moot.length], [['grant-a remove', 'grant-c add'], 3]);
    const open3 = await openFor('c', 3);
    assert.deepEqual((await doubted()).of, ['grant-a remove']);
    await ledger.keepServer({ server: 'three', ...used });
    assert.deepEqual((await doubted()).of, ['grant-a remove', 'grant-c add']);
    assert.equal((await ledger.doubts(seconds(0))).intents.at(-1)?.intent.intentId, open3.intentId);
  });

  test('another server makes doubtful what was written for a grant that ended lately, however long ago that was', async (t) => {
    const { ledger } = await open(t);
    await ledger.savePending(pendingGrant('a'), [], quietly());
    const { intentId } = await ledger.openIntent(sampleIntent('a'), NO_CHANGE, quietly());
    await ledger.activate({ grant: activeGrant('a'), period: samplePeriod(), intentId, placeholder: null }, quietly());
    await ledger.beginEnding(endingGrant('a'), [], quietly());
    const over = { grant: endedGrant('a', { endedAt: seconds(100) }), period: null, placeholder: null };
    await ledger.end(over, quietly({ at: seconds(100) }));
    const doubted = async () => (await ledger.doubts(seconds(0))).intents.map(({ intent }) => intent.intentId);
    await ledger.keepServer({ server: 'two', at: seconds(102), lookBackMs: 1_000 });
    assert.deepEqual(await doubted(), []);
    await ledger.keepServer({ server: 'three', at: seconds(102), lookBackMs: 2_000 });
    assert.deepEqual(await doubted(), [intentId]);
  });

  test('another server makes doubtful what was written shortly before the one before it was last in use, and what nobody decided', async (t) => {
    const { ledger } = await open(t);
    await ledger.keepServer({ server: 'one', at: seconds(1), lookBackMs: 1_000 });
    await ledger.savePending(pendingGrant('a'), [], quietly());
    const { intentId } = await ledger.openIntent(sampleIntent('a'), NO_CHANGE, quietly());
    await ledger.activate(
      { grant: activeGrant('a'), period: samplePeriod(), intentId, placeholder: null },
      quietly({ at: seconds(10) }),
    );
    await ledger.useServer(seconds(11));
    await ledger.useServer(seconds(2));
    const doubted = async () => (await ledger.doubts(seconds(0))).intents.map(({ intent }) => intent.intentId);
    await ledger.keepServer({ server: 'two', at: seconds(100), lookBackMs: 1_000 });
    assert.deepEqual(await doubted(), [intentId]);
    await ledger.useServer(seconds(200));
    await ledger.keepServer({ server: 'three', at: seconds(200), lookBackMs: 1_000 });
    assert.deepEqual(await doubted(), [intentId]);
    await ledger.decideDoubts({ intentIds: [intentId], change: (await ledger.doubts(seconds(0))).change });
    await ledger.keepServer({ server: 'four', at: seconds(200), lookBackMs: 1_000 });
    assert.deepEqual(await doubted(), []);
  });

  test('the grant that a membership ended with is the one of its pair that ended last and was kept by no other', async (t) => {
    const { ledger } = await open(t);
    assert.equal(await ledger.lastEnded(samplePair(1, 1)), null);
    const ends = [
      ['a', 3, 'removed'],
      ['b', 4, 'already_absent'],
      ['c', 5, 'kept_by_grant'],
    ] as const;
    for (const [name] of ends) {
      await ledger.savePending(pendingGrant(name), [], quietly());
      await ledger.activate({ grant: activeGrant(name), period: samplePeriod(), intentId: null, placeholder: null }, quietly());
      await ledger.beginEnding(endingGrant(name), [], quietly());
    }
    for (const [name, at, membership] of ends) {
      const grant = endedGrant(name, { endedAt: seconds(at), membership });
      await ledger.end({ grant, period: null, placeholder: null }, quietly());
    }
    assert.deepEqual(
      await ledger.lastEnded(samplePair(1, 1)),
      endedGrant('b', { endedAt: seconds(4), membership: 'already_absent' }),
    );
    assert.equal(await ledger.lastEnded(samplePair(2, 1)), null);
  });

  test('an addition is doubted whatever came after it, also where there is nothing to do for it', async (t) => {
    const { ledger } = await open(t);
    await ledger.savePending(pendingGrant('a'), [], quietly());
    const { intentId } = await ledger.openIntent(sampleIntent('a'), NO_CHANGE, quietly());
    await ledger.activate({ grant: activeGrant('a'), period: samplePeriod(), intentId, placeholder: null }, quietly());
    await ledger.openIntent(sampleIntent('a', { kind: 'remove' }), NO_CHANGE, quietly());
    await ledger.keepServer({ server: 'two', at: seconds(1), lookBackMs: 100_000 });
    const { intents, additions, moot, change } = await ledger.doubts(seconds(0));
    assert.deepEqual([intents.map(({ intent }) => intent.kind), moot], [['remove'], [intentId]]);
    assert.deepEqual(additions, [samplePair(1, 1)]);
    await ledger.decideDoubts({ intentIds: moot, change });
    assert.deepEqual((await ledger.doubts(seconds(0))).additions, [samplePair(1, 1)]);
  });

  test('a doubt is decided until another server takes over, over a restart too, and never by a look of before that', async (t) => {
    const first = await open(t);
    const { ledger: one } = first;
    await one.savePending(pendingGrant('a'), [], quietly());
    const { intentId } = await one.openIntent(sampleIntent('a'), NO_CHANGE, quietly());
    const used = { at: seconds(10), lookBackMs: 1_000 };
    await one.keepServer({ server: 'one', ...used });
    const { ledger } = await first.reopen();
    const isDecided = async (since = 0) => (await ledger.doubts(seconds(since))).intents.map((doubt) => doubt.isDecided);
    const { change } = await ledger.doubts(seconds(0));
    assert.deepEqual(await isDecided(11), [false]);
    await ledger.decideDoubts({ intentIds: [intentId, 99], change });
    assert.deepEqual([await isDecided(10), await isDecided(11)], [[true], []]);
    assert.equal(await ledger.keepServer({ server: 'one', ...used, at: seconds(20) }), seconds(10));
    assert.deepEqual(await isDecided(), [true]);
    assert.equal(await ledger.keepServer({ server: 'two', ...used, at: seconds(20) }), seconds(20));
    await ledger.decideDoubts({ intentIds: [intentId], change });
    assert.deepEqual(await isDecided(), [false]);
  });

  test('the first server of a ledger that has written nothing was always the one; time never runs back, and a later one is since its change', async (t) => {
    const first = await open(t);
    const used = { at: seconds(10), lookBackMs: 1_000 };
    assert.equal(await first.ledger.keepServer({ server: 'one', ...used }), instant(0));
    assert.equal(await first.ledger.keepServer({ server: 'one', ...used }), instant(0));
    await first.ledger.advanceClock(seconds(12));
    assert.equal(await first.ledger.keepServer({ server: 'two', ...used }), seconds(12));
    const { ledger } = await first.reopen();
    assert.equal(await ledger.keepServer({ server: 'two', ...used, at: seconds(30) }), seconds(12));
    assert.equal(await ledger.keepServer({ server: 'one', ...used, at: seconds(30) }), seconds(30));
  });

  test('a grant that has ended can end again, with the period of its pair, and no other can', async (t) => {
    const { ledger } = await open(t);
    const ended = endedGrant('a');
    const again = { ...endingGrant('a'), endedBefore: ended.endedAt };
    const reopened = { grant: again, period: samplePeriod() };
    await ledger.beginEnding(endingGrant('a'), [], quietly());
    await assert.rejects(ledger.endAgain(reopened, quietly()), faulty('conflict'));
    await ledger.end({ grant: ended, period: null, placeholder: null }, quietly());
    await ledger.endAgain(reopened, quietly());
    const state = await ledger.endingState(endingGrant('a'));
    assert.deepEqual([state?.grant, state?.pair.period], [again, samplePeriod()]);
    assert.deepEqual((await ledger.unfinished()).ending, [again]);
    await ledger.end({ grant: ended, period: null, placeholder: null }, quietly());
    assert.deepEqual((await ledger.known(grantIdOf('a'))).grant, ended);
    await assert.rejects(ledger.endAgain({ ...reopened, grant: endingGrant('unknown') }, quietly()), faulty('conflict'));
  });

  test('an intent closes once, and needs a grant', async (t) => {
    const { ledger } = await open(t);
    await ledger.savePending(pendingGrant('a'), [], quietly());
    const { intentId } = await ledger.openIntent(sampleIntent('a'), NO_CHANGE, quietly());
    await ledger.closeIntent(intentId, quietly());
    await assert.rejects(ledger.closeIntent(intentId, quietly()), faulty('conflict'));
    await assert.rejects(ledger.closeIntent(intentId + 1, quietly()), faulty('conflict'));
    await assert.rejects(ledger.openIntent(sampleIntent('unknown'), NO_CHANGE, quietly()), faulty('conflict'));
  });

  test('activating a grant closes the intent, failing and ending one close its own', async (t) => {
    const { ledger } = await open(t);
    const openFor = async (name: string, user: number) => {
      await ledger.savePending(pendingGrant(name, samplePair(user, 1)), [], quietly());
      return await ledger.openIntent(sampleIntent(name, { pair: samplePair(user, 1) }), NO_CHANGE, quietly());
    };
    const { intentId } = await openFor('active', 1);
    await openFor('failed', 2);
    await openFor('ended', 3);
    const untouched = await openFor('untouched', 4);
    await ledger.activate({ grant: activeGrant('active'), period: samplePeriod(), intentId, placeholder: null }, quietly());
    await ledger.failGrant(failedGrant('failed', { pair: samplePair(2, 1) }), quietly());
    await ledger.end({ grant: endedGrant('ended', { pair: samplePair(3, 1) }), period: null, placeholder: null }, quietly());
    assert.deepEqual((await ledger.unfinished()).intents, [untouched]);
  });

  test('the standing of live grants follows their period', async (t) => {
    const { ledger } = await open(t);
    const activate = (name: string) =>
      ledger.activate(
        { grant: activeGrant(name), period: samplePeriod({ standing: true }), intentId: null, placeholder: null },
        quietly(),
      );
    const standings = async () => (await ledger.pairState(samplePair(1, 1))).grants.map(({ standing }) => standing);
    await activate('a');
    assert.deepEqual(await standings(), [true]);
    await activate('b');
    await ledger.savePeriod(samplePeriod({ standing: 'unknown' }), quietly());
    assert.deepEqual(await standings(), ['unknown', 'unknown']);
    await ledger.beginEnding({ ...endingGrant('b'), standing: 'unknown' }, [], quietly());
    await ledger.openIntent(sampleIntent('a'), { period: samplePeriod({ standing: false }), replaces: null }, quietly());
    assert.deepEqual(await standings(), [false, false]);
    const ended = { ...endedGrant('b'), standing: false };
    await ledger.end({ grant: ended, period: samplePeriod({ standing: true }), placeholder: null }, quietly());
    assert.deepEqual(await standings(), [true]);
    assert.deepEqual((await ledger.known(grantIdOf('b'))).grant, ended);
  });

  test('a pair is known by its ids: a period outlives a new name, and other pairs are not touched', async (t) => {
    const first = await open(t);
    const pair = samplePair(1, 1);
    const renamed = { ...pair, user: { id: pair.user.id, dn: samplePair(9, 9).user.dn } };
    const other = samplePeriod({ pair: samplePair(1, 2), standing: true });
    await first.ledger.savePeriod(other, quietly());
    await first.ledger.savePeriod(samplePeriod({ seenAbsent: true }), quietly());
    const period = samplePeriod({
      pair: renamed,
      values: [pair.user.dn, renamed.user.dn],
      deleteSent: true,
      memberAttribute: 'memberUid',
    });
    await first.ledger.savePeriod(period, quietly());
    const { ledger } = await first.reopen();
    assert.deepEqual((await ledger.pairState(pair)).period, period);
    assert.deepEqual((await ledger.pairState(other.pair)).period, other);
  });

  test('the period ends with the last grant, and stays where another remains', async (t) => {
    const { ledger } = await open(t);
    for (const name of ['b', 'a']) {
      const change = { grant: activeGrant(name), period: samplePeriod(), intentId: null, placeholder: null };
      await ledger.activate(change, quietly());
    }
    const grants = async () => (await ledger.pairState(samplePair(1, 1))).grants.map(({ grantId }) => grantId);
    assert.deepEqual(await grants(), [grantIdOf('a'), grantIdOf('b')]);
    await ledger.end({ grant: endedGrant('a'), period: samplePeriod({ seenAbsent: true }), placeholder: null }, quietly());
    assert.deepEqual((await ledger.pairState(samplePair(1, 1))).period, samplePeriod({ seenAbsent: true }));
    await ledger.end({ grant: endedGrant('b'), period: null, placeholder: null }, quietly());
    assert.deepEqual(await ledger.pairState(samplePair(1, 1)), { period: null, grants: [], intent: null, placeholder: null });
  });

  test('a placeholder is known for its whole group, from when it stands until it has left', async (t) => {
    const first = await open(t);
    const groupId = samplePair(1, 1).group.id;
    const change = { grant: endedGrant('a'), period: null, placeholder: { groupId, value: '' } };
    await first.ledger.end(change, quietly());
    const { ledger } = await first.reopen();
    assert.deepEqual((await ledger.pairState(samplePair(2, 1))).placeholder, { groupId, value: '' });
    assert.equal((await ledger.pairState(samplePair(1, 2))).placeholder, null);
    const gone = { groupId, value: null };
    await ledger.activate({ grant: activeGrant('b'), period: samplePeriod(), intentId: null, placeholder: gone }, quietly());
    assert.equal((await ledger.pairState(samplePair(2, 1))).placeholder, null);
  });

  test('what was written for a pair and seen absent of it is remembered, in its order, across a restart', async (t) => {
    const first = await open(t);
    const pair = samplePair(1, 1);
    await first.ledger.savePending(pendingGrant('a'), [], quietly());
    await first.ledger.savePending(pendingGrant('b'), [], quietly());
    const lost = await first.ledger.openIntent(sampleIntent('a', { values: ['cn=one'] }), NO_CHANGE, quietly());
    const next = sampleIntent('a', { values: ['cn=two', 'cn=one'], at: seconds(3) });
    const replaced = { period: null, replaces: lost.intentId };
    const opened = await first.ledger.openIntent(next, replaced, quietly({ at: seconds(3) }));
    const period = samplePeriod({ metValues: [] });
    const change = { grant: activeGrant('a'), period, intentId: opened.intentId, placeholder: null };
    await first.ledger.activate(change, quietly({ at: seconds(4) }));
    const met = samplePeriod({ metValues: ['cn=met'] });
    await first.ledger.savePeriod(met, quietly({ at: seconds(5) }));
    await first.ledger.savePeriod({ ...met, deleteSent: true }, quietly({ at: seconds(6) }));
    const absence = { memberAttribute: 'uniqueMember', values: ['cn=one', 'cn=two'], at: seconds(60) } as const;
    await first.ledger.end({ grant: endedGrant('a'), period: met, placeholder: null, absence }, quietly({ at: seconds(61) }));
    await first.ledger.end({ grant: endedGrant('c'), period: met, placeholder: null }, quietly({ at: seconds(62) }));
    const { ledger } = await first.reopen();
    const addition = { memberAttribute: 'member', isReplaced: false } as const;
    assert.deepEqual(await ledger.pairHistory(pair), {
      additions: [
        { ...addition, intentId: lost.intentId, value: 'cn=one', at: lost.at, closedAt: seconds(3), isReplaced: true },
        { ...addition, intentId: opened.intentId, value: 'cn=two', at: seconds(3), closedAt: seconds(4) },
      ],
      absences: [absence],
      metAt: seconds(5),
      isDoubted: false,
      serverSince: 0,
    });
    assert.equal((await ledger.pairHistory(samplePair(2, 1))).metAt, null);
    for (const server of ['one', 'two']) await ledger.keepServer({ server, at: seconds(62), lookBackMs: 1000 });
    const doubted = await ledger.pairHistory(pair);
    assert.deepEqual([doubted.isDoubted, doubted.serverSince], [true, seconds(62)]);
    assert.equal((await ledger.pairHistory(samplePair(2, 1))).isDoubted, false);
  });
}

function retentionRules(open: OpenLedger): void {
  test('a pause holds across openings until it is over', async (t) => {
    const first = await open(t);
    assert.equal(await first.ledger.pausedSince(), null);
    await first.ledger.pause(seconds(5), quietly());
    const second = await first.reopen();
    assert.equal(await second.ledger.pausedSince(), seconds(5));
    await second.ledger.pause(null, quietly());
    assert.equal(await second.ledger.pausedSince(), null);
  });

  test('the mark of trusted time goes back only where a person accepts the clock', async (t) => {
    const { ledger } = await open(t);
    await ledger.advanceClock(seconds(500));
    await ledger.advanceClock(seconds(100));
    assert.equal(await ledger.clockMark(), seconds(500));
    await ledger.acceptClock(seconds(200), { at: seconds(200), audit: [sampleAudit('operator.command')] });
    assert.equal(await ledger.clockMark(), seconds(200));
  });

  test('a pending grant that was cancelled stays so', async (t) => {
    const first = await open(t);
    const cancelled = { ...pendingGrant('a'), cancelledAt: seconds(3) };
    await first.ledger.savePending(pendingGrant('a'), [], quietly());
    await first.ledger.savePending(cancelled, [], quietly());
    const { ledger } = await first.reopen();
    assert.deepEqual((await ledger.known(grantIdOf('a'))).grant, cancelled);
    assert.deepEqual((await ledger.unfinished()).pending, [cancelled]);
  });

  const LATER = instant(seconds(1_000_000));

  test('what is over and older than the retention is forgotten', async (t) => {
    const { ledger, auditRecords } = await open(t);
    await ledger.storeJob(sampleJob('a'), quietly({ results: [succeeded('a')] }));
    await ledger.savePending(pendingGrant('a'), [], quietly());
    await ledger.openIntent(sampleIntent('a'), NO_CHANGE, quietly());
    await ledger.end({ grant: endedGrant('a'), period: null, placeholder: null }, quietly());
    await ledger.failGrant(failedGrant('b'), quietly());
    await ledger.rememberRevoke(grantIdOf('c'), quietly({ audit: [sampleAudit('revoke.remembered')] }));
    await ledger.acknowledge(1);
    // A job, an intent, two grants, a revoke, and the audit records of the revoke and of the creation.
    assert.equal(await ledger.forget(LATER), 7);
    assert.equal(await ledger.forget(LATER), 0);
    assert.equal(await ledger.job(jobIdOf('a')), null);
    for (const name of ['a', 'b', 'c']) {
      assert.deepEqual(await ledger.known(grantIdOf(name)), { grant: null, revokedBefore: false });
    }
    assert.deepEqual(
      (await auditRecords()).map(({ kind }) => kind),
      ['audit.pruned'],
    );
  });

  test('what is not older than the retention is kept', async (t) => {
    const { ledger, auditRecords } = await open(t);
    await ledger.storeJob(sampleJob('a', { receivedAt: seconds(50) }), quietly({ results: [succeeded('a')] }));
    await ledger.acknowledge(1);
    await ledger.end({ grant: endedGrant('a', { endedAt: seconds(50) }), period: null, placeholder: null }, quietly());
    await ledger.failGrant(failedGrant('b', { failedAt: seconds(50) }), quietly());
    await ledger.rememberRevoke(grantIdOf('c'), quietly({ at: seconds(50) }));
    await ledger.tell(quietly({ audit: [sampleAudit('job.accepted', seconds(50))] }));
    await ledger.forget(seconds(50));
    assert.notEqual(await ledger.job(jobIdOf('a')), null);
    for (const name of ['a', 'b']) assert.notEqual((await ledger.known(grantIdOf(name))).grant, null);
    assert.equal((await ledger.known(grantIdOf('c'))).revokedBefore, true);
    assert.deepEqual((await auditRecords()).at(0), sampleAudit('job.accepted', seconds(50)));
  });

  test('nothing that is open or not yet acknowledged is forgotten', async (t) => {
    const { ledger } = await open(t);
    await ledger.storeJob(sampleJob('open'), quietly());
    await ledger.storeJob(sampleJob('untold'), quietly({ results: [succeeded('untold')] }));
    await ledger.storeJob(sampleJob('attached'), quietly());
    await ledger.savePending(pendingGrant('pending'), [], quietly());
    const active = { grant: activeGrant('active'), period: samplePeriod(), intentId: null, placeholder: null };
    await ledger.activate(active, quietly());
    await ledger.beginEnding(endingGrant('ending'), [], quietly());
    const intent = await ledger.openIntent(sampleIntent('active'), NO_CHANGE, quietly());
    await ledger.end({ grant: endedGrant('waited-for'), period: samplePeriod(), placeholder: null }, quietly());
    await ledger.attach(jobIdOf('attached'), grantIdOf('waited-for'), quietly());
    const view = { ...samplePair(1, 1), grantId: grantIdOf('untold'), state: 'ended', standing: false } as const;
    const event: Event = {
      kind: 'grant.ended',
      grant: { ...view, activatedAt: null, expiresAt: null },
      cause: 'expired',
      membership: 'removed',
    };
    const untold = { grant: endedGrant('untold'), period: samplePeriod(), placeholder: null };
    await ledger.end(untold, quietly({ events: [event] }));
    await ledger.forget(LATER);
    for (const name of ['open', 'untold', 'attached']) assert.notEqual(await ledger.job(jobIdOf(name)), null, name);
    for (const name of ['pending', 'active', 'ending', 'waited-for', 'untold']) {
      assert.notEqual((await ledger.known(grantIdOf(name))).grant, null, name);
    }
    assert.deepEqual((await ledger.unfinished()).intents, [intent]);
    assert.notEqual((await ledger.pairState(samplePair(1, 1))).period, null);
    assert.deepEqual(await told(ledger), [succeeded('untold'), event]);
  });

  test('while a membership of ours lasts, what was written and seen in its group since its beginning is kept', async (t) => {
    const { ledger } = await open(t);
    const [kept, elsewhere] = [samplePair(2, 1), samplePair(2, 2)];
    for (const [name, pair] of [
      ['kept', kept],
      ['elsewhere', elsewhere],
    ] as const) {
      await ledger.savePending(pendingGrant(name, pair), [], quietly());
      await ledger.openIntent(sampleIntent(name, { pair }), NO_CHANGE, quietly());
      const absence = { memberAttribute: 'member', values: ['cn=ada'], at: seconds(2) } as const;
      await ledger.end({ grant: endedGrant(name, { pair }), period: null, placeholder: null, absence }, quietly());
    }
    const active = { grant: activeGrant('own'), period: samplePeriod(), intentId: null, placeholder: null };
    await ledger.activate(active, quietly());
    const { additions, absences } = await ledger.pairHistory(kept);
    assert.deepEqual([additions.length, absences.length], [1, 1]);
    await ledger.forget(LATER);
    assert.deepEqual(await ledger.pairHistory(kept), { ...(await ledger.pairHistory(elsewhere)), additions, absences });
    assert.deepEqual((await ledger.pairHistory(elsewhere)).additions, []);
    await ledger.end({ grant: endedGrant('own'), period: null, placeholder: null }, quietly());
    await ledger.forget(LATER);
    assert.deepEqual(await ledger.pairHistory(kept), await ledger.pairHistory(elsewhere));
  });

  test('the clock mark never falls, and every consequence raises it', async (t) => {
    const first = await open(t);
    assert.equal(await first.ledger.clockMark(), 0);
    await first.ledger.advanceClock(seconds(5));
    await first.ledger.advanceClock(seconds(4));
    await first.ledger.tell(quietly({ at: seconds(3) }));
    const { ledger } = await first.reopen();
    assert.equal(await ledger.clockMark(), seconds(5));
    await ledger.tell(quietly({ at: seconds(6) }));
    assert.equal(await ledger.clockMark(), seconds(6));
  });

  test('what the policy remembers is the last text of each subject, across a restart, until its retention', async (t) => {
    const first = await open(t);
    assert.deepEqual(await first.ledger.policyNotes(), []);
    const note = (subject: string, text: string) => ({ subject, note: text });
    await first.ledger.tell(quietly({ at: seconds(1), notes: [note('b', '1'), note('a', '1')] }));
    await first.ledger.savePending(pendingGrant('g'), [], quietly({ at: seconds(3), notes: [note('b', '2')] }));
    await assert.rejects(first.ledger.closeIntent(7, quietly({ at: seconds(4), notes: [note('b', '3')] })), faulty('conflict'));
    const { ledger } = await first.reopen();
    assert.deepEqual(await ledger.policyNotes(), [note('a', '1'), note('b', '2')]);
    await ledger.forget(seconds(2));
    assert.deepEqual(await ledger.policyNotes(), [note('b', '2')]);
  });

  test('a refused bind is remembered across a restart, until it is forgiven', async (t) => {
    const first = await open(t);
    assert.equal(await first.ledger.bindRefusal(), null);
    await first.ledger.saveBindRefusal({ at: seconds(1), fingerprint: 'old' });
    await first.ledger.saveBindRefusal({ at: seconds(2), fingerprint: 'new' });
    const { ledger } = await first.reopen();
    assert.deepEqual(await ledger.bindRefusal(), { at: seconds(2), fingerprint: 'new' });
    await ledger.saveBindRefusal(null);
    assert.equal(await ledger.bindRefusal(), null);
  });

  test('the base entry that is known is the first that was found, and another only while no grant is open', async (t) => {
    const first = await open(t);
    const { user: one, group: other } = samplePair(1, 1);
    assert.deepEqual(await first.ledger.keepBase(one), one);
    assert.deepEqual(await first.ledger.keepBase(other), other);
    await first.ledger.savePending(pendingGrant('g'), [], quietly({ at: seconds(1) }));
    assert.deepEqual(await first.ledger.keepBase(one), other);
    const { ledger } = await first.reopen();
    assert.deepEqual(await ledger.keepBase(one), other);
  });
}
