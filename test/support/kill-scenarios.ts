import { randomUUID } from 'node:crypto';
import type { FailPoint } from '../../src/access/fail-point.ts';
import type { Posted } from './independent-check.ts';
import { receipt, type Stage } from './kill-stage.ts';
import { granted } from './survival.ts';
import { byHand } from './told.ts';

/** What is done before the place to die at is told, what is done then, and what once the connector runs again. */
interface Acts {
  act(): Promise<unknown>;
  /** Before the connector is started again. */
  meanwhile?(): Promise<unknown>;
}

export interface Scenario {
  readonly title: string;
  /** Where it is killed, each in a case of its own. Written `point:n` for the n-th passing. */
  readonly points: readonly (FailPoint | `${FailPoint}:${number}`)[];
  /** Where it was killed before already, so that the points are passed by the start that follows. */
  readonly after?: FailPoint;
  /** What it passes is passed only where the schema demands a member of each group of names. */
  readonly demandsMember?: true;
  arrange(stage: Stage): Promise<Acts>;
}

const INTAKE = ['job.received', 'job.stored', 'job.received.sent'] as const;
const TELLING = ['event.sent', 'event.acknowledged'] as const;
const WRITING = [
  'grant.probed-before',
  'grant.intent-stored',
  'grant.modify-answered',
  'grant.probed-after',
  'grant.claimed',
] as const;
const REMOVING = [
  'end.located',
  'end.probed-before',
  'end.intent-stored',
  'end.modify-answered',
  'end.probed-after',
  'end.claimed',
] as const;

const HOLDS = ['granted', 'already_standing', 'covered_by_grant'];

const wanted = (uid: string, cn: string, durationSeconds = 600) => ({
  kind: 'grant',
  grantId: randomUUID(),
  user: { username: uid },
  group: { name: cn },
  durationSeconds,
});

async function held({ s }: Stage, uid: string, cn: string, durationSeconds = 600): Promise<string> {
  return (await granted(s, { user: { username: uid }, group: { name: cn }, durationSeconds })).grantId;
}

const revoke = ({ post }: Stage, grantId: string): Promise<Posted> =>
  post({ kind: 'revoke', grantId }, 'revoked', 'already_ended');

/** A group in which nobody is but who was granted: its administrator went, so that the schema demands the last one. */
async function groupOfOurs(stage: Stage, ...uids: readonly string[]): Promise<{ cn: string; grantIds: string[] }> {
  const cn = await stage.group('amara');
  const grantIds: string[] = [];
  for (const uid of uids) grantIds.push(await held(stage, uid, cn));
  const { s, check } = stage;
  await byHand(s, { group: s.group(cn), delete: s.person('amara') });
  check.byHand({ group: s.group(cn), remove: s.person('amara') });
  return { cn, grantIds };
}

