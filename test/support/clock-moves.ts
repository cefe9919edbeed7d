import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Dn } from '../../src/access/dn.ts';
import type { DirectoryAdmin } from './directory-contract/world.ts';
import type { SteppedClock } from './faketime.ts';
import { openLdapAdmin } from './openldap-admin.ts';
import { ready } from './survival.ts';
import { type System, until } from './system.ts';
import { answer, grantJob, grantOf, overdueOf } from './told.ts';

/** Steps of the wall clock, in milliseconds, one after the other. */
export interface Move {
  readonly title: string;
  readonly stepsMs: readonly number[];
}

/** How late an ending may be where nothing is in its way: a timer, three round trips, and a loaded machine. */
export const PROMPT_MS = 2_500;

/** Beyond it the trusted time is too far ahead of the wall clock for new grants (ARCHITECTURE, Time). */
const TOLERANCE_MS = 300_000;

/** How far the moved clock may be from where it was put: what passes between two readings. */
const READING_MS = 5_000;

/** An ending that is refused is tried again after at most twice the time for which it was refused, and that was about 2 s. */
const RETRIED_MS = 6_000;

/** A grant whose life a test measures by its own monotonic clock, whatever the connector's clocks say. */
export interface Timed {
  readonly grantId: string;
  readonly durationMs: number;
  /** Before the job was sent, and when its outcome had come: it was activated between the two. */
  readonly askedAtMs: number;
  readonly toldAtMs: number;
  /** Waits for its end, sees that the membership is gone with the independent client, and says when the end was told. */
  gone(cause?: string): Promise<number>;
}

/** A job whose times are of the connector's clock, as a control plane whose clock moves with it would issue it. */
function issued(clock: SteppedClock, fields: Readonly<Record<string, unknown>>) {
  return grantJob({ issuedAt: new Date(clock.wallMs()).toISOString(), ...fields });
}

interface Wanted {
  readonly clock: SteppedClock;
  readonly uid: string;
  readonly cn: string;
  readonly seconds: number;
}

export async function timedGrant(s: System, wanted: Wanted): Promise<Timed> {
  const asked = await askGrant(s, wanted);
  assert.equal(await answer(s, asked.jobId), 'granted');
  return asked.timed();
}

/** Sends the job, and leaves its answer to the caller. */
async function askGrant(s: System, { clock, uid, cn, seconds }: Wanted) {
  const job = issued(clock, { user: { username: uid }, group: { name: cn }, durationSeconds: seconds });
  const askedAtMs = performance.now();
  await s.job(job);
  return {
    jobId: job.jobId,
    timed: (): Timed => ({
      grantId: job.grantId,
      durationMs: seconds * 1000,
      askedAtMs,
      toldAtMs: performance.now(),
      async gone(cause = 'expired') {
        assert.equal((await s.endOf(job.grantId)).cause, cause);
        const atMs = performance.now();
        assert.ok(!(await s.ldap.members(s.group(cn))).includes(s.person(uid)), `${uid} is still in ${cn}`);
        return atMs;
      },
    }),
  };
}

/**
 * Ended no later than its time and a prompt ending after it (or after the connector could go on), and not before its time less
 * what the clock was put forward.
 */
function endedInTime(grant: Timed, atMs: number, { forwardMs, freeAtMs = 0 }: { forwardMs: number; freeAtMs?: number }): void {
  const livedMs = atMs - grant.askedAtMs;
  assert.ok(livedMs >= grant.durationMs - forwardMs - 5, `a grant of ${grant.durationMs} ms was ended after ${livedMs} ms`);
  const endMs = forwardMs > grant.durationMs ? freeAtMs : Math.max(freeAtMs, grant.toldAtMs + grant.durationMs);
  assert.ok(atMs - endMs < PROMPT_MS, `a grant of ${grant.durationMs} ms was ended ${atMs - endMs} ms late`);
}

/** 20 ms: fifty steps are over before a grant of two seconds is. */
const STEP_EACH_MS = 20;

/** Where the connector reads the name of the place at which it is to stop. */
export const stopFileOf = (s: System): string => join(s.folder, 'stop-at');

/**
 * Moves the clock of the running connector while grants are in five states: active, about to expire, between intent and
 * claim, overdue, and to be revoked. Measures that each ends in time. Resolves with the names of the cases, at rest.
 */
export async function moveWhileRunning(s: System, { clock, move }: { clock: SteppedClock; move: Move }): Promise<string[]> {
  const grant = (uid: string, cn: string, seconds: number) => timedGrant(s, { clock, uid, cn, seconds });
  const { forwardMs, backMs } = extent(move);
  const [overdue, brink, active, held] = await Promise.all([
    grant('liam', 'billing-readers', 3600),
    grant('grace', 'on-call', 2),
    grant('farid', 'on-call', 5),
    grant('viktor', 'vpn-users', 3600),
  ]);
  const admin = openLdapAdmin(s.ldap);
  await admin.hideMembers(s.group('billing-readers') as Dn);
  await s.revoke(overdue.grantId);
  await overdueOf(s, overdue.grantId);
  await sleep(Math.max(0, brink.toldAtMs + brink.durationMs - 300 - performance.now()));

  await writeFile(stopFileOf(s), 'grant.intent-stored');
  const midway = await askGrant(s, { clock, uid: 'sam', cn: 'release-approvers', seconds: 2 });
  await stopped(s);
  const [first = 0, ...rest] = move.stepsMs;
  await clock.set(clock.offsetMs() + first);
  const freeAtMs = performance.now();
  s.connector()?.signal('SIGCONT');
  for (const ms of rest) {
    // Time enough for the connector to ask what time it is; nothing tells when it has.
    await sleep(STEP_EACH_MS);
    await clock.set(clock.offsetMs() + ms);
  }
  // Watched all at once: what is awaited later is not measured later.
  await Promise.all([
    refusedOrRevoked(s, { clock, trusted: backMs <= TOLERANCE_MS, held, forwardMs }),
    ...[brink, active].map(async (one) => endedInTime(one, await one.gone(), { forwardMs, freeAtMs })),
    endedMidway(s, midway, { forwardMs, freeAtMs }),
    endedWhenShown(overdue, admin),
  ]);
  return ['active', 'about to expire', 'between intent and claim', 'overdue', 'to be revoked'].map(
    (state) => `${state}: ${move.title}`,
  );
}

