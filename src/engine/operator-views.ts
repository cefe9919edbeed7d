import type { AuditRecord } from '../access/audit.ts';
import type { Grant } from '../access/grant.ts';
import type { Asker, ShownGrant } from '../access/operator.ts';
import type { JobError } from '../access/outcome.ts';
import { viewOf } from './views.ts';

/** A grant as a person is shown it; `trouble` is why it is not done yet. */
export function shownGrant(grant: Grant, trouble: JobError | null = null): ShownGrant {
  const view = viewOf(grant);
  const why = trouble === null ? {} : { trouble: { code: trouble.code, message: trouble.message } };
  switch (grant.state) {
    case 'pending':
    case 'active':
      return { ...view, ...why };
    case 'ending':
      return { ...view, cause: grant.cause, ...why };
    case 'ended':
      return { ...view, cause: grant.cause, membership: grant.membership };
    case 'failed':
      return { ...view, code: grant.code };
    default:
      return grant satisfies never;
  }
}

/** That a person asked for something, and which grant it is about where it is about one. */
export function operatorCommand(
  { by, reason }: Asker,
  { command, facts = {}, ...about }: { command: string; facts?: AuditRecord['facts'] } & Omit<AuditRecord, 'kind' | 'facts'>,
): AuditRecord {
  return { kind: 'operator.command', ...about, facts: { command, by, reason: reason ?? undefined, ...facts } };
}
