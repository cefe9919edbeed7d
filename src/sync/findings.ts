import type { Logger } from '../observability/logger.ts';

/** What is wrong with the directory's content, and no reason to fail a sync. */
export type FindingKind = 'duplicate_email' | 'duplicate_username' | 'ambiguous_uid' | 'manager_unresolved' | 'manager_loop';

/** How often each was found in the last run that read everything. */
export type FindingCounts = Readonly<Record<FindingKind, number>>;

export interface Findings {
  note(kind: FindingKind, facts: Readonly<Record<string, string>>): void;
  counts(): FindingCounts;
  /** Says how many there were of which not every one was said. */
  close(): void;
}

/** Lines of one kind in one run: enough to begin with, and no flood. */
const MAX_LINES = 20;

const SENTENCE: Record<FindingKind, string> = {
  duplicate_email: 'two users have one e-mail address: a job that names it is refused as user_ambiguous',
  duplicate_username: 'two users have one username: a job that names it is refused as user_ambiguous',
  ambiguous_uid: 'two users have one uid: who is meant by it in memberUid is not known, and neither is told as a member by it',
  manager_unresolved: 'the manager of a user is no user in scope, and is not told',
  manager_loop: 'users are each their own manager, directly or through others',
};

export function findings(log: Logger): Findings {
  const counts: Record<FindingKind, number> = {
    duplicate_email: 0,
    duplicate_username: 0,
    ambiguous_uid: 0,
    manager_unresolved: 0,
    manager_loop: 0,
  };
  return {
    note(kind, facts) {
      counts[kind] += 1;
      if (counts[kind] <= MAX_LINES) log.warn({ event: 'sync.found', finding: kind, ...facts }, SENTENCE[kind]);
    },
    counts: () => ({ ...counts }),
    close() {
      for (const [finding, count] of Object.entries(counts))
        if (count > MAX_LINES)
          log.warn({ event: 'sync.found-more', finding, count }, `${count} of this kind were found; ${MAX_LINES} were told`);
    },
  };
}
