import { bounded } from '../access/outcome.ts';
import type { SyncFindingKind, SyncFindings } from '../access/sync.ts';
import type { Logger } from '../observability/logger.ts';

export interface Findings {
  note(kind: SyncFindingKind, facts: Readonly<Record<string, string>>): void;
  summary(): SyncFindings;
  /** Says how many there were of which not every one was said. */
  close(): void;
}

/** Lines of one kind in one run: enough to begin with, and no flood. */
const MAX_LINES = 20;

/** Of each kind, so many are shown by a check. */
const MAX_FIRST = 3;
const MAX_SHOWN = 300;

const SENTENCE: Record<SyncFindingKind, string> = {
  duplicate_email: 'two users have one e-mail address: a job that names it is refused as user_ambiguous',
  duplicate_username: 'two users have one username: a job that names it is refused as user_ambiguous',
  ambiguous_uid: 'two users have one uid: who is meant by it in memberUid is not known, and neither is told as a member by it',
  manager_unresolved: 'the manager of a user is no user in scope, and is not told',
  manager_loop: 'users are each their own manager, directly or through others',
};

export function findings(log: Logger): Findings {
  const nothing = (): { count: number; first: string[] } => ({ count: 0, first: [] });
  const found: Record<SyncFindingKind, { count: number; first: string[] }> = {
    duplicate_email: nothing(),
    duplicate_username: nothing(),
    ambiguous_uid: nothing(),
    manager_unresolved: nothing(),
    manager_loop: nothing(),
  };
  return {
    note(kind, facts) {
      const { first } = found[kind];
      found[kind].count += 1;
      if (first.length < MAX_FIRST) first.push(shown(facts));
      if (found[kind].count <= MAX_LINES) log.warn({ event: 'sync.found', finding: kind, ...facts }, SENTENCE[kind]);
    },
    summary: () => found,
    close() {
      for (const [finding, { count }] of Object.entries(found))
        if (count > MAX_LINES)
          log.warn({ event: 'sync.found-more', finding, count }, `${count} of this kind were found; ${MAX_LINES} were told`);
    },
  };
}

/** What was found, as a person reads it. */
function shown(facts: Readonly<Record<string, string>>): string {
  return bounded(
    Object.entries(facts)
      .map(([name, value]) => `${name} ${value}`)
      .join(', '),
    MAX_SHOWN,
  );
}
