import type { EndedGrant, FailedGrant } from '../access/grant.ts';
import type { GrantId } from '../access/ids.ts';
import type { JobError } from '../access/outcome.ts';

/** What becomes of grants, for whoever waits for it. */
export interface Overs {
  /** The ledger has it that the grant is over. */
  over(grant: EndedGrant | FailedGrant): void;
  /** An attempt for the grant has failed; it goes on. */
  troubled(grantId: GrantId, error: JobError): void;
  /** What was attempted for the grant is done, or is not attempted any more: nothing of it waits. */
  settled(grantId: GrantId): void;
  /** Why the last attempt for the grant failed; null where none has in this process, or nothing of it waits. */
  trouble(grantId: GrantId): JobError | null;
  /** Called for each grant that is over from now on; the returned function ends that. */
  watch(listener: (grant: EndedGrant | FailedGrant) => void): () => void;
}

/** Remembers one error for each grant that is not over: bounded by those. */
export function overs(): Overs {
  const troubles = new Map<GrantId, JobError>();
  const listeners = new Set<(grant: EndedGrant | FailedGrant) => void>();
  return {
    over(grant) {
      troubles.delete(grant.grantId);
      for (const listener of listeners) listener(grant);
    },
    troubled: (grantId, error) => void troubles.set(grantId, error),
    settled: (grantId) => void troubles.delete(grantId),
    trouble: (grantId) => troubles.get(grantId) ?? null,
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
