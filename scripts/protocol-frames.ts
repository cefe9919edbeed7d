import type { z } from 'zod';
import { eventSchema } from '../src/protocol/event-frame.ts';
import { fromConnectorSchema, fromControlPlaneSchema } from '../src/protocol/frames.ts';
import { jobSchema } from '../src/protocol/job-frame.ts';

/**
 * One kind of message: a frame by its type; a job by its kind and an event by its kind too, since each has fields of its own.
 * `schema` is of the whole frame, or, where `within` is given, of that member of it.
 */
export interface FrameKind {
  readonly name: string;
  readonly from: 'connector' | 'control-plane';
  readonly summary: string;
  readonly schema: z.core.$ZodType | null;
  readonly within?: 'job' | 'event';
}

type OptionOf<T> = T extends { readonly options: readonly (infer O)[] } ? O : never;

const SUMMARY: Readonly<Record<string, string>> = {
  hello: 'first frame on every connection: who is there, and which event comes next',
  welcome: 'answers it within 10 s; no job may come before',
  ack: 'every event up to that `seq` is stored',
  error: 'a frame was refused; the connection stays open',
  'job.received': 'the job is stored durably, and need not be sent again',
  'grants.page': 'a page of the answer to `list`',
  'sync.begin': 'a stream of users, groups and members begins',
  'sync.page': 'up to 500 records of it',
  'sync.end': 'it is whole: what it tells is what there is',
  'sync.abort': 'it failed: its pages are thrown away',
  'sync.ack': 'a page, or the end, has been taken; at most 8 pages are outstanding',
  'job:grant': 'the user is a member of the group until the grant ends',
  'job:revoke': 'end that grant now',
  'job:sync': 'sync now',
  'job:check': 'run the checks of `latchkey check`, and report them',
  'job:list': 'report every grant that has not ended',
  'job:signed': 'any job, signed: a compact JWS whose payload holds it; security.md says what must be in it',
  'event:job.succeeded': 'the effect is in the directory, and a probe has shown it',
  'event:job.failed': 'final: nothing was given, or a grant stands as before',
  'event:job.delayed': 'the directory cannot be used for it yet; the connector goes on',
  'event:grant.ended': 'a grant ended, whoever ended it',
  'event:grant.overdue': 'an ending that is due cannot be done yet; repeated until it is',
  'event:grant.drifted': 'the directory is not as a grant left it',
  'event:directory.changed': 'the directory can, or cannot, be used',
  'event:sync.completed': 'a sync has been told',
  'event:sync.failed': 'a sync failed, or is held',
  'event:policy.tripped': 'a local limit stopped work',
  'event:ledger.replaced': 'the ledger is an older copy, and has a new id',
  'event:audit.checkpoint': 'where the audit trail ends',
};

function kindOf(schema: { readonly shape: Readonly<Record<string, unknown>> }, member: 'type' | 'kind'): string {
  const literal = schema.shape[member] as { readonly value: string };
  return literal.value;
}

function summaryOf(name: string): string {
  const summary = SUMMARY[name];
  if (summary === undefined) throw new Error(`the frame ${name} has no summary in scripts/protocol-frames.ts`);
  return summary;
}

const whole = (
  from: FrameKind['from'],
  schemas: readonly (OptionOf<typeof fromConnectorSchema> | OptionOf<typeof fromControlPlaneSchema>)[],
) =>
  schemas
    .map((schema) => ({ name: kindOf(schema, 'type'), from, schema }))
    .filter(({ name }) => name !== 'event')
    .map((frame): FrameKind => ({ ...frame, summary: summaryOf(frame.name) }));

const jobs = jobSchema.options.map((schema): FrameKind => {
  const name = `job:${kindOf(schema, 'kind')}`;
  return { name, from: 'control-plane', summary: summaryOf(name), schema, within: 'job' };
});
const events = eventSchema.options.map((schema): FrameKind => {
  const name = `event:${kindOf(schema, 'kind')}`;
  return { name, from: 'connector', summary: summaryOf(name), schema, within: 'event' };
});

/** Every message of the protocol, in the order in which the documents have them. */
export const FRAMES: readonly FrameKind[] = [
  ...whole('connector', fromConnectorSchema.options).slice(0, 1),
  ...whole('control-plane', fromControlPlaneSchema.options).slice(0, 1),
  ...jobs,
  { name: 'job:signed', from: 'control-plane', summary: summaryOf('job:signed'), schema: null },
  ...whole('connector', fromConnectorSchema.options).slice(1, 2),
  ...events,
  ...whole('control-plane', fromControlPlaneSchema.options).slice(1, 2),
  ...whole('connector', fromConnectorSchema.options).slice(2),
  ...whole('control-plane', fromControlPlaneSchema.options).slice(2),
];

/** By which name the documents know a frame that went over the wire. */
export function nameOf(frame: Readonly<Record<string, unknown>>): string {
  const { type, job, event } = frame as { type: string; job?: { kind: string }; event?: { kind: string } };
  if (type === 'job') return job === undefined ? 'job:signed' : `job:${job.kind}`;
  return type === 'event' ? `event:${event?.kind ?? ''}` : type;
}
