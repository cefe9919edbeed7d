import { z } from 'zod';
import type { Parsed } from '../access/brand.ts';
import { contentHash } from '../access/canonical-json.ts';
import { isProtocolId, type JobId } from '../access/ids.ts';
import type { Job } from '../access/job.ts';
import { directoryViewSchema, eventSchema, grantViewSchema } from './event-frame.ts';
import { frameHash } from './frame-hash.ts';
import { parseJob } from './job-frame.ts';
import { readJsonObject } from './json-object.ts';
import { MAX_FRAME_DEPTH, MAX_JWS_LENGTH, MAX_VALUES_FROM_CONNECTOR, MAX_VALUES_FROM_CONTROL_PLANE } from './limits.ts';
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
const namedJobSchema = z.looseObject({ jobId: jobIdSchema });
const jobFrameSchema = z.object({
  type: z.literal('job'),
  job: namedJobSchema.optional(),
  jws: z.string().min(1).max(MAX_JWS_LENGTH).optional(),
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
/** The frame around every event. */
export const eventFrameSchema = z.object({
  type: z.literal('event'),
  seq: z.int().min(1),
  at: instantSchema,
  event: eventSchema,
});
const grantsPageSchema = z.object({
  type: z.literal('grants.page'),
  jobId: jobIdSchema,
  page: z.int().min(1),
  last: z.boolean(),
  grants: z.array(grantViewSchema).max(500),
});

/** Every frame that a control plane sends, but `job`. */
export const fromControlPlaneSchema = z.discriminatedUnion('type', [welcomeSchema, ackSchema, syncAckSchema, errorFrameSchema]);
/** Every frame that a connector sends. */
export const fromConnectorSchema = z.discriminatedUnion('type', [
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
  | { readonly type: 'job'; readonly received: ReceivedJob }
  /** Of which nothing is known before it is verified. */
  | { readonly type: 'signed_job'; readonly jws: string };
/** What a connector sends, as it is written on the wire. */
export type WireFrameFromConnector = z.input<typeof fromConnectorSchema>;
/** What a connector sends, as a control plane reads it. */
export type FrameFromConnector = z.output<typeof fromConnectorSchema>;
/** The frames of a sync stream. */
export type SyncFrame = Extract<FrameFromConnector, { type: `sync.${string}` }>;
/** What a control plane sends, as it is written on the wire. */
export type WireFrameFromControlPlane =
  | z.input<typeof fromControlPlaneSchema>
  | { readonly type: 'job'; readonly job: Readonly<Record<string, unknown>> }
  | { readonly type: 'job'; readonly jws: string };

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
  const json = readJsonObject(text, { maxDepth: MAX_FRAME_DEPTH, maxValues });
  return json.ok ? { ok: true, frame: json.value } : refuse(text, `the frame ${json.problem}`);
}

function readBySchema<S extends z.ZodType>(
  schema: S,
  { text, json, ref }: { text: string; json: Record<string, unknown>; ref?: string | undefined },
): ReadFrame<z.output<S>> {
  const read = schema.safeParse(json);
  if (read.success) return { ok: true, frame: read.data };
  return refuse(text, `${shownType(json)}: ${describeIssues(read.error)}`, ref);
}

function readJobFrame(text: string, json: Record<string, unknown>): ReadFrame<FrameFromControlPlane> {
  const envelope = jobFrameSchema.safeParse(json);
  if (!envelope.success) return refuse(text, `job frame: ${describeIssues(envelope.error)}`);
  const { job, jws } = envelope.data;
  if ((job === undefined) === (jws === undefined)) return refuse(text, 'job frame: expected exactly one of job, jws');
  if (jws !== undefined) return { ok: true, frame: { type: 'signed_job', jws } };
  const received = readReceivedJob(json['job']);
  if (!received.ok) return refuse(text, `job frame: ${received.problem}`, job?.jobId);
  return { ok: true, frame: { type: 'job', received: received.value } };
}

/**
 * Reads a job as it was received, from a frame or from what was signed: not as zod copied it, since the hash is over what the
 * control plane wrote. A problem where it has no legible jobId or no canonical form (RFC 8785).
 */
export function readReceivedJob(raw: unknown): Parsed<ReceivedJob> {
  const named = namedJobSchema.safeParse(raw);
  if (!named.success) return { ok: false, problem: describeIssues(named.error) };
  const { jobId, traceparent } = named.data;
  try {
    const traced = traceparentSchema.safeParse(traceparent);
    const hash = contentHash(raw);
    return { ok: true, value: { jobId, hash, job: parseJob(raw), ...(traced.success ? { traceparent: traced.data } : {}) } };
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : 'unreadable' };
  }
}

/** The stream that a frame is of: who sends it then knows that it is over. */
function streamOf({ type, syncId }: Record<string, unknown>): string | undefined {
  return typeof type === 'string' && type.startsWith('sync.') && isProtocolId(syncId) ? syncId : undefined;
}

function shownType(json: Record<string, unknown>): string {
  const type = json['type'];
  return typeof type === 'string' ? `frame of type "${type.slice(0, 64)}"` : 'frame without a type';
}

function refuse(text: string, message: string, ref = frameHash(text)): { readonly ok: false; readonly refused: RefusedFrame } {
  return { ok: false, refused: { code: 'invalid_frame', message, ref } };
}
