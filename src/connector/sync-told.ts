import type { CheckStep } from '../access/event.ts';
import { formatInstant, type Instant, later } from '../access/instant.ts';
import type { SyncCounts, SyncFindings } from '../access/sync.ts';
import type { DeltaMeans } from '../directory/directory-reader.ts';
import { LedgerError } from '../ledger/ledger.ts';
import type { FailedRun, HeldRun, Snapshots } from '../ledger/snapshots.ts';
import { sqliteSnapshots } from '../ledger/sqlite/sqlite-snapshots.ts';
import type { HealthPart } from '../observability/health.ts';
import type { Logger } from '../observability/logger.ts';
import { calledAttributes } from '../sync/attributes.ts';

/** What is known of the last runs. */
export interface SyncsTold {
  published: { readonly at: Instant; readonly syncId: string; readonly counts: SyncCounts } | null;
  failed: FailedRun | null;
  held: HeldRun | null;
  /** Of the last run that read everything. */
  findings: SyncFindings | null;
}

/** How long a held run can be accepted; after that a new one has to be looked at. */
const ACCEPTED_WITHIN_MS = 86_400_000;

/** What an earlier process has kept of its runs. Throws where the file cannot be read. */
export function toldBefore(snapshots: Pick<Snapshots, 'published' | 'held' | 'failed'>): SyncsTold {
  const last = snapshots.published();
  const [newest = null] = snapshots.held();
  const facts = last.kind === 'picture' ? last.facts : null;
  return {
    published: facts,
    failed: snapshots.failed(),
    held: newest,
    findings: facts?.findings ?? null,
  };
}

function heldMessage({ users, groups, memberships, lost }: HeldRun): string {
  if (lost.length > 0)
    return `it found nobody who has it any more, which many had: ${calledAttributes(lost)}. It would remove ${users} users, ${groups} groups and ${memberships} memberships. Look at the rights of the account`;
  return `it would remove ${users} users, ${groups} groups and ${memberships} memberships, which is more than SYNC_MAX_REMOVED allowed`;
}

/** What a check tells of the syncs of a connector that may run beside it, from the file that it keeps of them. */
export function keptSteps({ folder, log, now }: { folder: string; log: Logger; now: Instant }): readonly CheckStep[] {
  const snapshots = sqliteSnapshots({ folder, receiver: null, onlyLook: true, logger: log });
  try {
    return syncSteps(toldBefore(snapshots), now);
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    return [{ step: 'sync', status: 'warn', detail: `what the last sync told cannot be read: ${error.message}` }];
  } finally {
    snapshots.close();
  }
}

/** How changes are found, as `check` tells it. */
export function meansStep({ name, reason }: DeltaMeans): CheckStep {
  const detail =
    name === null ? `every sync reads the whole directory, and tells what changed: ${reason}` : `by ${name}: ${reason}`;
  return { step: 'changes', status: 'ok', detail };
}

/** How the last run went, and what it found wrong in the directory. */
export function syncSteps(told: SyncsTold, now: Instant): readonly CheckStep[] {
  return [runStep(told, now), ...findingsStep(told)];
}

function runStep({ published, failed, held }: SyncsTold, now: Instant): CheckStep {
  if (held !== null)
    return {
      step: 'sync',
      status: 'fail',
      detail: `held since ${formatInstant(held.at)}: ${heldMessage(held)}; ${toDo(held, now)}`,
    };
  if (failed !== null && (published === null || failed.at > published.at))
    return { step: 'sync', status: 'warn', detail: failedDetail(failed, published) };
  if (published === null) return { step: 'sync', status: 'ok', detail: 'the control plane was not told anything yet' };
  const { users, groups, memberships, membersOutOfScope } = published.counts;
  const found = `${users} users, ${groups} groups, ${memberships} memberships, ${membersOutOfScope} members out of scope`;
  return { step: 'sync', status: 'ok', detail: `${found}, told at ${formatInstant(published.at)}` };
}

function failedDetail({ at, code, message }: FailedRun, published: SyncsTold['published']): string {
  const stands =
    published === null
      ? 'the control plane was not told anything yet'
      : `the control plane has what was told at ${formatInstant(published.at)}`;
  return `the last sync failed at ${formatInstant(at)} (${code}): ${message}; ${stands}. The next one tries again; "latchkey sync" does so now`;
}

/** Nothing where nothing was found. */
function findingsStep({ findings }: SyncsTold): readonly CheckStep[] {
  return Object.entries(findings ?? {}).flatMap(([kind, { count, first }]): readonly CheckStep[] => {
    if (count === 0) return [];
    const others = count > first.length ? `; ${count - first.length} more are in the log (sync.found)` : '';
    return [{ step: 'directory content', status: 'warn', detail: `${count} × ${kind}: ${first.join('; ')}${others}` }];
  });
}

/** What health tells of the last runs: red while one is held. */
export function syncHealth(
  { published, failed, held }: SyncsTold,
  { now, nextRunAt }: { now: Instant; nextRunAt: Instant | null },
): HealthPart {
  const last = published === null ? null : { at: formatInstant(published.at), syncId: published.syncId, ...published.counts };
  const failure =
    failed === null || (published !== null && published.at > failed.at)
      ? {}
      : { lastFailure: { at: formatInstant(failed.at), code: failed.code, message: failed.message } };
  const next = nextRunAt === null ? null : formatInstant(nextRunAt);
  if (held === null) return { ready: true, lastSuccess: last, nextRunAt: next, ...failure };
  return {
    ready: false,
    lastSuccess: last,
    nextRunAt: next,
    heldSyncId: held.syncId,
    message: `a sync is held: ${heldMessage(held)}; ${toDo(held, now)}`,
  };
}

function toDo({ syncId, at }: { readonly syncId: string; readonly at: Instant }, now: Instant): string {
  const until = later(at, ACCEPTED_WITHIN_MS);
  return until > now
    ? `accept it with "latchkey sync --accept-removals ${syncId}" until ${formatInstant(until)}`
    : 'it is too old to be accepted; run a sync, and look at what it would remove';
}
