import { z } from 'zod';
import type { Event } from '../../access/event.ts';
import { JOB_ERROR_CODES } from '../../access/outcome.ts';
import { POLICY_RULES } from '../../access/policy.ts';
import type { JobResult } from '../ledger.ts';
import {
  endCauseColumn,
  endedMembershipColumn,
  entryRefSchema,
  grantIdColumn,
  instantColumn,
  jobIdColumn,
  jsonColumn,
  standingSchema,
  syncModeColumn,
} from './columns.ts';

// Columns are strict, JSON inside a column drops what it does not know: an event with a member too many must not stand
// in the way of all events after it.

const grantViewSchema = z.object({
  grantId: grantIdColumn,
  user: entryRefSchema.nullable(),
  group: entryRefSchema.nullable(),
  state: z.enum(['pending', 'active', 'ending', 'ended', 'failed']),
  standing: standingSchema,
  activatedAt: instantColumn.nullable(),
  expiresAt: instantColumn.nullable(),
  endedAt: instantColumn.exactOptional(),
});

const jobErrorSchema = z.object({
  code: z.enum(JOB_ERROR_CODES),
  message: z.string(),
  retryable: z.boolean(),
  ldap: z
    .object({ resultCode: z.int(), resultName: z.string(), diagnosticMessage: z.string(), matchedDn: z.string() })
    .exactOptional(),
  rule: z.string().exactOptional(),
});

const ofJob = {
  jobId: jobIdColumn,
  traceparent: z.string().exactOptional(),
  grant: grantViewSchema.exactOptional(),
};

const succeededSchema = z.object({
  kind: z.literal('job.succeeded'),
  ...ofJob,
  outcome: z.enum([
    'granted',
    'already_standing',
    'covered_by_grant',
    'updated',
    'revoked',
    'kept_standing',
    'kept_by_grant',
    'already_absent',
    'already_ended',
    'done',
  ]),
  report: z
    .object({
      ok: z.boolean(),
      steps: z.array(z.object({ step: z.string(), status: z.enum(['ok', 'warn', 'fail']), detail: z.string() })),
    })
    .exactOptional(),
  count: z.int().exactOptional(),
  repeat: z.literal(true).exactOptional(),
});
const failedSchema = z.object({
  kind: z.literal('job.failed'),
  ...ofJob,
  error: jobErrorSchema,
  repeat: z.literal(true).exactOptional(),
});
const directorySchema = z.object({
  vendor: z.string(),
  version: z.string().exactOptional(),
  flavour: z.string(),
  baseDn: z.string(),
  usersScope: z.array(z.string()),
  groupsScope: z.array(z.string()),
  counts: z.object({ users: z.int(), groups: z.int() }).exactOptional(),
});

const eventSchema: z.ZodType<Event> = z.discriminatedUnion('kind', [
  succeededSchema,
  failedSchema,
  z.object({
    kind: z.literal('job.delayed'),
    ...ofJob,
    attempts: z.int(),
    nextAttemptAt: instantColumn,
    error: jobErrorSchema,
  }),
  z.object({
    kind: z.literal('grant.ended'),
    grant: grantViewSchema,
    cause: endCauseColumn,
    membership: endedMembershipColumn,
  }),
  z.object({ kind: z.literal('grant.overdue'), grant: grantViewSchema, since: instantColumn, error: jobErrorSchema }),
  z.object({
    kind: z.literal('grant.drifted'),
    grant: grantViewSchema,
    observed: z.enum(['absent', 'renamed', 'moved', 'recreated', 'user_gone', 'group_gone', 'ownership_unknown']),
    action: z.enum(['reported', 'restored', 'followed', 'ended']),
  }),
  z.discriminatedUnion('state', [
    z.object({ kind: z.literal('directory.changed'), state: z.literal('up'), directory: directorySchema }),
    z.object({ kind: z.literal('directory.changed'), state: z.literal('down'), error: jobErrorSchema }),
  ]),
  z.object({
    kind: z.literal('sync.completed'),
    syncId: z.string(),
    mode: syncModeColumn,
    users: z.int(),
    groups: z.int(),
    memberships: z.int(),
    changed: z.int(),
    removed: z.int(),
    durationMs: z.int(),
  }),
  z.object({
    kind: z.literal('sync.failed'),
    syncId: z.string(),
    mode: syncModeColumn,
    error: jobErrorSchema,
    heldSyncId: z.string().exactOptional(),
  }),
  z.object({ kind: z.literal('policy.tripped'), rule: z.enum(POLICY_RULES), detail: z.string() }),
  z.object({ kind: z.literal('ledger.replaced'), previousLedgerId: z.string() }),
  z.object({ kind: z.literal('audit.checkpoint'), count: z.int(), hash: z.string(), time: instantColumn }),
]);

const jobResultSchema: z.ZodType<JobResult> = z.discriminatedUnion('kind', [succeededSchema, failedSchema]);

/** An event as JSON text. */
export const eventColumn = jsonColumn(eventSchema);
/** A job's stored result as JSON text. */
export const jobResultColumn = jsonColumn(jobResultSchema);
