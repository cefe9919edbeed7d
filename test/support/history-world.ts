import type { Dn } from '../../src/access/dn.ts';
import { formatInstant, later } from '../../src/access/instant.ts';
import { type EngineUnderTest, engineUnderTest } from './engine-under-test.ts';
import { PERSONALITIES } from './fake-servers.ts';
import { type Claims, claims } from './history-claims.ts';
import { type FailingDisk, failingDisk } from './history-ledger.ts';
import { goUp, type Replica } from './history-replica.ts';
import { GROUPS, type History, MAX_GRANT_MS, USERS } from './history-steps.ts';
import { type Told, toldTo } from './history-told.ts';
import type { MemoryLedger } from './memory-ledger.ts';
import { type Owners, watchWrites } from './written-book.ts';

/** An entry of the directory as people know it. */
export interface Known {
  name: string;
  dn: Dn;
  id: string;
  isThere: boolean;
}

/** Everything that a history happens to. */
export interface World {
  readonly rig: EngineUnderTest;
  readonly people: readonly Known[];
  readonly groups: readonly Known[];
  readonly owners: Owners;
  readonly disk: FailingDisk;
  readonly claims: Claims;
  readonly told: Told;
  /** Every job of the control plane, and those that wait for a connection. */
  readonly sent: Readonly<Record<string, unknown>>[];
  undelivered: Readonly<Record<string, unknown>>[];
  backup: MemoryLedger | null;
  replica: Replica | null;
  /** Another server has taken over once, or may. */
  isOneOfSeveral: boolean;
  wasRestored: boolean;
  renames: number;
  /** How long a write that is applied late has waited, at most. */
  sinceLateMs: number;
  isCrashing: boolean;
  /** Where it dies next, while it starts. */
  dyingAgain: Parameters<EngineUnderTest['crashAt']>[0] | null;
  /** When the ledger last failed, or a life began, by the monotonic clock. */
  troubledAtMs: number;
}

const PLACEHOLDER = 'cn=placeholder,dc=example,dc=test';
const BASE = 'dc=example,dc=test';

export const personDn = (name: string, where = 'people'): Dn => `uid=${name},ou=${where},${BASE}` as Dn;
export const groupDn = (name: string, where = 'groups'): Dn => `cn=${name},ou=${where},${BASE}` as Dn;

/** A directory with its people, and an engine that has started on it. The last of the people is in every group. */
export async function newWorld({ server, drift = 'report' }: Pick<History, 'server' | 'drift'>): Promise<World> {
  const personality = PERSONALITIES[server];
  const protectedName = `group${GROUPS - 1}`;
  let world: World | null = null;
  const disk = failingDisk(() => {
    if (world !== null) world.troubledAtMs = world.rig.clock.monotonicMs();
  });
  const judged = claims({ disk, protectedName, placeholder: PLACEHOLDER, linksMembers: personality.refusesUnknown });
  const rig = await engineUnderTest({
    personality,
    watch: judged.watch,
    goneConfirmMs: 10_000,
    maxPendingMs: 60_000,
    drift,
    maxGrantMs: MAX_GRANT_MS,
    protectedGroups: [protectedName],
  });
  judged.begin(rig);
  const people = Array.from({ length: USERS }, (_, i) => addPerson(rig, `user${i}`));
  const keeper = people.at(-1)?.dn ?? '';
  const groups = Array.from({ length: GROUPS }, (_, i) => addGroup(rig, `group${i}`, keeper));
  const owners = watchWrites(rig, {
    referentialIntegrity: personality.referentialIntegrity,
    linksMembers: personality.refusesUnknown,
    placeholder: PLACEHOLDER,
  });
  owners.onTouched(judged.touched);
  rig.fake.goUp();
  await rig.start();
  world = {
    rig,
    people,
    groups,
    owners,
    disk,
    claims: judged,
    told: toldTo(rig),
    sent: [],
    undelivered: [],
    backup: null,
    replica: null,
    isOneOfSeveral: false,
    wasRestored: false,
    renames: 0,
    sinceLateMs: 0,
    isCrashing: false,
    dyingAgain: null,
    troubledAtMs: rig.clock.monotonicMs(),
  };
  return world;
}

export function addPerson(rig: EngineUnderTest, name: string): Known {
  const dn = personDn(name);
  const id = rig.fake.tree.add({ kind: 'user', dn, uids: [name], mails: [`${name}@example.test`] });
  return { name, dn, id, isThere: true };
}

export function addGroup(rig: EngineUnderTest, name: string, keeper: string): Known {
  const dn = groupDn(name);
  return { name, dn, id: rig.fake.tree.add({ kind: 'group', dn, name, attribute: 'member', values: [keeper] }), isThere: true };
}

/** Sends a job, or keeps it until there is a connection, as a control plane does. */
export async function submit(world: World, job: Readonly<Record<string, unknown>>): Promise<void> {
  const named = { jobId: `j${world.sent.length}`, issuedAt: formatInstant(world.rig.now()), ...job };
  world.sent.push(named);
  await deliver(world, named);
}

export async function deliver(world: World, job: Readonly<Record<string, unknown>>): Promise<void> {
  const { rig } = world;
  const isStored =
    rig.isConnected() &&
    (await rig.submit(job).then(
      () => true,
      () => false,
    ));
  if (!isStored) world.undelivered.push(job);
}

/** Opens the connection; what waited for it arrives in the order in which it was sent. */
export async function reconnect(world: World): Promise<void> {
  const { rig } = world;
  if (rig.isConnected() || rig.hasCrashed()) return;
  // A ledger that is an older copy takes a new id, and the link says hello again.
  const answer = await rig.connect().catch(() => null);
  if (answer === 'replaced') {
    rig.disconnect();
    await rig.connect().catch(() => undefined);
  }
  await redeliver(world);
}

/** Sends again what is not stored yet. */
export async function redeliver(world: World): Promise<void> {
  const waiting = world.undelivered;
  world.undelivered = [];
  for (const job of waiting) await deliver(world, job);
}

/** Starts again after a crash; it may die again where a step said so. */
export async function restart(world: World): Promise<void> {
  const { rig } = world;
  world.owners.late();
  if (world.dyingAgain !== null) {
    world.isCrashing = true;
    rig.crashAt(world.dyingAgain);
    world.dyingAgain = null;
  } else world.isCrashing = false;
  world.troubledAtMs = rig.clock.monotonicMs();
  if (rig.fake.directory.status().state === 'up') goUp(world);
  await rig.start({ link: false }).catch(() => undefined);
  await reconnect(world);
}

/** Lets time pass; a write that takes effect late does so within four seconds. */
export async function passing(world: World, ms: number): Promise<void> {
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

export function endsAt(world: World, ms: number): string {
  return formatInstant(later(world.rig.now(), ms));
}
