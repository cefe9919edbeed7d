import { z } from 'zod';
import type { Event, GrantView } from '../access/event.ts';
import { formatInstant, type Instant } from '../access/instant.ts';
import { JOB_ERROR_CODES } from '../access/outcome.ts';
import {
  countSchema,
  entryIdSchema,
  grantIdSchema,
  instantSchema,
  jobIdSchema,
  longText,
  protocolIdSchema,
  shortText,
  syncModeSchema,
  traceparentSchema,
} from './values.ts';

const text = z.string().max(16_384);
const dn = z.string().max(8192);
const entryRefSchema = z.object({ id: entryIdSchema, dn });

/** A grant as events and `grants.page` carry it. */
export const grantViewSchema = z.object({
  grantId: grantIdSchema,
  user: entryRefSchema.nullable(),
  group: entryRefSchema.nullable(),
  state: z.enum(['pending', 'active', 'ending', 'ended', 'failed']),
  standing: z.union([z.boolean(), z.literal('unknown')]),
  activatedAt: instantSchema.nullable(),
  expiresAt: instantSchema.nullable(),
  endedAt: instantSchema.optional(),
});

/** An error as events carry it. */
export const jobErrorSchema = z.object({
  code: z.enum(JOB_ERROR_CODES),
  message: text,
  retryable: z.boolean(),
  ldap: z.object({ resultCode: z.int(), resultName: shortText, diagnosticMessage: text, matchedDn: dn }).optional(),
  rule: shortText.optional(),
});

const checkReportSchema = z.object({
  ok: z.boolean(),
  steps: z
    .array(z.object({ step: shortText, status: z.enum(['ok', 'warn', 'fail']), detail: text }))
    .max(200)
    .readonly(),
});

/** The directory as `hello` and `directory.changed` tell it. */
export const directoryViewSchema = z.object({
  vendor: z.string().max(256),
  version: z.string().max(256).optional(),
  flavour: shortText,
  baseDn: dn,
  usersScope: z.array(dn).max(1000).readonly(),
  groupsScope: z.array(dn).max(1000).readonly(),
  counts: z.object({ users: countSchema, groups: countSchema }).optional(),
});

const ofJob = { jobId: jobIdSchema, traceparent: traceparentSchema.optional(), grant: grantViewSchema.optional() };

/** Every event of what is built so far (PROTOCOL, Events). */
export const eventSchema = z.discriminatedUnion('kind', [
  z.object({
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
    report: checkReportSchema.optional(),
    count: countSchema.optional(),
    repeat: z.literal(true).optional(),
  }),
  z.object({ kind: z.literal('job.failed'), ...ofJob, error: jobErrorSchema, repeat: z.literal(true).optional() }),
  z.object({
    kind: z.literal('job.delayed'),
    ...ofJob,
    attempts: countSchema,
    nextAttemptAt: instantSchema,
    error: jobErrorSchema,
  }),
  z.object({
    kind: z.literal('grant.ended'),
    grant: grantViewSchema,
    cause: z.enum(['revoked', 'expired', 'operator', 'policy', 'user_gone', 'group_gone']),
    membership: z.enum(['removed', 'kept_standing', 'kept_by_grant', 'already_absent']),
  }),
  z.object({ kind: z.literal('grant.overdue'), grant: grantViewSchema, since: instantSchema, error: jobErrorSchema }),
  z.object({
    kind: z.literal('grant.drifted'),
    grant: grantViewSchema,
    observed: z.enum(['absent', 'renamed', 'moved', 'recreated', 'user_gone', 'group_gone', 'ownership_unknown']),
    action: z.enum(['reported', 'restored', 'followed', 'ended']),
  }),
  z.object({
    kind: z.literal('directory.changed'),
    state: z.enum(['up', 'down']),
    directory: directoryViewSchema.optional(),
    error: jobErrorSchema.optional(),
  }),
  z.object({
    kind: z.literal('sync.completed'),
    syncId: protocolIdSchema,
    mode: syncModeSchema,
    users: countSchema,
    groups: countSchema,
    memberships: countSchema,
    changed: countSchema,
    removed: countSchema,
    durationMs: countSchema,
  }),
  z.object({
    kind: z.literal('sync.failed'),
    syncId: protocolIdSchema,
    mode: syncModeSchema,
    error: jobErrorSchema,
    heldSyncId: protocolIdSchema.optional(),
  }),
  // A rule by its name: a connector may have more of them than its control plane knows.
  z.object({ kind: z.literal('policy.tripped'), rule: shortText, detail: text }),
  z.object({ kind: z.literal('ledger.replaced'), previousLedgerId: longText }),
  z.object({
    kind: z.literal('audit.checkpoint'),
    count: countSchema,
    hash: z.string().regex(/^[0-9a-f]{64}$/),
    time: instantSchema,
  }),
]);

/** An event as it is written on the wire: instants are RFC 3339 text. */
export type WireEvent = z.input<typeof eventSchema>;

/** A grant as it is written on the wire. */
export type WireGrant = z.input<typeof grantViewSchema>;

/** Writes a grant for the wire. */
export function grantToWire(grant: GrantView): WireGrant {
  return {
    grantId: grant.grantId,
    user: grant.user,
    group: grant.group,
    state: grant.state,
    standing: grant.standing,
    activatedAt: nullable(grant.activatedAt),
    expiresAt: nullable(grant.expiresAt),
    ...(grant.endedAt === undefined ? {} : { endedAt: formatInstant(grant.endedAt) }),
  };
}

function nullable(at: Instant | null): string | null {
  return at === null ? null : formatInstant(at);
}

/** Writes an event for the wire. */
export function eventToWire(event: Event): WireEvent {
  switch (event.kind) {
    case 'job.succeeded':
    case 'job.failed': {
      const { grant, ...others } = event;
      return { ...others, ...wireGrant(grant) };
    }
    case 'job.delayed': {
      const { grant, nextAttemptAt, ...others } = event;
      return { ...others, nextAttemptAt: formatInstant(nextAttemptAt), ...wireGrant(grant) };
    }
    case 'grant.overdue':
      return { ...event, grant: grantToWire(event.grant), since: formatInstant(event.since) };
    case 'grant.ended':
    case 'grant.drifted':
      return { ...event, grant: grantToWire(event.grant) };
    case 'audit.checkpoint':
      return { ...event, time: formatInstant(event.time) };
    case 'directory.changed':
    case 'sync.completed':
    case 'sync.failed':
    case 'policy.tripped':
    case 'ledger.replaced':
      return event;
    default:
      return event satisfies never;
  }
}

function wireGrant(grant: GrantView | undefined): { grant?: WireGrant } {
  return grant === undefined ? {} : { grant: grantToWire(grant) };
}
