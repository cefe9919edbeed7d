import { z } from 'zod';
import type { Parsed } from '../access/brand.ts';
import type { Job, RequestedEnd } from '../access/job.ts';
import type { GroupRef, UserRef } from '../access/reference.ts';
import {
  describeIssues,
  dnSchema,
  entryIdSchema,
  grantIdSchema,
  instantSchema,
  jobIdSchema,
  longText,
  oneRequired,
  protocolIdSchema,
  shortText,
  syncModeSchema,
  traceparentSchema,
} from './values.ts';

/** 2^31 - 1 seconds, the longest duration (PROTOCOL, Jobs). */
const MAX_DURATION_SECONDS = 2_147_483_647;

/** RFC 5321 §4.5.3.1: 64 for the local part, 255 for the domain, and the sign between them. */
const emailSchema = z.string().min(3).max(320);

function exactlyOne(names: readonly string[]) {
  return {
    error: `expected exactly one of ${names.join(', ')}`,
    // Also where a member is wrong by itself, but not where there is no object whose members could be counted.
    when: ({ value }: { value: unknown }) => typeof value === 'object' && value !== null,
  };
}

function countOf(record: Readonly<Record<string, unknown>>): number {
  return Object.values(record).filter((value) => value !== undefined).length;
}

const userRefSchema = z
  .object({
    dn: dnSchema.optional(),
    id: entryIdSchema.optional(),
    email: emailSchema.optional(),
    username: shortText.optional(),
  })
  .refine((ref) => countOf(ref) === 1, exactlyOne(['dn', 'id', 'email', 'username']))
  .meta(oneRequired(['dn', 'id', 'email', 'username']))
  .transform(({ dn, id, email, username }, context): UserRef => {
    if (dn !== undefined) return { by: 'dn', dn };
    if (id !== undefined) return { by: 'id', id };
    if (email !== undefined) return { by: 'email', email };
    if (username !== undefined) return { by: 'username', username };
    context.issues.push({ code: 'custom', message: 'expected a reference', input: undefined });
    return z.NEVER;
  });

const groupRefSchema = z
  .object({ dn: dnSchema.optional(), id: entryIdSchema.optional(), name: shortText.optional() })
  .refine((ref) => countOf(ref) === 1, exactlyOne(['dn', 'id', 'name']))
  .meta(oneRequired(['dn', 'id', 'name']))
  .transform(({ dn, id, name }, context): GroupRef => {
    if (dn !== undefined) return { by: 'dn', dn };
    if (id !== undefined) return { by: 'id', id };
    if (name !== undefined) return { by: 'name', name };
    context.issues.push({ code: 'custom', message: 'expected a reference', input: undefined });
    return z.NEVER;
  });

const common = { jobId: jobIdSchema, issuedAt: instantSchema, traceparent: traceparentSchema.optional() };

const grantJobSchema = z
  .object({
    ...common,
    kind: z.literal('grant'),
    notAfter: instantSchema.optional(),
    grantId: grantIdSchema,
    user: userRefSchema,
    group: groupRefSchema,
    expiresAt: instantSchema.optional(),
    durationSeconds: z.int().min(1).max(MAX_DURATION_SECONDS).optional(),
    justification: longText.optional(),
    requestedBy: shortText.optional(),
  })
  .meta(oneRequired(['expiresAt', 'durationSeconds']));
const revokeJobSchema = z.object({ ...common, kind: z.literal('revoke'), grantId: grantIdSchema, reason: longText.optional() });
const checkJobSchema = z.object({ ...common, kind: z.literal('check'), notAfter: instantSchema.optional() });
const listJobSchema = z.object({
  ...common,
  kind: z.literal('list'),
  notAfter: instantSchema.optional(),
  endedSince: instantSchema.optional(),
});

const syncJobSchema = z.object({
  ...common,
  kind: z.literal('sync'),
  mode: syncModeSchema,
  acceptRemovals: protocolIdSchema.optional(),
  notAfter: instantSchema.optional(),
});

/** A job, as it is sent. */
export const jobSchema = z.discriminatedUnion('kind', [
  grantJobSchema,
  revokeJobSchema,
  checkJobSchema,
  listJobSchema,
  syncJobSchema,
]);

/** Reads the `job` object of a frame. The problem names every field that was wrong; unknown fields are dropped. */
export function parseJob(raw: unknown): Parsed<Job> {
  const read = jobSchema.safeParse(raw);
  if (!read.success) return { ok: false, problem: describeIssues(read.error) };
  const job = read.data;
  if (job.kind !== 'grant') return { ok: true, value: withoutUndefined(job) };
  const { expiresAt, durationSeconds, ...others } = job;
  const end = requestedEnd(expiresAt, durationSeconds);
  if (end === undefined) return { ok: false, problem: 'expected exactly one of expiresAt, durationSeconds' };
  return { ok: true, value: withoutUndefined({ ...others, end }) };
}

function requestedEnd(
  expiresAt: (RequestedEnd & { kind: 'at' })['expiresAt'] | undefined,
  durationSeconds: number | undefined,
): RequestedEnd | undefined {
  if (expiresAt !== undefined && durationSeconds !== undefined) return undefined;
  if (expiresAt !== undefined) return { kind: 'at', expiresAt };
  return durationSeconds === undefined ? undefined : { kind: 'after', durationMs: durationSeconds * 1000 };
}

/** The optional members that zod leaves behind as `undefined`, dropped: absent is absent. */
type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

function withoutUndefined<T extends object>(record: T): Present<T> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Present<T>;
}
