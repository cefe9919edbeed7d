import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { isLive } from '../../src/access/grant.ts';
import { type Ledger, LedgerError } from '../../src/ledger/ledger.ts';
import type { LedgerUnderTest } from '../support/ledger-contract.ts';
import {
  activeGrant,
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
} from '../support/ledger-samples.ts';
import { memoryUnderTest, sqliteUnderTest } from '../support/ledgers-under-test.ts';

/** What one step asks of a ledger. */
type Step = (ledger: Ledger) => Promise<unknown>;

// Few names, so that steps meet each other.

const name = fc.constantFrom('a', 'b', 'c');
const names = fc.uniqueArray(name, { maxLength: 2 });
const at = fc.integer({ min: 0, max: 20 }).map(seconds);
const user = fc.integer({ min: 1, max: 2 });
const pair = fc.tuple(user, user).map(([one, other]) => samplePair(one, other));
const standing = fc.constantFrom(true, false, 'unknown' as const);
const period = fc.record({ pair, standing, seenAbsent: fc.boolean() }).map(samplePeriod);
const placeholder = fc.option(
  fc.record({ groupId: pair.map(({ group }) => group.id), value: fc.option(fc.constantFrom('', 'cn=nobody')) }),
);
const consequence = fc
  .record({
    at,
    events: fc.array(fc.constantFrom(...everyEvent()), { maxLength: 3 }),
    results: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: names.map((all) => all.map(succeeded)) },
    ),
    notes: fc.array(fc.record({ subject: name, note: fc.constantFrom('1', '2') }), { maxLength: 2 }),
    audit: fc.array(
      at.map((when) => sampleAudit('job.accepted', when)),
      { maxLength: 2 },
    ),
  })
  .map(quietly);

const steps: readonly fc.Arbitrary<Step>[] = [
  fc.tuple(name, at, consequence).map(
    ([job, receivedAt, then]): Step =>
      (ledger) =>
        ledger.storeJob(sampleJob(job, { receivedAt }), then),
  ),
  fc.tuple(names, consequence).map(
    ([jobs, then]): Step =>
      async (ledger) => {
        await ledger.countAttempts(jobs.map(jobIdOf));
        await ledger.tell(then);
      },
  ),
  fc.tuple(name, name, consequence).map(
    ([job, grant, then]): Step =>
      (ledger) =>
        ledger.attach(jobIdOf(job), grantIdOf(grant), then),
  ),
  fc.tuple(name, fc.option(pair), names, consequence).map(
    ([grant, of, jobs, then]): Step =>
      (ledger) =>
        ledger.savePending(pendingGrant(grant, of), jobs.map(jobIdOf), then),
  ),
  fc.tuple(name, fc.option(pair), at, consequence).map(
    ([grant, of, failedAt, then]): Step =>
      (ledger) =>
        ledger.failGrant(failedGrant(grant, { pair: of, failedAt }), then),
  ),
  fc.tuple(name, consequence).map(
    ([grant, then]): Step =>
      (ledger) =>
        ledger.rememberRevoke(grantIdOf(grant), then),
  ),
  fc.tuple(name, period, fc.boolean(), fc.option(fc.integer({ min: 1, max: 4 })), consequence).map(
    ([grant, of, saved, replaces, then]): Step =>
      (ledger) =>
        ledger.openIntent(sampleIntent(grant, { pair: of.pair }), { period: saved ? of : null, replaces }, then),
  ),
  fc.tuple(fc.integer({ min: 1, max: 4 }), consequence).map(
    ([intentId, then]): Step =>
      (ledger) =>
        ledger.closeIntent(intentId, then),
  ),
  fc.tuple(period, consequence).map(
    ([of, then]): Step =>
      (ledger) =>
        ledger.savePeriod(of, then),
  ),
  fc.tuple(name, period, at, fc.option(fc.integer({ min: 1, max: 4 })), placeholder, consequence).map(
    ([grant, of, expiresAt, intentId, placed, then]): Step =>
      (ledger) =>
        ledger.activate(
          { grant: activeGrant(grant, { pair: of.pair, expiresAt }), period: of, intentId, placeholder: placed },
          then,
        ),
  ),
  fc.tuple(name, pair, names, consequence).map(
    ([grant, of, jobs, then]): Step =>
      (ledger) =>
        ledger.beginEnding(endingGrant(grant, of), jobs.map(jobIdOf), then),
  ),
  fc.tuple(name, period, fc.boolean(), at, placeholder, consequence).map(
    ([grant, of, remains, endedAt, placed, then]): Step =>
      (ledger) =>
        ledger.end(
          { grant: endedGrant(grant, { pair: of.pair, endedAt }), period: remains ? of : null, placeholder: placed },
          then,
        ),
  ),
  fc.integer({ min: 0, max: 30 }).map(
    (seq): Step =>
      (ledger) =>
        ledger.acknowledge(seq),
  ),
  at.map(
    (mark): Step =>
      (ledger) =>
        ledger.advanceClock(mark),
  ),
  fc.option(at).map(
    (when): Step =>
      (ledger) =>
        ledger.saveBindRefusal(when === null ? null : { at: when, fingerprint: 'f' }),
  ),
  consequence.map(
    (then): Step =>
      (ledger) =>
        ledger.renew(then),
  ),
];

