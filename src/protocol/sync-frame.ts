import { z } from 'zod';
import { MEMBER_ATTRIBUTES } from '../access/membership.ts';
import { jobErrorSchema } from './event-frame.ts';
import {
  MAX_SYNC_CURSOR,
  MAX_SYNC_DN,
  MAX_SYNC_EMAIL,
  MAX_SYNC_EMAILS,
  MAX_SYNC_MEMBERS,
  MAX_SYNC_OWNERS,
  MAX_SYNC_RECORDS,
  MAX_SYNC_TEXT,
} from './limits.ts';
import { countSchema, entryIdSchema, grantIdSchema, oneRequired, protocolIdSchema, syncModeSchema } from './values.ts';

/** As the directory spells it: what cannot be parsed is shown all the same. */
const dn = z.string().min(1).max(MAX_SYNC_DN);
const text = z.string().min(1).max(MAX_SYNC_TEXT);
const email = z.string().min(1).max(MAX_SYNC_EMAIL);
const cursor = z.string().min(1).max(MAX_SYNC_CURSOR);

const memberSchema = z.discriminatedUnion('source', [
  z.object({ userId: entryIdSchema, source: z.literal('standing') }),
  z.object({ userId: entryIdSchema, source: z.literal('grant'), grantId: grantIdSchema }),
]);

/** What one line of a stream tells. */
export const recordSchema = z.discriminatedUnion('record', [
  z.object({
    record: z.literal('user'),
    id: entryIdSchema,
    dn,
    username: text,
    fullName: text.exactOptional(),
    email: email.exactOptional(),
    emails: z.array(email).max(MAX_SYNC_EMAILS).readonly(),
    managerId: entryIdSchema.exactOptional(),
    enabled: z.boolean(),
  }),
  z.object({
    record: z.literal('group'),
    id: entryIdSchema,
    dn,
    name: text,
    description: text.exactOptional(),
    memberAttribute: z.enum(MEMBER_ATTRIBUTES),
    ownerIds: z.array(entryIdSchema).max(MAX_SYNC_OWNERS).readonly(),
    protected: z.boolean(),
  }),
  z.object({
    record: z.literal('members'),
    groupId: entryIdSchema,
    reset: z.literal(true).exactOptional(),
    add: z.array(memberSchema).max(MAX_SYNC_MEMBERS).readonly(),
    remove: z.array(entryIdSchema).max(MAX_SYNC_MEMBERS).readonly(),
  }),
  z.object({ record: z.literal('gone'), entity: z.enum(['user', 'group']), id: entryIdSchema }),
]);

/** Begins a stream; `baseCursor` is what a delta builds on. */
export const syncBeginSchema = z.object({
  type: z.literal('sync.begin'),
  syncId: protocolIdSchema,
  mode: syncModeSchema,
  baseCursor: cursor.exactOptional(),
});

/** Up to 500 records; pages are counted from 1. */
export const syncPageSchema = z.object({
  type: z.literal('sync.page'),
  syncId: protocolIdSchema,
  page: z.int().min(1),
  records: z.array(recordSchema).max(MAX_SYNC_RECORDS).readonly(),
});

/** Ends a stream that is whole; the counts are of the picture that it makes. */
export const syncEndSchema = z.object({
  type: z.literal('sync.end'),
  syncId: protocolIdSchema,
  pages: countSchema,
  counts: z.object({ users: countSchema, groups: countSchema, memberships: countSchema, membersOutOfScope: countSchema }),
  cursor,
});

/** Ends a stream that failed: the receiver throws its pages away. */
export const syncAbortSchema = z.object({ type: z.literal('sync.abort'), syncId: protocolIdSchema, error: jobErrorSchema });

/** Flow control for a page; for the end, that the picture is stored. */
export const syncAckSchema = z
  .object({
    type: z.literal('sync.ack'),
    syncId: protocolIdSchema,
    page: z.int().min(1).exactOptional(),
    end: z.literal(true).exactOptional(),
  })
  .refine(({ page, end }) => (page === undefined) !== (end === undefined), 'expected exactly one of page, end')
  .meta(oneRequired(['page', 'end']));
