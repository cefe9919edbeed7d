import { setImmediate as endOfTurn } from 'node:timers/promises';
import type { FailPoints } from '../access/fail-point.ts';
import type { EntryId } from '../access/ids.ts';
import type { Presence } from '../access/membership.ts';
import type { EntryRef, GroupRef } from '../access/reference.ts';
import { changeLanes } from './change-lanes.ts';
import {
  type Directory,
  DirectoryError,
  type GroupEntry,
  type ProbedValues,
  type Protector,
  type ProtectorAsked,
  type Resolution,
  type UserEntry,
} from './directory.ts';
import { gathering, type Turn } from './gathering.ts';

/** Ids in one search: their filter stays small, and the answer far below what any server gives. */
const MOST_IDS = 100;

/** Requests with the same key that wait at a time: one that hangs keeps nobody waiting who asks later. */
const AT_ONCE = 4;

/** Whom a reference to a group means, and the group that it may name wherever that now is. */
interface GroupQuestion {
  readonly ref: GroupRef;
  readonly own: EntryRef | null;
}

export interface GatheredDirectoryOptions {
  readonly directory: Directory;
  readonly failPoints: FailPoints;
  /** Until when what is asked for together is gathered; for tests on fakes, which know no turns. */
  readonly turn?: Turn;
}

/**
 * The same directory, asked with fewer requests: what is asked for at one time about one group goes into one modify, one
 * probe or one look-up, and users are located together. Nothing is answered from memory, and nobody gets an answer to a request
 * that was sent before the question.
 */
export function gatheredDirectory(options: GatheredDirectoryOptions): Directory {
  const { directory, failPoints, turn = nextTurn } = options;
  const probe = gathering<ProbedValues, readonly Presence[]>({
    ask: async (questions, signal) => await probeTogether(directory, questions, signal),
    keyOf: ({ group, attribute, likely }) => `${attribute} ${likely ?? ''} ${group}`,
    valuesOf: ({ values }) => values,
    most: Number.POSITIVE_INFINITY,
    atOnce: AT_ONCE,
    turn,
  });
  const locateUser = gathering<EntryId, UserEntry | null>({
    ask: async (ids, signal) => {
      const [only, ...others] = ids;
      if (only !== undefined && others.length === 0) return [await directory.locateUser(only, signal)];
      return await directory.locateUsers(ids, signal);
    },
    keyOf: () => '',
    valuesOf: (id) => [id],
    most: MOST_IDS,
    atOnce: AT_ONCE,
    turn,
  });
  const findGroup = alike<GroupQuestion, Resolution<GroupEntry>>({
    ask: async ({ ref, own }, signal) => await directory.findGroup(ref, own, signal),
    keyOf: ({ ref, own }) => JSON.stringify([ref, own]),
    turn,
  });
  const locateGroup = alike<EntryId, GroupEntry | null>({
    ask: async (id, signal) => await directory.locateGroup(id, signal),
    keyOf: (id) => id,
    turn,
  });
  // Who is protected is the same for all who ask of one group at one time.
  const protectorOf = alike<ProtectorAsked, Protector | null>({
    ask: async (asked, signal) => await directory.protectorOf(asked, signal),
    keyOf: ({ group }) => `${group.id} ${group.dn}`,
    turn,
  });
  return {
    ...directory,
    protectorOf,
    findGroup: (ref, own, signal) => findGroup({ ref, own }, signal),
    probe,
    locateUser,
    locateGroup,
    change: changeLanes({ directory, failPoints, turn }),
  };
}

/** The same question, whoever asks it in one turn, is one request. */
function alike<Question, Answer>({
  ask,
  keyOf,
  turn,
}: {
  ask: (question: Question, signal: AbortSignal) => Promise<Answer>;
  keyOf: (question: Question) => string;
  turn: Turn;
}): (question: Question, signal: AbortSignal) => Promise<Answer> {
  const gathered = gathering<Question, Answer | DirectoryError>({
    async ask(questions, signal) {
      const [first] = questions;
      if (first === undefined) return [];
      // A refusal is of the question, and no fewer askers would make it another.
      const answer = await ask(first, signal).catch((error: unknown) => {
        if (error instanceof DirectoryError) return error;
        throw error;
      });
      return questions.map(() => answer);
    },
    keyOf,
    valuesOf: () => [],
    most: Number.POSITIVE_INFINITY,
    // All of a turn are one request, so there are few.
    atOnce: Number.POSITIVE_INFINITY,
    turn,
  });
  return async (question, signal) => {
    const answer = await gathered(question, signal);
    if (answer instanceof DirectoryError) throw answer;
    return answer;
  };
}

async function nextTurn(): Promise<void> {
  await endOfTurn();
}

async function probeTogether(
  directory: Directory,
  questions: readonly ProbedValues[],
  signal: AbortSignal,
): Promise<readonly (readonly Presence[])[]> {
  const [first, ...others] = questions;
  if (first === undefined) return [];
  if (others.length === 0) return [await directory.probe(first, signal)];
  const presences = await directory.probe({ ...first, values: questions.flatMap(({ values }) => values) }, signal);
  let at = 0;
  return questions.map(({ values }) => {
    const own = presences.slice(at, at + values.length);
    at += values.length;
    return own;
  });
}
