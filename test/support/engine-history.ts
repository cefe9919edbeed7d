import assert from 'node:assert/strict';
import { formatInstant } from '../../src/access/instant.ts';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { type EngineUnderTest, engineUnderTest, groupDn, settled, userDn } from './engine-under-test.ts';
import { GROUPS, type Step, USERS } from './history-steps.ts';
import { type Owners, watchWrites } from './written-book.ts';

/** Runs one history to its end, and asserts the invariants of the architecture. */
export async function runHistory(history: readonly Step[], options: { referentialIntegrity: boolean }): Promise<void> {
  const rig = await engineUnderTest({ ...options, goneConfirmMs: 10_000, maxPendingMs: 60_000 });
  const names = Array.from({ length: USERS }, (_, i) => `user${i}`);
  for (const name of names) rig.addUser(name);
  for (let i = 0; i < GROUPS; i += 1) rig.addGroup(`group${i}`);
  const owners = watchWrites(rig, options);
  rig.fake.goUp();
  await rig.start();
  const sent: Readonly<Record<string, unknown>>[] = [];
  const world: World = { rig, names, owners, sent, renames: 0, sinceLateMs: 0, isCrashing: false };
  for (const step of history) {
    await take(world, step);
    await world.rig.pass(0);
    if (world.isCrashing && rig.hasCrashed()) {
      world.isCrashing = false;
      owners.late();
      await rig.start().catch(() => undefined);
    }
  }
  await quiesce(world);
  await judge(world);
}

interface World {
  readonly rig: EngineUnderTest;
  readonly names: string[];
  readonly owners: Owners;
  readonly sent: Readonly<Record<string, unknown>>[];
  renames: number;
  sinceLateMs: number;
  isCrashing: boolean;
}

async function submit({ rig, sent }: World, job: Readonly<Record<string, unknown>>): Promise<void> {
  const named = { jobId: `j${sent.length}`, issuedAt: formatInstant(rig.now()), ...job };
  sent.push(named);
  // What could not be stored is sent again at the end, as a control plane does.
  if (!rig.hasCrashed()) await rig.submit(named).catch(() => undefined);
}

async function take(world: World, step: Step): Promise<void> {
  const { rig, names, owners } = world;
  const nameOf = (one: number): string => names[one] ?? '';
  switch (step.do) {
    case 'grant': {
      const dn = userDn(nameOf(step.user));
      const ref = { username: nameOf(step.user), dn, id: rig.fake.tree.at(dn)?.id ?? '' }[step.by];
      return submit(world, {
        kind: 'grant',
        grantId: `g${step.grant}`,
        user: { [step.by]: ref },
        group: { name: `group${step.group}` },
        durationSeconds: step.seconds,
      });
    }
    case 'revoke':
      return submit(world, { kind: 'revoke', grantId: `g${step.grant}` });
    case 'pass':
      return passing(world, step.ms);
    case 'directory':
      return step.up ? rig.fake.goUp() : rig.fake.goDown();
    case 'lose':
      return rig.fake.loseNextAnswer(step.fate);
    case 'refuse':
      return rig.fake.refuseNext(step.fault);
    case 'put in':
      return owners.putIn(userDn(nameOf(step.user)), groupDn(`group${step.group}`));
    case 'take out':
      return owners.takeOut(userDn(nameOf(step.user)), groupDn(`group${step.group}`));
    case 'rename': {
      world.renames += 1;
      const name = `${nameOf(step.user).split('-')[0]}-${world.renames}`;
      owners.rename(userDn(nameOf(step.user)), userDn(name));
      names[step.user] = name;
      return undefined;
    }
    case 're-create':
      owners.delete(userDn(nameOf(step.user)));
      rig.addUser(nameOf(step.user));
      return undefined;
    case 'crash':
      owners.late();
      // It may die again where a step said so, while it starts.
      return rig.restart().catch(() => undefined);
    case 'crash at':
      world.isCrashing = true;
      rig.crashAt(step.point);
      return undefined;
    case 'link':
      if (!step.up) rig.disconnect();
      else if (!rig.isConnected() && !rig.hasCrashed()) await rig.connect().catch(() => undefined);
      return undefined;
    case 'wall':
      return rig.clock.step(step.ms);
    case 'ledger':
      return rig.ledger.failNext(step.method, new LedgerError('no_space', 'the disk is full'));
    default:
      return step satisfies never;
  }
}

/** Lets time pass; a write that takes effect late does so within four seconds. */
async function passing(world: World, ms: number): Promise<void> {
  const { rig, owners } = world;
  let left = ms;
  while (left > 0) {
    const slice = Math.min(left, 3000 - world.sinceLateMs);
    await rig.pass(slice);
    left -= slice;
    world.sinceLateMs += slice;
    if (world.sinceLateMs < 3000) continue;
    owners.late();
    world.sinceLateMs = 0;
  }
}

/** Mends everything, sends again what may not have arrived, and waits until nothing goes on. */
async function quiesce(world: World): Promise<void> {
  const { rig, owners, sent } = world;
  owners.late();
  rig.neverCrash();
  if (rig.hasCrashed()) await rig.start();
  rig.fake.goUp();
  if (!rig.isConnected()) await connected(rig);
  for (const job of sent) while (!(await stored(rig, job))) await rig.pass(1000);
  await passing(world, 5000);
  owners.late();
  for (let round = 0; round < 60 && !isQuiet(rig); round += 1) {
    await passing(world, 10_000);
    // Who was lost behind a full disk is met again by the next connection.
    if (rig.ledger.peek().events.length > 0) {
      rig.disconnect();
      await connected(rig);
    }
  }
}

async function connected(rig: EngineUnderTest): Promise<void> {
  while (!rig.isConnected()) await rig.connect().catch(() => undefined);
}

async function stored(rig: EngineUnderTest, job: Readonly<Record<string, unknown>>): Promise<boolean> {
  return rig.submit(job).then(
    () => true,
    () => false,
  );
}

function isQuiet(rig: EngineUnderTest): boolean {
  const { grants, jobs, intents, events } = rig.ledger.peek();
  return (
    events.length === 0 &&
    [...grants.values()].every(({ state }) => state === 'ended' || state === 'failed') &&
    [...jobs.values()].every(({ result }) => result !== null) &&
    [...intents.values()].every(({ closedAt }) => closedAt !== null)
  );
}

async function judge({ rig, owners, sent }: World): Promise<void> {
  await settled();
  const { grants, periods } = rig.ledger.peek();
  assert.ok(isQuiet(rig), 'something never comes to its end');
  assert.deepEqual([...periods.keys()], [], 'a period outlived its grants');
  assert.deepEqual(owners.leaked(), [], 'leaked');
  assert.deepEqual(owners.wrongs, [], 'stolen, or written without an intent');
  for (const { jobId } of sent) assert.notEqual(rig.outcomeOf(String(jobId)), null, `${String(jobId)} has no outcome`);
  for (const known of grants.values()) {
    const ended = rig.of('grant.ended').filter(({ grant: { grantId } }) => grantId === known.grantId);
    assert.equal(ended.length, known.state === 'ended' ? 1 : 0, `grant.ended of ${known.grantId}, which ${known.state}`);
  }
}