/** Every named place, with what passes it. */
export const SCENARIOS: readonly Scenario[] = [
  {
    title: 'a grant',
    points: [...INTAKE, 'grant.pending-stored', 'grant.resolved', ...WRITING, ...TELLING],
    arrange: async ({ post, person, group }) => {
      const job = wanted(person(), await group('amara'));
      return { act: () => post(job, 'granted') };
    },
  },
  {
    title: 'a grant of standing access',
    points: ['grant.held-already', 'grant.claimed', ...TELLING],
    arrange: async ({ post, person, group }) => {
      const uid = person();
      const job = wanted(uid, await group('amara', uid));
      return { act: () => post(job, 'already_standing') };
    },
  },
  {
    title: 'a grant of what another grant holds',
    points: ['grant.held-already', 'grant.claimed'],
    arrange: async (stage) => {
      const uid = stage.person();
      const cn = await stage.group('amara');
      await held(stage, uid, cn);
      return { act: () => stage.post(wanted(uid, cn), 'covered_by_grant') };
    },
  },
  {
    title: 'a grant to nobody',
    points: ['grant.failed', ...TELLING],
    arrange: async ({ post, group }) => {
      const job = wanted('nobody-of-that-name', await group('amara'));
      return { act: () => post(job, 'user_not_found') };
    },
  },
  {
    title: 'a grant under an id that was used',
    points: ['job.refusal-stored', ...TELLING],
    arrange: async (stage) => {
      const job = wanted(stage.person(), await stage.group('amara'));
      const first = await stage.post(job, 'granted');
      await stage.s.outcome(first.jobId);
      const end = await revoke(stage, job.grantId);
      await stage.s.outcome(end.jobId);
      return { act: () => stage.post(job, 'grant_revoked') };
    },
  },
  {
    title: 'an extension',
    points: [
      ...INTAKE,
      'update.stored',
      'grant.probed-before',
      'grant.held-already',
      'grant.claimed',
      'update.claimed',
      ...TELLING,
    ],
    arrange: async ({ s, post, person, group }) => {
      const job = wanted(person(), await group('amara'));
      await s.outcome((await post(job, 'granted')).jobId);
      return { act: () => post({ ...job, durationSeconds: 900 }, 'updated') };
    },
  },
  {
    title: 'an extension that puts back what was taken out',
    points: ['update.stored', ...WRITING, 'update.claimed'],
    arrange: async ({ s, post, person, group }) => {
      const uid = person();
      const cn = await group('amara');
      const job = wanted(uid, cn);
      await s.outcome((await post(job, 'granted')).jobId);
      await byHand(s, { group: s.group(cn), delete: s.person(uid) });
      return { act: () => post({ ...job, durationSeconds: 900 }, 'updated') };
    },
  },
  {
    title: 'a revoke',
    points: [...INTAKE, 'end.stored', ...REMOVING, ...TELLING],
    arrange: async (stage) => {
      const grantId = await held(stage, stage.person(), await stage.group('amara'));
      return { act: () => revoke(stage, grantId) };
    },
  },
  {
    title: 'a revoke that came before its grant',
    points: ['revoke.remembered', ...TELLING],
    arrange: async ({ post, person, group }) => {
      const job = wanted(person(), await group('amara'));
      return {
        act: () => post({ kind: 'revoke', grantId: job.grantId }, 'already_absent'),
        meanwhile: () => post(job, 'grant_revoked'),
      };
    },
  },
  {
    title: 'a revoke of a grant that still waits',
    points: ['revoke.attached'],
    arrange: async ({ s, post, person, group }) => {
      const job = wanted(person(), await group('amara'));
      return {
        act: async () => {
          await s.ldap.kill('SIGSTOP');
          const first = await post(job, 'grant_revoked', ...HOLDS);
          await receipt(s, first.jobId);
          await post({ kind: 'revoke', grantId: job.grantId }, 'revoked');
        },
        meanwhile: () => s.ldap.kill('SIGCONT'),
      };
    },
  },
  {
    title: 'an expiry',
    points: ['end.stored', ...REMOVING, ...TELLING],
    arrange: async ({ s, post, person, group }) => {
      const job = wanted(person(), await group('amara'), 2);
      await s.outcome((await post(job, 'granted')).jobId);
      return { act: () => Promise.resolve() };
    },
  },
  {
    title: 'endings of several in one group, refused together',
    demandsMember: true,
    points: ['batch.refused', 'batch.split', 'end.intent-stored:2', 'end.modify-answered', 'end.probed-after', 'end.claimed'],
    arrange: async (stage) => {
      const { grantIds } = await groupOfOurs(stage, stage.person(), stage.person(), stage.person());
      return {
        // All at once, as they wait for a directory that returns.
        act: async () => {
          await stage.s.ldap.kill('SIGTERM');
          const revokes = await Promise.all(grantIds.map((grantId) => revoke(stage, grantId)));
          await Promise.all(revokes.map(({ jobId }) => receipt(stage.s, jobId)));
          await stage.s.ldap.start();
        },
      };
    },
  },
  {
    title: 'the end of the last member of a group',
    demandsMember: true,
    points: [
      'placeholder.demanded',
      'end.intent-stored:2',
      'end.modify-answered:2',
      'placeholder.placed',
      'end.probed-after:2',
      'end.claimed',
    ],
    arrange: async (stage) => {
      const { grantIds } = await groupOfOurs(stage, stage.person());
      return { act: () => Promise.all(grantIds.map((grantId) => revoke(stage, grantId))) };
    },
  },
  {
    title: 'a grant that takes the place of a placeholder',
    demandsMember: true,
    points: ['grant.intent-stored', 'grant.modify-answered', 'placeholder.left', 'grant.probed-after', 'grant.claimed'],
    arrange: async (stage) => {
      const { cn, grantIds } = await groupOfOurs(stage, stage.person());
      for (const grantId of grantIds) await stage.s.outcome((await revoke(stage, grantId)).jobId);
      return { act: () => stage.post(wanted(stage.person(), cn), 'granted') };
    },
  },
  {
    title: 'the end of somebody who is gone',
    points: ['gone.sighted', 'gone.proven', 'end.claimed'],
    arrange: async (stage) => {
      const { s, check } = stage;
      const uid = stage.person();
      const cn = await stage.group('amara');
      const grantId = await held(stage, uid, cn);
      await s.ldap.modify(`dn: ${s.person(uid)}\nchangetype: delete\n`);
      // There a member is a link to the entry, and goes with it.
      if (s.ldap.flavour === 'active-directory') check.byHand({ group: s.group(cn), remove: s.person(uid) });
      return { act: () => stage.post({ kind: 'revoke', grantId }, 'revoked', 'already_ended', 'already_absent') };
    },
  },
  {
    title: 'a start that takes up a grant which was written',
    after: 'grant.modify-answered',
    points: atStart(['recovery.located', 'recovery.probed', 'recovery.claiming', 'grant.claimed']),
    arrange: async ({ post, person, group }) => {
      const job = wanted(person(), await group('amara'));
      return { act: () => post(job, 'granted') };
    },
  },
  {
    title: 'a start that takes up a grant which was not written',
    after: 'grant.intent-stored',
    points: atStart(['recovery.located', 'recovery.probed', ...WRITING]),
    arrange: async ({ post, person, group }) => {
      const job = wanted(person(), await group('amara'));
      return { act: () => post(job, 'granted') };
    },
  },
  {
    title: 'a start that takes up an ending',
    after: 'end.modify-answered',
    points: atStart(['end.located', 'end.probed-before', 'end.claimed', ...TELLING]),
    arrange: async (stage) => {
      const grantId = await held(stage, stage.person(), await stage.group('amara'));
      return { act: () => revoke(stage, grantId) };
    },
  },
  {
    title: 'a stop in the middle of a grant',
    points: ['stop.begun', 'stop.drained'],
    arrange: async ({ s, post, person, group }) => {
      const job = wanted(person(), await group('amara'));
      return {
        act: async () => {
          const { jobId } = await post(job, 'granted');
          await receipt(s, jobId);
          s.connector()?.signal('SIGTERM');
        },
      };
    },
  },
];

function atStart(others: readonly FailPoint[]): readonly FailPoint[] {
  return ['recovery.found', 'recovery.expiry-started', 'recovery.taken-up', 'link.welcomed', ...others];
}
