import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';
import { extraPerson } from './extra-people.ts';
import { type IndependentCheck, independentCheck } from './independent-check.ts';
import { envelopeOf, REQUEST } from './ldap-messages.ts';
import { type LdapProxy, startLdapProxy } from './ldap-proxy.ts';
import type { Strike, Struck } from './ldap-strikes.ts';
import { seeded, seedOf, shuffled } from './seeded.ts';
import { lastIndex, memberships, startReady } from './survival.ts';
import { type AnySystem, startSystemOn } from './system.ts';
import { groupEntry } from './told.ts';

/** The classes of the groups, in turn. */
const CLASSES = {
  openldap: ['groupOfNames', 'groupOfUniqueNames', 'posixGroup'],
  '389ds': ['groupOfNames', 'groupOfUniqueNames', 'posixGroup'],
  'active-directory': ['group'],
} as const;

const seed = seedOf(1_000);
const random = seeded(seed);

/** What became of the modify whose answer never came. */
type Fate = 'applied' | 'not applied' | 'applied late';

/** How often each meets a modify, of ten; of six there is each. */
const FATES: readonly Fate[] = [
  'applied',
  'not applied',
  'applied late',
  'applied',
  'applied late',
  'applied',
  'not applied',
  'applied',
  'applied late',
  'applied',
];

interface Pair {
  readonly uid: string;
  readonly cn: string;
  readonly groupDn: string;
  readonly value: string;
}