async function endedWhenShown(overdue: Timed, admin: DirectoryAdmin): Promise<void> {
  await admin.showAll();
  const shownAtMs = performance.now();
  const overdueMs = (await overdue.gone('revoked')) - shownAtMs;
  assert.ok(overdueMs < RETRIED_MS, `what was overdue was ended ${overdueMs} ms after it could be`);
}

/** Whatever the clock is worth, a grant is taken away when that is asked for. */
async function refusedOrRevoked(
  s: System,
  { clock, trusted, held, forwardMs }: { clock: SteppedClock; trusted: boolean; held: Timed; forwardMs: number },
): Promise<void> {
  await trustIs(s, { clock, trusted });
  if (forwardMs >= held.durationMs) {
    await held.gone();
    assert.equal(await answer(s, (await s.revoke(held.grantId)).jobId), 'already_ended');
    return;
  }
  const revoke = await s.revoke(held.grantId);
  assert.equal(await answer(s, revoke.jobId), 'revoked');
  await held.gone('revoked');
}

/** Stopped between intent and claim: carried out and ended in time, or refused for the clock with nothing left behind. */
async function endedMidway(
  s: System,
  asked: Awaited<ReturnType<typeof askGrant>>,
  at: { forwardMs: number; freeAtMs: number },
): Promise<void> {
  const said = await answer(s, asked.jobId);
  if (said === 'granted') {
    const grant = asked.timed();
    endedInTime(grant, await grant.gone(), at);
  } else {
    assert.ok(said === 'clock_untrusted' || (at.forwardMs > 0 && said === 'job_expired'), said);
    assert.ok(!(await s.ldap.members(s.group('release-approvers'))).includes(s.person('sam')));
  }
}

/** Moves the clock while no connector runs, and measures the same; the time without a connector is added to each life. */
export async function moveWhileAway(
  s: System,
  { clock, move, end }: { clock: SteppedClock; move: Move; end: 'SIGTERM' | 'SIGKILL' },
): Promise<string[]> {
  const { forwardMs, backMs } = extent(move);
  const grant = await timedGrant(s, { clock, uid: 'grace', cn: 'on-call', seconds: 3 });
  const awayAtMs = performance.now();
  await s.stopConnector(end);
  await clock.set(clock.offsetMs() + move.stepsMs.reduce((sum, ms) => sum + ms, 0));
  await s.startConnector({ welcome: false });
  const freeAtMs = performance.now();
  // No clock of this machine tells how long a process was away while the wall clock was put back: that much is not known.
  const toldAtMs = grant.toldAtMs + freeAtMs - awayAtMs;
  endedInTime({ ...grant, toldAtMs }, await grant.gone(), { forwardMs, freeAtMs });
  await trustIs(s, { clock, trusted: backMs <= TOLERANCE_MS });
  return [`restarted after ${end}: ${move.title}`];
}

/** What health says of the clock, and what becomes of a new grant, which also shows that the process has seen the move. */
async function trustIs(s: System, { clock, trusted }: { clock: SteppedClock; trusted: boolean }): Promise<void> {
  const connector = s.connector();
  assert.ok(connector !== null);
  const { status, body } = await ready(connector, ({ body: { clock: part } }) => part?.['ready'] === trusted);
  if (!trusted) assert.equal(status, 503);
  const aheadMs = Number(body['clock']?.['aheadMs']);
  const job = issued(clock, { user: { username: 'oskar' }, group: { name: 'vpn-users' }, durationSeconds: 600 });
  const wallMs = clock.wallMs();
  await s.job(job);
  if (!trusted) {
    assert.equal(await answer(s, job.jobId), 'clock_untrusted');
    return;
  }
  assert.equal(await answer(s, job.jobId), 'granted');
  const activatedAtMs = Date.parse((await grantOf(s, job.jobId)).activatedAt ?? '');
  assert.ok(
    Math.abs(activatedAtMs - aheadMs - wallMs) < READING_MS,
    `the connector does not live at ${new Date(wallMs).toISOString()}`,
  );
  assert.equal(await answer(s, (await s.revoke(job.grantId)).jobId), 'revoked');
}

/** How far forward of its start a move takes the clock, and how far behind its furthest point it leaves it. */
function extent({ stepsMs }: Move): { forwardMs: number; backMs: number } {
  let [at, furthest] = [0, 0];
  for (const ms of stepsMs) {
    at += ms;
    furthest = Math.max(furthest, at);
  }
  return { forwardMs: furthest, backMs: furthest - at };
}

/** Waits until the connector has stopped itself where it was told to. */
async function stopped(s: System): Promise<void> {
  const pid = s.connector()?.pid;
  await until('the connector has stopped', async () => / T /.test(await readFile(`/proc/${pid}/stat`, 'utf8')));
}
