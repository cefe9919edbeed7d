import type { Step } from './history-steps.ts';
import type { World } from './history-world.ts';

/** What a second server of the directory has. */
export interface Replica {
  /** Makes it what the directory has. */
  takeOver(): void;
  /** How much trusted time may have gone since. */
  ageMs: number;
}

/** Replication that lags for longer is a fault of its own, which nobody looks for. */
const LOOK_BACK_MS = 15 * 60 * 1000;

/** From now on the second server hears of nothing. */
export function lag(world: World): void {
  const { rig, owners, people, groups } = world;
  const [tree, book] = [rig.fake.tree.copy(), owners.copy()];
  const known = [...people, ...groups].map((one) => ({ one, copied: { ...one } }));
  world.isOneOfSeveral = true;
  world.replica = {
    ageMs: 0,
    takeOver() {
      tree();
      for (const { one, copied } of known) Object.assign(one, copied);
      book();
    },
  };
}

/** The clock may come to believe each of its moves. */
export function aged({ replica }: World, step: Step): void {
  if (replica !== null && (step.do === 'pass' || step.do === 'suspend' || step.do === 'wall')) replica.ageMs += Math.abs(step.ms);
}

/** The server that is asked is lost; what only that one had is lost with it. */
export function failOver(world: World): void {
  const { rig, replica, claims } = world;
  rig.fake.goDown();
  world.isOneOfSeveral = true;
  world.replica = null;
  if (replica !== null && replica.ageMs < LOOK_BACK_MS) replica.takeOver();
  claims.forgetSeen();
  rig.fake.failOver();
  goUp(world);
}

/** The directory can be reached; the connector asks which server that is, and doubts what it wrote on another. */
export function goUp(world: World): void {
  const { fake, ledger } = world.rig;
  if (ledger.peek().server.name !== fake.server()) world.owners.doubt();
  fake.goUp();
}
