import assert from 'node:assert/strict';
import { settled } from './engine-under-test.ts';
import { goUp } from './history-replica.ts';
import type { History } from './history-steps.ts';
import { take } from './history-take.ts';
import { deliver, newWorld, passing, personDn, reconnect, redeliver, restart, type World } from './history-world.ts';

/** How long after its end a grant may still be active where nothing fails: the longest wait of the timer, and a half. */
const LATENESS_MS = 1500;

/** Runs one history to its end, and asserts the invariants of the architecture after every step. */
export async function runHistory({ steps, ...where }: History): Promise<void> {
  const world = await newWorld(where);
  for (const [i, step] of steps.entries()) {
    const after = `after step ${i + 1} (${step.do})`;
    await take(world, step);
    await settled();
    judge(world, after);
    if (world.rig.hasCrashed()) {
      await restart(world);
      await settled();
      judge(world, `${after} and a restart`);
    }
  }
  await quiesce(world);
  await settled();
  judge(world, 'in the end');
  judgeEnd(world);
}

/** What holds at every instant. */
function judge(world: World, when: string): void {
  const { rig, owners, claims, told } = world;
  told.read();
  if (isIdle(rig)) owners.looked();
  const wrongs = [...owners.wrongs, ...claims.wrongs, ...told.wrongs, ...late(world)];
  const leaked = owners.leaked();
  if (wrongs.length > 0 || leaked.length > 0)
    assert.fail(`${when}: ${[...wrongs, ...leaked.map((one) => `leaked ${one}`)].join('; ')}`);
}

/** True where nothing is pursued, so that whatever a server brought back has been looked at. */
function isIdle(rig: World['rig']): boolean {
  return !rig.hasCrashed() && rig.fake.directory.status().state === 'up' && rig.engine.status().pursued === 0;
}

/** Grants that should have begun to end by now, whatever the directory does. */
function late({ rig, claims, troubledAtMs }: World): string[] {
  claims.latestNow();
  const nowMs = rig.clock.monotonicMs();
  if (rig.hasCrashed() || nowMs - troubledAtMs < LATENESS_MS) return [];
  const wrongs: string[] = [];
  for (const { state, grantId } of rig.ledger.peek().grants.values()) {
    const dueAtMs = claims.dueAtMs.get(grantId);
    if (state === 'active' && dueAtMs !== undefined && nowMs - dueAtMs > LATENESS_MS)
      wrongs.push(`${grantId} is active ${nowMs - dueAtMs} ms after its end`);
  }
  return wrongs;
}

/** Mends everything, sends again what may not have arrived, and waits until nothing goes on. */
async function quiesce(world: World): Promise<void> {
  const { rig, owners, disk, told, sent } = world;
  owners.late();
  world.dyingAgain = null;
  rig.neverCrash();
  disk.mend();
  rig.fake.mend();
  if (rig.hasCrashed()) await restart(world);
  goUp(world);
  while (!rig.isConnected()) await reconnect(world);
  // A restored ledger has forgotten jobs of which the control plane has heard nothing yet.
  for (const job of sent) {
    const jobId = String(job['jobId']);
    if (!told.hasOutcome(jobId) && !rig.ledger.peek().jobs.has(jobId as never)) await deliver(world, job);
  }
  await redeliver(world);
  await passing(world, 5000);
  owners.late();
  // After a failover an ending may wait a quarter of an hour for what the server that took over does not have yet.
  for (let round = 0; round < (world.isOneOfSeveral ? 160 : 60) && !isQuiet(world); round += 1) {
    await passing(world, 10_000);
    await redeliver(world);
    judge(world, `in round ${round} of the rest`);
    // Who was lost behind a full disk is met again by the next connection.
    if (rig.ledger.peek().events.length > 0) {
      rig.disconnect();
      await reconnect(world);
    }
    for (const grant of rig.ledger.peek().grants.values()) {
      // An operator settles what a lost ledger left open.
      if (grant.state === 'ending' && grant.standing === 'unknown') takeOutAll(world, grant.pair.user.id, grant.pair.group.id);
    }
  }
}

function takeOutAll({ rig, owners, claims }: World, user: string, group: string): void {
  const entry = rig.fake.tree.byId(group as never);
  const member = rig.fake.tree.byId(user as never);
  const period = [...rig.ledger.peek().periods.values()].find(({ pair }) => pair.user.id === user && pair.group.id === group);
  if (entry === null) return;
  claims.forgetSeen();
  // Where the schema demands a member, the operator leaves one behind.
  owners.putIn(personDn('operator'), entry.dn);
  const values = [...(member === null ? [] : [member.dn]), ...(period?.values ?? []), ...(period?.metValues ?? [])];
  for (const value of values) owners.takeOut(value as never, entry.dn);
}

function isQuiet({ rig, undelivered }: World): boolean {
  const { grants, jobs, intents, events } = rig.ledger.peek();
  if (events.length > 0 || undelivered.length > 0 || !isIdle(rig)) return false;
  for (const { state } of grants.values()) if (state !== 'ended' && state !== 'failed') return false;
  for (const { result } of jobs.values()) if (result === null) return false;
  for (const { closedAt } of intents.values()) if (closedAt === null) return false;
  return true;
}

/** What holds once nothing goes on any more. */
function judgeEnd(world: World): void {
  const { rig, told, sent } = world;
  const { grants, periods, jobs } = rig.ledger.peek();
  if (!isQuiet(world)) {
    const open = [...grants.values()].filter(({ state }) => state !== 'ended' && state !== 'failed');
    const unsettled = [...jobs.values()].filter(({ result }) => result === null).map(({ jobId }) => jobId);
    assert.fail(`something never comes to its end: ${JSON.stringify({ open, unsettled })}`);
  }
  assert.deepEqual([...periods.keys()], [], 'a period outlived its grants');
  for (const { jobId } of sent) assert.ok(told.hasOutcome(String(jobId)), `${String(jobId)} has no outcome`);
  for (const { grantId, state } of grants.values()) {
    if (state !== 'ended') assert.equal(told.endings(grantId), 0, `the end of ${grantId} was told, which ${state}`);
    else if (!world.wasRestored) assert.equal(told.endings(grantId), 1, `the end of ${grantId}`);
  }
}
