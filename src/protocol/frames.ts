import { z } from 'zod';
import type { Parsed } from '../access/brand.ts';
import { contentHash } from '../access/canonical-json.ts';
import { isProtocolId, type JobId } from '../access/ids.ts';
import type { Job } from '../access/job.ts';
import { directoryViewSchema, eventSchema, grantViewSchema } from './event-frame.ts';
import { frameHash } from './frame-hash.ts';
import { parseJob } from './job-frame.ts';
import { judgeShape } from './json-shape.ts';
import { MAX_FRAME_DEPTH, MAX_VALUES_FROM_CONNECTOR, MAX_VALUES_FROM_CONTROL_PLANE } from './limits.ts';
import { syncAbortSchema, syncAckSchema, syncBeginSchema, syncEndSchema, syncPageSchema } from './sync-frame.ts';
import { countSchema, describeIssues, instantSchema, jobIdSchema, shortText, traceparentSchema } from './values.ts';

const errorFrameSchema = z.object({
  type: z.literal('error'),
  code: shortText,
  message: z.string().max(16_384),
  ref: z.string().max(256).optional(),
});

const welcomeSchema = z.object({
  type: z.literal('welcome'),
  sessionId: shortText,
  time: instantSchema,
  heartbeatSeconds: z.int().min(5).max(60).default(15),
  ackedSeq: countSchema.optional(),
});
const ackSchema = z.object({ type: z.literal('ack'), seq: z.int().min(1) });
const jobFrameSchema = z.object({
  type: z.literal('job'),
  job: z.looseObject({ jobId: jobIdSchema }).optional(),
  jws: z.string().min(1).optional(),
});

const helloSchema = z.object({
  type: z.literal('hello'),
  connectorId: shortText,
  name: z.string().min(1).max(64).optional(),
  instanceId: shortText,
  ledgerId: z.uuid(),
  nextSeq: z.int().min(1),
  version: shortText,
  startedAt: instantSchema,
  capabilities: z.array(shortText).max(64),
  directory: directoryViewSchema.nullable(),
});
const jobReceivedSchema = z.object({ type: z.literal('job.received'), jobId: jobIdSchema });
const eventFrameSchema = z.object({ type: z.literal('event'), seq: z.int().min(1), at: instantSchema, event: eventSchema });
const grantsPageSchema = z.object({
  type: z.literal('grants.page'),
  jobId: jobIdSchema,
  page: z.int().min(1),
  last: z.boolean(),
  grants: z.array(grantViewSchema).max(500),
});

const fromControlPlaneSchema = z.discriminatedUnion('type', [welcomeSchema, ackSchema, syncAckSchema, errorFrameSchema]);
const fromConnectorSchema = z.discriminatedUnion('type', [
  helloSchema,
  jobReceivedSchema,
  eventFrameSchema,
  grantsPageSchema,
  syncBeginSchema,
  syncPageSchema,
  syncEndSchema,
  syncAbortSchema,
  errorFrameSchema,
]);

/** A job as it arrived: legible, hashed, and read, or with the reason why it could not be. */
export interface ReceivedJob {
  readonly jobId: JobId;
  /** SHA-256 of the RFC 8785 form of the received object, hex. */
  readonly hash: string;
  readonly job: Parsed<Job>;
  readonly traceparent?: string;
}

export type WelcomeFrame = z.output<typeof welcomeSchema>;
export type AckFrame = z.output<typeof ackSchema>;
export type SyncAckFrame = z.output<typeof syncAckSchema>;
export type ErrorFrame = z.output<typeof errorFrameSchema>;
/** What a connector may be sent. */
export type FrameFromControlPlane =
  | WelcomeFrame
  | AckFrame
  | SyncAckFrame
  | ErrorFrame
  | { readonly type: 'job'; readonly received: ReceivedJob };
/** What a connector sends, as it is written on the wire. */
export type WireFrameFromConnector = z.input<typeof fromConnectorSchema>;
/** What a connector sends, as a control plane reads it. */
export type FrameFromConnector = z.output<typeof fromConnectorSchema>;
/** The frames of a sync stream. */
export type SyncFrame = Extract<FrameFromConnector, { type: `sync.${string}` }>;
/** What a control plane sends, as it is written on the wire. */
export type WireFrameFromControlPlane =
  | z.input<typeof fromControlPlaneSchema>
  | { readonly type: 'job'; readonly job: Readonly<Record<string, unknown>> };

/** A frame that was refused, as the `error` frame tells it. */
export interface RefusedFrame {
  readonly code: 'invalid_frame' | 'signature_invalid';
  readonly message: string;
  /** The job id or the stream's id where it is legible, else the SHA-256 of the frame, hex. */
  readonly ref: string;
}