/** Steps that are asked at one time, so that those of SQLite share a commit, and the retention that follows them. */
const turn = fc.record({ asked: fc.array(fc.oneof(...steps), { minLength: 1, maxLength: 12 }), forgotten: fc.option(at) });

async function taken(
  ledger: Ledger,
  turns: readonly (typeof turn extends fc.Arbitrary<infer T> ? T : never)[],
): Promise<unknown> {
  const all: unknown[] = [];
  for (const { asked, forgotten } of turns) {
    // One after the other: of what is asked at one time, a ledger may let endings go first.
    for (const step of asked) all.push(await cameTo(step(ledger)));
    if (forgotten !== null) all.push(await ledger.forget(forgotten));
  }
  return all;
}

/** What came of a step: its value, or its fault. */
async function cameTo(step: Promise<unknown>): Promise<unknown> {
  try {
    return { value: await step };
  } catch (error) {
    if (error instanceof LedgerError) return { fault: error.fault };
    throw error;
  }
}

/** All that the port lets one see. */
async function observed({ ledger, auditRecords }: LedgerUnderTest): Promise<unknown> {
  const every = ['a', 'b', 'c'];
  const pairs = [samplePair(1, 1), samplePair(1, 2), samplePair(2, 1), samplePair(2, 2)];
  const listed = await ledger.listGrants({ endedSince: seconds(0), after: null, limit: 100 });
  return {
    identity: await ledger.identity(),
    jobs: await Promise.all(every.map((job) => ledger.job(jobIdOf(job)))),
    attached: await Promise.all(every.map((grant) => ledger.attachedJobs(grantIdOf(grant)))),
    known: await Promise.all(every.map((grant) => ledger.known(grantIdOf(grant)))),
    pairs: await Promise.all(pairs.map((of) => ledger.pairState(of))),
    listed,
    live: listed.filter(isLive).length,
    due: await ledger.dueGrants(seconds(10), 2),
    nextExpiry: await ledger.nextExpiry(),
    unfinished: await ledger.unfinished(),
    replaced: await ledger.replacedIntents(seconds(2)),
    active: await ledger.activeMemberships({ after: null, limit: 100 }),
    openGroups: await ledger.groupsOfOpenGrants(),
    open: await Promise.all(pairs.map(({ group }) => ledger.countOpenGrants({ groupId: group.id, limit: 2 }))),
    policyNotes: await ledger.policyNotes(),
    events: await ledger.events({ after: 0, limit: 1000 }),
    clockMark: await ledger.clockMark(),
    bindRefusal: await ledger.bindRefusal(),
    audit: await auditRecords(),
    auditHead: await ledger.auditHead(),
    auditOf: await ledger.auditOf({ grantId: grantIdOf('a'), after: 0, limit: 100 }),
  };
}

test('both ledgers look the same after anything that is done to them', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { minLength: 1, maxLength: 5 }), async (turns) => {
      const opened = { memory: await memoryUnderTest(t), sqlite: await sqliteUnderTest(t) };
      const both = [opened.memory, opened.sqlite];
      const [inMemory, inSqlite] = await Promise.all(both.map(({ ledger }) => taken(ledger, turns)));
      assert.deepEqual(inSqlite, inMemory);
      const [memory, sqlite] = await Promise.all(both.map(observed));
      assert.deepEqual(sqlite, memory);
      const again = await Promise.all(both.map(async (under) => await observed(await under.reopen())));
      assert.deepEqual(again, [memory, memory]);
      await Promise.all(both.map(({ ledger }) => ledger.close()));
    }),
    { numRuns: 12 },
  );
});
