import type { LiveGrant } from '../access/grant.ts';
import type { GrantId, JobId } from '../access/ids.ts';
import type { ListJob } from '../access/job.ts';
import type { StoredJob } from '../ledger/ledger.ts';
import { aboutJob } from './claim-membership.ts';
import { attemptEnding } from './end-membership.ts';
import type { EngineParts } from './engine-parts.ts';
import { attemptGrant } from './grant-membership.ts';
import type { Outbox } from './outbox.ts';
import type { Attempted, Pursuits } from './pursuits.ts';
import { answerChecks, answerList } from './questions.ts';
import { attemptUpdate } from './update-grant.ts';

/** What the engine pursues until it is done, each under its key. */
export interface PursuedWork {
  pursueGrant(grant: Pick<LiveGrant, 'grantId'>): void;
  pursueUpdate(grantId: GrantId, job: Pick<StoredJob, 'jobId' | 'traceparent'>): void;
  pursueEnding(grant: Pick<LiveGrant, 'grantId' | 'pair'>): void;
  answerCheck(job: StoredJob): void;
  answerList(job: StoredJob, query: ListJob): void;
  /** An attempt after which what waits to be told is sent. */
  told(attempt: Promise<Attempted>): Promise<Attempted>;
}

export function pursuedWork(parts: EngineParts, { pursued, out }: { pursued: Pursuits; out: Outbox }): PursuedWork {
  /** Whatever an attempt wrote may wait to be told. */
  async function told(attempt: Promise<Attempted>): Promise<Attempted> {
    try {
      return await attempt;
    } finally {
      out.wake();
    }
  }

  const checks = new Map<JobId, StoredJob>();

  function pursueList(stored: StoredJob, query: ListJob): Promise<void> {
    return new Promise((answered) => {
      pursued.pursue({
        key: `list:${stored.jobId}`,
        about: aboutJob(stored),
        urgency: 'grant',
        waitsFor: 'link',
        attempt: async () => {
          const attempted = await told(answerList(parts, { stored, query, connection: out.connection() }));
          if (attempted.done) answered();
          return attempted;
        },
      });
    });
  }

  function pursueUpdate(grantId: GrantId, job: Pick<StoredJob, 'jobId' | 'traceparent'>): void {
    const { jobId } = job;
    pursued.pursue({
      key: `update:${jobId}`,
      about: aboutJob(job),
      urgency: 'grant',
      attempt: (nextDelayMs) => told(attemptUpdate(parts, { grantId, jobId, nextDelayMs })),
    });
  }

  function pursueEnding({ grantId, pair }: Pick<LiveGrant, 'grantId' | 'pair'>): void {
    pursued.pursue({
      key: `end:${grantId}`,
      about: { grantId },
      urgency: 'ending',
      attempt: (nextDelayMs) => told(attemptEnding(parts, { grantId, pair, nextDelayMs })),
    });
  }

  return {
    told,
    pursueUpdate,
    pursueEnding,
    pursueGrant: ({ grantId }) =>
      pursued.pursue({
        key: `grant:${grantId}`,
        about: { grantId },
        urgency: 'grant',
        attempt: (nextDelayMs) =>
          told(attemptGrant(parts, { grantId, nextDelayMs, steps: { onEnding: pursueEnding, onUpdate: pursueUpdate } })),
      }),
    answerCheck(stored) {
      checks.set(stored.jobId, stored);
      pursued.pursue({
        key: 'checks',
        about: aboutJob(stored),
        urgency: 'grant',
        attempt: () => told(answerChecks(parts, checks)),
      });
    },
    // One after the other: each reads every grant, and many at a time would hold up the ledger, and an ending with it.
    answerList: (stored, query) => void parts.locks.run('lists', 'grant', () => pursueList(stored, query)),
  };
}
