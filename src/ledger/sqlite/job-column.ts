import { z } from 'zod';
import type { Job, RequestedEnd } from '../../access/job.ts';
import { dnColumn, entryIdColumn, grantIdColumn, instantColumn, jobIdColumn, jsonColumn, syncModeColumn } from './columns.ts';

const requestedEndSchema: z.ZodType<RequestedEnd> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('at'), expiresAt: instantColumn }),
  z.object({ kind: z.literal('after'), durationMs: z.number() }),
]);

const ofEveryJob = { jobId: jobIdColumn, issuedAt: instantColumn, traceparent: z.string().exactOptional() };

const jobSchema: z.ZodType<Job> = z.discriminatedUnion('kind', [
  z.object({
    ...ofEveryJob,
    kind: z.literal('grant'),
    grantId: grantIdColumn,
    user: z.discriminatedUnion('by', [
      z.object({ by: z.literal('dn'), dn: dnColumn }),
      z.object({ by: z.literal('id'), id: entryIdColumn }),
      z.object({ by: z.literal('email'), email: z.string() }),
      z.object({ by: z.literal('username'), username: z.string() }),
    ]),
    group: z.discriminatedUnion('by', [
      z.object({ by: z.literal('dn'), dn: dnColumn }),
      z.object({ by: z.literal('id'), id: entryIdColumn }),
      z.object({ by: z.literal('name'), name: z.string() }),
    ]),
    end: requestedEndSchema,
    notAfter: instantColumn.exactOptional(),
    justification: z.string().exactOptional(),
    requestedBy: z.string().exactOptional(),
  }),
  z.object({
    ...ofEveryJob,
    kind: z.literal('revoke'),
    grantId: grantIdColumn,
    reason: z.string().exactOptional(),
  }),
  z.object({ ...ofEveryJob, kind: z.literal('check'), notAfter: instantColumn.exactOptional() }),
  z.object({
    ...ofEveryJob,
    kind: z.literal('list'),
    notAfter: instantColumn.exactOptional(),
    endedSince: instantColumn.exactOptional(),
  }),
  z.object({
    ...ofEveryJob,
    kind: z.literal('sync'),
    mode: syncModeColumn,
    acceptRemovals: z.string().exactOptional(),
    notAfter: instantColumn.exactOptional(),
  }),
]);

/** A job as JSON text. */
export const jobColumn = jsonColumn(jobSchema);
/** When a grant shall end, as JSON text. */
export const requestedEndColumn = jsonColumn(requestedEndSchema);
