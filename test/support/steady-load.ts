import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { IndependentCheck, Posted } from './independent-check.ts';
import { seeded } from './seeded.ts';
import type { System } from './system.ts';

const HOLDS = ['granted', 'already_standing', 'covered_by_grant'];
const OVER = ['grant_conflict', 'grant_revoked'];
const REVOKES = ['revoked', 'kept_standing', 'kept_by_grant', 'already_ended', 'already_absent'];

/** How many grants are remembered for extensions, revokes and repetitions. */
const REMEMBERED = 60;

interface Asked {
  readonly grantId: string;
  readonly fields: Readonly<Record<string, unknown>>;
  /** The last grant job of it: the next one may be sent once this was received. */
  last: Posted;
}

/** Of `GET /jobs/ID`. */
interface JobView {
  readonly receivedAt: string | null;
  readonly results: readonly { readonly kind: string }[];
}

export interface LoadOptions {
  readonly check: IndependentCheck;
  readonly seed: number;
  /** Default 5, 20 and 10. */
  readonly jobsPerSecond?: number;
  readonly people?: number;
  readonly groups?: number;
}

/** The groups `load-01` … of a load, as LDIF; of three kinds, each with standing members, some of whom are asked about. */
export function loadGroups({ people = 20, groups = 10 }: { people?: number; groups?: number } = {}): string {
  return Array.from({ length: groups }, (_, index) => groupLdif(index, people)).join('');
}

const BASE = 'dc=example,dc=test';

function groupLdif(index: number, people: number): string {
  const cn = loadGroup(index);
  const standing = ['amara', loadPerson(index % people)];
  const head = `dn: cn=${cn},ou=groups,${BASE}\ncn: ${cn}\n`;
  if (index % 10 === 8)
    return `${head}objectClass: posixGroup\ngidNumber: ${32_000 + index}\n${standing.map((uid) => `memberUid: ${uid}\n`).join('')}\n`;
  const [objectClass, attribute] = index % 10 === 7 ? ['groupOfUniqueNames', 'uniqueMember'] : ['groupOfNames', 'member'];
  const values = standing.map((uid) => `${attribute}: uid=${uid},ou=people,${BASE}\n`).join('');
  return `${head}objectClass: ${objectClass}\n${values}\n`;
}

const loadGroup = (index: number): string => `load-${String(index + 1).padStart(2, '0')}`;
const loadPerson = (index: number): string => `u${String(index + 1).padStart(4, '0')}`;

/**
 * Jobs at a steady rate over people `u0001` … and the groups of `loadGroups`: short grants, overlaps, extensions, early
 * revokes and repetitions, chosen by the seed. It talks to the control plane only, so the connector may die under it. Every
 * job goes into the checker's `posted`, with the answers that are right for it.
 */
export function steadyLoad(s: System, { check, seed, jobsPerSecond = 5, people = 20, groups = 10 }: LoadOptions) {
  const random = seeded(seed);
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)];
  const under = (count: number): number => Math.floor(random() * count);
  const asked: Asked[] = [];
  let timer: NodeJS.Timeout | undefined;
  let posting: Promise<void> = Promise.resolve();
  const failures: unknown[] = [];
  let due = 0;

  async function post(fields: Readonly<Record<string, unknown>>, allowed: readonly string[]): Promise<Posted> {
    const job = { jobId: randomUUID(), issuedAt: new Date().toISOString(), ...fields };
    const posted: Posted = { jobId: job.jobId, job, allowed, repeats: 0 };
    check.posted.push(posted);
    await s.job(job);
    return posted;
  }

  async function newGrant(place?: Readonly<Record<string, unknown>>): Promise<void> {
    const where = place ?? { user: { username: loadPerson(under(people)) }, group: { name: loadGroup(under(groups)) } };
    const grantId = randomUUID();
    const fields = { kind: 'grant', grantId, ...where };
    // A revoke may overtake it before it is written.
    const last = await post({ ...fields, durationSeconds: 1 + under(8) }, [...HOLDS, 'grant_revoked']);
    asked.push({ grantId, fields, last });
    if (asked.length > REMEMBERED) asked.shift();
  }

  async function extend(one: Asked): Promise<void> {
    const { receivedAt } = await s.api<{ receivedAt: string | null }>(`/jobs/${one.last.jobId}`);
    // The next grant job of a grant is sent only after the one before was received (PROTOCOL, Jobs).
    if (receivedAt === null) return newGrant();
    one.last = await post({ ...one.fields, durationSeconds: 2 + under(12) }, [...HOLDS, ...OVER, 'updated']);
  }

  async function repeat(one: Asked): Promise<void> {
    const { receivedAt, results } = await s.api<JobView>(`/jobs/${one.last.jobId}`);
    // While the connector is away, a job that is posted twice is one that is sent once.
    if (receivedAt === null) return;
    // The answer to the one before says to the control plane that this one was received too, and then it is not sent again.
    const answers = results.filter(({ kind }) => kind !== 'job.delayed').length;
    if (answers > one.last.repeats) one.last.repeats += 1;
    await s.job(one.last.job);
  }

  async function next(): Promise<void> {
    const one = pick(asked);
    const roll = random();
    if (one === undefined || roll < 0.5) return newGrant();
    if (roll < 0.62) return extend(one);
    if (roll < 0.8) {
      await post({ kind: 'revoke', grantId: one.grantId }, REVOKES);
      return;
    }
    if (roll < 0.9) return repeat(one);
    const { user, group } = one.fields;
    return newGrant({ user, group });
  }

  async function postAfter(before: Promise<void>): Promise<void> {
    await before;
    try {
      await next();
    } catch (error) {
      failures.push(error);
    }
  }

  return {
    seed,
    /** How many jobs were due so far. */
    count: () => due,
    start(): void {
      if (timer !== undefined) return;
      timer = setInterval(() => {
        posting = postAfter(posting);
        due += 1;
      }, 1000 / jobsPerSecond);
    },
    /** Sends nothing more; resolves when what was begun is posted. Rejects where a job could not be posted. */
    async stop(): Promise<void> {
      clearInterval(timer);
      timer = undefined;
      await posting;
      assert.deepEqual(failures, [], 'jobs that could not be posted');
    },
  };
}

export type SteadyLoad = ReturnType<typeof steadyLoad>;