/** Modifies whose answers are lost, side by side, on a directory of any kind. */
export function lostAnswers({
  name,
  start,
  width,
  atLeast,
  lateWriteMs,
  hasCrowd,
}: {
  name: string;
  start(people: number): Promise<ThrowAwayDirectory>;
  /** Memberships that are written at the same time, each in a group of its own, so that each has a modify of its own. */
  width: number;
  /** How many answers are lost in all. */
  atLeast: number;
  /** How long the connector waits for a modify of which it does not know; what comes late comes a second before that at the latest. */
  lateWriteMs: number;
  /** Whether as many members of one group end at once as well. */
  hasCrowd: boolean;
}): void {
  suite(`many modifies whose answers are lost, on ${name}`, { concurrency: false }, () => {
    let s: AnySystem;
    let proxy: LdapProxy;
    let check: IndependentCheck;
    let pairs: readonly Pair[];
    const arrivals: Struck[] = [];
    const counts: Record<Fate, number> = { applied: 0, 'not applied': 0, 'applied late': 0 };

    before(async () => {
      s = await startSystemOn(await start(width));
      proxy = await startLdapProxy(s.ldap);
      pairs = Array.from({ length: width }, (_, at) => pairOf(at));
      const entries = [...pairs.map(({ cn }, at) => entryOf(cn, at)), entryOf('crowd', 0)];
      await s.ldap.modify(entries.map((entry) => entry.replace('\n', '\nchangetype: add\n')).join(''));
      await s.startStub();
      check = await independentCheck(s);
      await startReady(s, {
        env: {
          LDAP_URL: proxy.url,
          LDAP_READ_TIMEOUT: '1s',
          LDAP_CONNECT_TIMEOUT: '1s',
          TEST_LATE_WRITE_MS: String(lateWriteMs),
        },
      });
    });
    after(async () => {
      await s[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    });

    function classOf(at: number) {
      const classes = CLASSES[s.ldap.flavour];
      return classes[at % classes.length] ?? classes[0];
    }

    function pairOf(at: number): Pair {
      const uid = extraPerson(at + 1);
      const cn = `lost-${at}`;
      return { uid, cn, groupDn: s.group(cn), value: classOf(at) === 'posixGroup' ? uid : s.person(uid) };
    }

    function entryOf(cn: string, at: number): string {
      const objectClass = classOf(at);
      const members = [objectClass === 'posixGroup' ? 'rosa' : s.person('rosa')];
      return groupEntry(cn, { objectClass, members, beneath: s.ldap.groupsScope });
    }

    /** The next modify of each pair loses its answer. */
    function loseEach(): readonly Struck[] {
      const fates = shuffled(
        pairs.map((_, at) => FATES[at % FATES.length] ?? 'applied'),
        random,
      );
      return pairs.map((pair, at) => lose(pair, fates[at] ?? 'applied'));
    }

    function lose({ groupDn, value }: Pair, fate: Fate): Struck {
      counts[fate] += 1;
      const of = (request: Buffer): boolean =>
        envelopeOf(request).tag === REQUEST.modify && request.includes(groupDn) && request.includes(value);
      // Others on the same connection are lost with it, so it goes on for a moment: each meets its own fate.
      const lingerMs = Math.floor(random() * 60);
      return proxy.strike({ ...strikeOf(fate, of), lingerMs });
    }

    function strikeOf(fate: Fate, of: (request: Buffer) => boolean): Strike {
      switch (fate) {
        case 'applied':
          return { place: { at: 'answer', of }, fault: 'reset' };
        case 'not applied':
          return { place: { at: 'request', of }, fault: random() < 0.5 ? 'reset' : 'drop' };
        case 'applied late':
          return {
            place: { at: 'request', of },
            fault: 'late',
            delayMs: 500 + Math.floor(random() * (lateWriteMs - 1_500)),
          };
        default:
          return fate satisfies never;
      }
    }

    /** The outcome of each job, in order. */
    async function outcomes(jobIds: readonly string[], from: number): Promise<string[]> {
      const found = new Map<string, string>();
      const wanted = new Set(jobIds);
      await s.event((told) => {
        if (told.kind === 'job.succeeded') found.set(told.jobId, told.outcome);
        if (told.kind === 'job.failed') found.set(told.jobId, told.error.code);
        return [...wanted].every((jobId) => found.has(jobId));
      }, from);
      return jobIds.map((jobId) => found.get(jobId) ?? '');
    }

    async function assertMembers(expected: readonly Pair[]): Promise<void> {
      const groups = await memberships(s);
      const wrong = pairs.filter(
        (pair) => groups[pair.groupDn]?.includes(pair.value) !== expected.some(({ groupDn }) => groupDn === pair.groupDn),
      );
      assert.deepEqual(
        wrong.map(({ cn }) => cn),
        [],
        `seed ${seed}`,
      );
    }

    test('every grant and every revoke is found out, whether its modify was applied, not applied or applied late', async (t) => {
      const startedAtMs = performance.now();
      let lost = 0;
      while (lost < atLeast) {
        const from = await lastIndex(s);
        const grantsStruck = loseEach();
        const asked = await Promise.all(
          pairs.map(({ uid, cn }) => s.grant({ user: { username: uid }, group: { name: cn }, durationSeconds: 3_000 })),
        );
        const granted = await outcomes(
          asked.map(({ jobId }) => jobId),
          from,
        );
        for (const [at, outcome] of granted.entries()) assert.equal(outcome, 'granted', `${pairs[at]?.cn}, seed ${seed}`);
        await assertMembers(pairs);
        const revokesStruck = loseEach();
        const revoked = await Promise.all(asked.map(({ grantId }) => s.revoke(grantId)));
        for (const outcome of await outcomes(
          revoked.map(({ jobId }) => jobId),
          from,
        ))
          assert.equal(outcome, 'revoked', `seed ${seed}`);
        await assertMembers([]);
        // The next round is not kept waiting: what arrives late meets whatever has become of its membership.
        for (const { met } of [...grantsStruck, ...revokesStruck]) await met;
        lost += grantsStruck.length + revokesStruck.length;
        for (const { jobId } of asked) check.posted.push({ jobId, job: {}, allowed: ['granted'], repeats: 0 });
        for (const { jobId } of revoked) check.posted.push({ jobId, job: {}, allowed: ['revoked'], repeats: 0 });
        arrivals.push(...grantsStruck, ...revokesStruck);
      }
      for (const { arrived } of arrivals) await arrived;
      await check.assertAllIsRight(`seed ${seed}`);
      assert.ok(proxy.mostOpen() <= 4, `${proxy.mostOpen()} connections at the same time`);
      t.diagnostic(
        `${lost} lost answers (${JSON.stringify(counts)}), seed ${seed}, ${proxy.modifies()} modifies and ${proxy.accepted()} connections in ${Math.round((performance.now() - startedAtMs) / 1000)} s, at most ${proxy.mostOpen()} at the same time: no wrong conclusion`,
      );
    });

    if (hasCrowd) {
      test('grants of one group that end in the same second end once each, though the answer to their one modify is lost', async (t) => {
        const from = await lastIndex(s);
        const expiresAt = new Date(Date.now() + 12_000).toISOString();
        const group = s.group('crowd');
        const asked = await Promise.all(
          pairs.map(({ uid }) => s.grant({ user: { username: uid }, group: { name: 'crowd' }, expiresAt })),
        );
        for (const outcome of await outcomes(
          asked.map(({ jobId }) => jobId),
          from,
        ))
          assert.equal(outcome, 'granted');
        for (const { jobId } of asked) check.posted.push({ jobId, job: {}, allowed: ['granted'], repeats: 0 });
        const standing = (await s.ldap.members(group)).length - pairs.length;
        const modifies = proxy.modifies();
        const of = (request: Buffer): boolean => envelopeOf(request).tag === REQUEST.modify && request.includes(group);
        const struck = proxy.strike({ place: { at: 'answer', of }, fault: 'reset' });
        const ended = new Map<string, string>();
        await s.event((told) => {
          if (told.kind === 'grant.ended') ended.set(told.grant.grantId, `${told.cause} ${told.membership}`);
          return asked.every(({ grantId }) => ended.has(grantId));
        }, from);
        await struck.met;
        for (const { grantId } of asked) assert.equal(ended.get(grantId), 'expired removed');
        assert.equal((await s.ldap.members(group)).length, standing);
        await check.assertAllIsRight();
        t.diagnostic(`${pairs.length} endings in ${proxy.modifies() - modifies} modifies`);
      });
    }
  });
}
