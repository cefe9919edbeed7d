import type { FailPoints } from '../access/fail-point.ts';
import { batchLength, batchLimits, halves } from './batch.ts';
import { type ChangeAnswer, type Directory, DirectoryError, type MembershipChange } from './directory.ts';
import type { Turn } from './gathering.ts';

export interface ChangeLanesOptions {
  readonly directory: Pick<Directory, 'change'>;
  readonly failPoints: FailPoints;
  readonly turn: Turn;
}

/** Groups that are changed at the same time: more would only queue in the server, which has one writer. */
const LANES_AT_ONCE = 12;

interface Asked {
  readonly change: MembershipChange;
  readonly probed: readonly string[];
  readonly resolve: (answer: ChangeAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** `swap`: values go in and out in one modify, such as a placeholder and a member; never put together with others. */
type Kind = 'remove' | 'add' | 'swap';

/**
 * Puts changes that are due for one group into one modify. Each group has a lane with one modify in flight, and what is
 * asked meanwhile goes into the next. A modify is atomic: one that was refused changed nothing, which value was to blame is
 * not guessed, and what a probe does not show as it should be is sent again in smaller parts, down to single changes, of
 * which each gets its own answer. One whose answer was lost is unknown to each that was in it.
 *
 * Bounded by its callers, of whom each waits for one answer.
 */
export function changeLanes({ directory, failPoints, turn }: ChangeLanesOptions): Directory['change'] {
  const lanes = new Map<string, Asked[]>();
  const limits = batchLimits();
  const toBegin: string[] = [];
  let running = 0;

  function beginLanes(): void {
    while (running < LANES_AT_ONCE) {
      const group = nextGroup();
      if (group === undefined) return;
      running += 1;
      void runLane(group).finally(() => {
        running -= 1;
        beginLanes();
      });
    }
  }

  /** Lanes wait in order, but one that somebody is to leave by goes before those that are only joined. */
  function nextGroup(): string | undefined {
    const leaving = toBegin.findIndex((group) => lanes.get(group)?.some(({ change }) => change.remove.length > 0));
    return toBegin.splice(Math.max(0, leaving), 1)[0];
  }

  /** One modify of the group, or what it was split into; then the lane goes behind the others that wait. */
  async function runLane(group: string): Promise<void> {
    await turn();
    const lane = lanes.get(group) ?? [];
    const batch = takeBatch(lane, limits.most(group));
    await send(batch).catch((error: unknown) => {
      for (const { reject } of batch) reject(error);
    });
    if (lane.length === 0) lanes.delete(group);
    else toBegin.push(group);
  }

  async function send(batch: readonly Asked[]): Promise<void> {
    const [first, ...others] = batch;
    if (first === undefined) return;
    const answer = await sendOne(batch, first.change);
    const answers = apart(batch, answer);
    if (answer.result === 'ok' || others.length === 0) {
      for (const { asked, own } of answers) asked.resolve(own);
      return;
    }
    failPoints('batch.refused');
    const open: Asked[] = [];
    for (const { asked, own } of answers) {
      // Somebody else has seen to it, and the modify that was refused is its own as much as anybody's.
      if (own.presences.every((presence) => presence === wanted(asked))) asked.resolve(own);
      else open.push(asked);
    }
    for (const [index, part] of (open.length < batch.length ? [open] : halves(open)).entries()) {
      if (index > 0) failPoints('batch.split');
      await sendPart(part);
    }
  }

  async function sendOne(batch: readonly Asked[], { group, attribute }: MembershipChange): Promise<ChangeAnswer> {
    const add = batch.flatMap(({ change }) => change.add);
    const remove = batch.flatMap(({ change }) => change.remove);
    const probed = batch.flatMap((asked) => asked.probed);
    try {
      const answer = await directory.change({ group, attribute, add, remove }, probed);
      limits.answered(group, add.length + remove.length);
      return answer;
    } catch (error) {
      // What was never sent was not too much.
      if (!(error instanceof DirectoryError) || error.sent) limits.unanswered(group, add.length + remove.length);
      throw error;
    }
  }

  /** A part that fails concerns nobody else: the others are sent all the same. */
  async function sendPart(part: readonly Asked[]): Promise<void> {
    try {
      await send(part);
    } catch (error) {
      for (const { reject } of part) reject(error);
    }
  }

  return (change, probed) =>
    new Promise<ChangeAnswer>((resolve, reject) => {
      const lane = lanes.get(change.group);
      const asked = { change, probed, resolve, reject };
      if (lane !== undefined) {
        lane.push(asked);
        return;
      }
      lanes.set(change.group, [asked]);
      toBegin.push(change.group);
      beginLanes();
    });
}

function kindOf({ add, remove }: MembershipChange): Kind {
  if (add.length === 0) return 'remove';
  return remove.length === 0 ? 'add' : 'swap';
}

function wanted({ change }: Asked): 'member' | 'absent' {
  return kindOf(change) === 'add' ? 'member' : 'absent';
}

/** Takes out what goes into the next modify: whatever takes access away goes first. */
function takeBatch(lane: Asked[], most: number): readonly Asked[] {
  const first = lane.find(({ change }) => kindOf(change) === 'remove') ?? lane[0];
  if (first === undefined) return [];
  const kind = kindOf(first.change);
  const isAlike = ({ change }: Asked) => kindOf(change) === kind && change.attribute === first.change.attribute;
  const alike = kind === 'swap' ? [first] : lane.filter(isAlike);
  const batch = alike.slice(0, batchLength(alike, { valuesOf: ({ change }) => [...change.add, ...change.remove], most }));
  const taken = new Set(batch);
  lane.splice(0, lane.length, ...lane.filter((asked) => !taken.has(asked)));
  return batch;
}

/** To each what was probed for it. */
function apart(batch: readonly Asked[], answer: ChangeAnswer): readonly { asked: Asked; own: ChangeAnswer }[] {
  let at = 0;
  return batch.map((asked) => {
    const presences = answer.presences.slice(at, at + asked.probed.length);
    at += asked.probed.length;
    return { asked, own: { ...answer, presences } };
  });
}
