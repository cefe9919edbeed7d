import type { Dn } from '../../src/access/dn.ts';
import { aged, failOver, goUp, lag } from './history-replica.ts';
import { type Step, USERS } from './history-steps.ts';
import {
  addGroup,
  addPerson,
  deliver,
  endsAt,
  groupDn,
  type Known,
  passing,
  personDn,
  reconnect,
  submit,
  type World,
} from './history-world.ts';

type Of<K extends Step['do']> = Extract<Step, { do: K }>;

/** Lets one step happen. */
export async function take(world: World, step: Step): Promise<void> {
  const { rig, owners, disk } = world;
  aged(world, step);
  switch (step.do) {
    case 'grant':
      return submit(world, grantJob(world, step));
    case 'crowd':
      return crowd(world, step);
    case 'revoke':
      return submit(world, { kind: 'revoke', grantId: `g${step.grant}` });
    case 'again':
      return again(world, step);
    case 'ask':
      return submit(world, { kind: step.kind });
    case 'pass':
      return passing(world, step.ms);
    case 'suspend':
      // The directory is not suspended.
      owners.late();
      if (step.monotonic === 'stops') rig.clock.step(step.ms);
      else rig.clock.advance(step.ms);
      // Timers fire as it wakes, all at once; what they begin takes its turn.
      world.troubledAtMs = rig.clock.monotonicMs();
      return undefined;
    case 'wall':
      return rig.clock.step(step.ms);
    case 'directory':
      return step.up ? goUp(world) : rig.fake.goDown();
    case 'lag':
      return lag(world);
    case 'fail over':
      return failOver(world);
    case 'lose':
      return rig.fake.loseNextAnswer(step.fate);
    case 'refuse':
      return rig.fake.refuseNext(step.fault);
    case 'late':
      return owners.late();
    case 'put in':
      return owners.putIn(person(world, step.user).dn, group(world, step.group).dn);
    case 'take out':
      return owners.takeOut(person(world, step.user).dn, group(world, step.group).dn);
    case 'rename':
    case 're-create':
    case 'delete':
    case 'move':
      return changePerson(world, step);
    case 'rename group':
    case 're-create group':
    case 'delete group':
    case 'move group':
      return changeGroup(world, step);
    case 'crash':
      rig.crash();
      return undefined;
    case 'crash at':
      world.isCrashing = true;
      world.dyingAgain = step.next ?? null;
      rig.crashAt(step.point);
      return undefined;
    case 'link':
      if (step.up) return reconnect(world);
      return rig.disconnect();
    case 'ledger':
      return disk.failNext(step.method);
    case 'disk':
      return disk.has(step.room);
    case 'backup':
      world.backup = rig.backup();
      return undefined;
    case 'restore':
      return restore(world);
    case 'suspect':
      return suspect(world);
    default:
      return step satisfies never;
  }
}

/** What a sync read may be older than the grant, so that any of them may be suspected. */
function suspect({ rig }: World): void {
  const active = [...rig.ledger.peek().grants.values()].filter(({ state }) => state === 'active');
  if (!rig.hasCrashed()) rig.engine.suspect(active.map(({ grantId }) => grantId));
}

const person = ({ people }: World, number: number): Known => known(people[number]);
const group = ({ groups }: World, number: number): Known => known(groups[number]);

function known(one: Known | undefined): Known {
  if (one === undefined) throw new Error('a step names nobody');
  return one;
}

function grantJob(world: World, { grant, user, group: number, seconds, by, fixed = false, withinMs }: Of<'grant'>) {
  const { name, dn, id } = person(world, user);
  return {
    kind: 'grant',
    grantId: `g${grant}`,
    user: { [by]: { username: name, dn, id }[by] },
    // By ids alone, a shorter end needs no directory.
    group: by === 'id' ? { id: group(world, number).id } : { name: group(world, number).name },
    ...(fixed ? { expiresAt: endsAt(world, seconds * 1000) } : { durationSeconds: seconds }),
    ...(withinMs === undefined ? {} : { notAfter: endsAt(world, withinMs) }),
  };
}

async function crowd(world: World, { group: number, users, seconds }: Of<'crowd'>): Promise<void> {
  const expiresAt = endsAt(world, seconds * 1000);
  for (let i = 0; i < Math.min(users, USERS); i += 1) {
    await submit(world, {
      kind: 'grant',
      grantId: `c${world.sent.length}`,
      user: { id: person(world, i).id },
      group: { name: group(world, number).name },
      expiresAt,
    });
  }
}

async function again(world: World, { job, changed }: Of<'again'>): Promise<void> {
  const earlier = world.sent[job];
  if (earlier === undefined || world.undelivered.includes(earlier) || !world.rig.isConnected()) return;
  // What is sent as another job under a known id is refused; nobody waits for its outcome.
  if (!changed) return deliver(world, earlier);
  if (!world.rig.ledger.peek().jobs.has(String(earlier['jobId']) as never)) return;
  await world.rig
    .submit({ ...earlier, kind: 'revoke', grantId: `g${job % 5}`, reason: 'another content' })
    .catch(() => undefined);
}

function changePerson(world: World, step: Of<'rename' | 're-create' | 'delete' | 'move'>): void {
  const { rig, owners } = world;
  const one = person(world, step.user);
  world.claims.forgetSeen();
  if (step.do === 're-create') {
    if (one.isThere) owners.delete(one.dn);
    // At the very name that the one before had, wherever that was within the scope.
    Object.assign(one, addPerson(rig, one.name));
    return;
  }
  if (!one.isThere) return;
  if (step.do === 'delete') {
    owners.delete(one.dn);
    one.isThere = false;
    return;
  }
  if (step.do === 'move') return renamed(world, one, personDn(one.name, one.dn === personDn(one.name) ? 'elsewhere' : 'people'));
  world.renames += 1;
  one.name = `${one.name.split('-')[0]}-${world.renames}`;
  renamed(world, one, personDn(one.name));
  const entry = rig.fake.tree.at(one.dn);
  if (entry?.kind === 'user') entry.uids = [one.name];
}

function changeGroup(world: World, step: Of<'rename group' | 're-create group' | 'delete group' | 'move group'>): void {
  const { rig, owners } = world;
  const one = group(world, step.group);
  const keeper = person(world, USERS - 1).dn;
  world.claims.forgetSeen();
  if (step.do === 're-create group') {
    if (one.isThere) owners.delete(one.dn);
    Object.assign(one, addGroup(rig, one.name, keeper));
    return;
  }
  if (!one.isThere) return;
  if (step.do === 'delete group') {
    owners.delete(one.dn);
    one.isThere = false;
    return;
  }
  if (step.do === 'move group')
    return renamed(world, one, groupDn(one.name, one.dn === groupDn(one.name) ? 'elsewhere' : 'groups'));
  world.renames += 1;
  one.name = `${one.name.split('-')[0]}-${world.renames}`;
  renamed(world, one, groupDn(one.name));
  const entry = rig.fake.tree.group(one.dn);
  if (entry !== null) entry.name = one.name;
}

function renamed({ owners }: World, one: Known, to: Dn): void {
  owners.rename(one.dn, to);
  one.dn = to;
}

/** The ledger as it was when it was copied is found at the next start. */
function restore(world: World): void {
  const { rig, backup } = world;
  if (backup === null) return;
  world.backup = null;
  world.wasRestored = true;
  // Nor of what a server that takes over brings back.
  world.replica = null;
  // What an older copy cannot know of must not take effect when nobody looks for it any more.
  world.owners.late();
  rig.restore(backup);
  world.told.restored();
  world.owners.restored();
}