export type ReadFrame<T> = { readonly ok: true; readonly frame: T } | { readonly ok: false; readonly refused: RefusedFrame };

/** Reads a frame sent by a control plane. Never throws; what cannot be read is refused with the reason. */
export function readFrameFromControlPlane(text: string): ReadFrame<FrameFromControlPlane> {
  return guarded(text, () => {
    const json = readObject(text, MAX_VALUES_FROM_CONTROL_PLANE);
    if (!json.ok) return json;
    if (json.frame['type'] === 'job') return readJobFrame(text, json.frame);
    return readBySchema(fromControlPlaneSchema, { text, json: json.frame });
  });
}

/** Reads a frame sent by a connector. Never throws; what cannot be read is refused with the reason. */
export function readFrameFromConnector(text: string): ReadFrame<FrameFromConnector> {
  return guarded(text, () => {
    const json = readObject(text, MAX_VALUES_FROM_CONNECTOR);
    return json.ok ? readBySchema(fromConnectorSchema, { text, json: json.frame, ref: streamOf(json.frame) }) : json;
  });
}

/** A fault in a reader refuses the one frame: a job that ended the process would be sent again after every restart. */
function guarded<T>(text: string, read: () => ReadFrame<T>): ReadFrame<T> {
  try {
    return read();
  } catch (error) {
    return refuse(text, `the frame could not be read: ${error instanceof Error ? error.message : 'unknown error'}`);
  }
}

function readObject(text: string, maxValues: number): ReadFrame<Record<string, unknown>> {
  // First, since making objects of a frame that is all brackets would hold up everything else.
  const shape = judgeShape(text, { maxDepth: MAX_FRAME_DEPTH, maxValues });
  let value: unknown;
  try {
    value = shape.ok || shape.readable ? JSON.parse(text) : undefined;
  } catch {
    return refuse(text, 'the frame is not JSON');
  }
  if (!shape.ok) return refuse(text, `the frame is refused: ${shape.problem}`);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(text, 'the frame is not a JSON object');
  return { ok: true, frame: value as Record<string, unknown> };
}

function readBySchema<S extends z.ZodType>(
  schema: S,
  { text, json, ref }: { text: string; json: Record<string, unknown>; ref?: string | undefined },
): ReadFrame<z.output<S>> {
  const read = schema.safeParse(json);
  if (read.success) return { ok: true, frame: read.data };
  return refuse(text, `${shownType(json)}: ${describeIssues(read.error)}`, 'invalid_frame', ref);
}

function readJobFrame(text: string, json: Record<string, unknown>): ReadFrame<FrameFromControlPlane> {
  const envelope = jobFrameSchema.safeParse(json);
  if (!envelope.success) return refuse(text, `job frame: ${describeIssues(envelope.error)}`);
  const { job, jws } = envelope.data;
  if ((job === undefined) === (jws === undefined)) return refuse(text, 'job frame: expected exactly one of job, jws');
  if (job === undefined) {
    return refuse(text, 'a signed job cannot be verified: no keys are configured (LATCHKEY_JOB_KEYS_FILE)', 'signature_invalid');
  }
  // The object as received, not as zod copied it: the hash is over what the control plane wrote.
  const raw = json['job'];
  let hash: string;
  try {
    hash = contentHash(raw);
  } catch (error) {
    return refuse(text, `job frame: ${error instanceof Error ? error.message : 'unreadable'}`, 'invalid_frame', job.jobId);
  }
  const traceparent = traceparentSchema.safeParse(job['traceparent']);
  return {
    ok: true,
    frame: {
      type: 'job',
      received: { jobId: job.jobId, hash, job: parseJob(raw), ...(traceparent.success ? { traceparent: traceparent.data } : {}) },
    },
  };
}

/** The stream that a frame is of: who sends it then knows that it is over. */
function streamOf({ type, syncId }: Record<string, unknown>): string | undefined {
  return typeof type === 'string' && type.startsWith('sync.') && isProtocolId(syncId) ? syncId : undefined;
}

function shownType(json: Record<string, unknown>): string {
  const type = json['type'];
  return typeof type === 'string' ? `frame of type "${type.slice(0, 64)}"` : 'frame without a type';
}

function refuse(
  text: string,
  message: string,
  code: RefusedFrame['code'] = 'invalid_frame',
  ref?: string,
): { readonly ok: false; readonly refused: RefusedFrame } {
  return { ok: false, refused: { code, message, ref: ref ?? frameHash(text) } };
}
