import { z } from 'zod';
import type { Dn } from '../../access/dn.ts';
import type { EntryId, GrantId, JobId } from '../../access/ids.ts';
import type { Instant } from '../../access/instant.ts';
import { MEMBER_ATTRIBUTES } from '../../access/membership.ts';
import { LedgerError } from '../ledger.ts';

// Names and ids were parsed at the edge before they came here. They are not parsed again: a stricter parser in a later
// version would make an old grant unreadable, and a grant that cannot be read cannot be ended.
function storedText<T extends string>() {
  return z.custom<T>((value) => typeof value === 'string', 'expected text');
}

export const dnColumn = storedText<Dn>();
export const entryIdColumn = storedText<EntryId>();
export const grantIdColumn = storedText<GrantId>();
export const jobIdColumn = storedText<JobId>();
export const instantColumn = z.custom<Instant>((value) => Number.isSafeInteger(value), 'expected milliseconds since 1970');
export const memberAttributeColumn = z.enum(MEMBER_ATTRIBUTES);
export const syncModeColumn = z.enum(['full', 'delta']);
export const endCauseColumn = z.enum(['revoked', 'expired', 'operator', 'policy', 'user_gone', 'group_gone']);
export const endedMembershipColumn = z.enum(['removed', 'kept_standing', 'kept_by_grant', 'already_absent']);
export const entryRefSchema = z.object({ id: entryIdColumn, dn: dnColumn });
export const standingSchema = z.union([z.boolean(), z.literal('unknown')]);

/** A boolean, kept as 0 or 1. */
export const flagColumn = z.union([z.literal(0), z.literal(1)]).transform((flag) => flag === 1);

/** Standing, kept as a word. */
export const standingColumn = z
  .enum(['true', 'false', 'unknown'])
  .transform((word): boolean | 'unknown' => (word === 'unknown' ? word : word === 'true'));

/** A column of JSON text. */
export function jsonColumn<S extends z.ZodType>(schema: S) {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.issues.push({ code: 'custom', message: 'expected JSON', input: text });
        return z.NEVER;
      }
    })
    .pipe(schema);
}

/** Reads a row; one that is not as this version writes it is damage. */
export function readRow<S extends z.ZodType>(schema: S, row: unknown): z.output<S> {
  const read = schema.safeParse(row);
  if (read.success) return read.data;
  const issues = read.error.issues.slice(0, 4).map(({ path, message }) => `${path.map(String).join('.')}: ${message}`);
  throw new LedgerError(
    'damaged',
    `the ledger holds a row that this version cannot read (${issues.join('; ')}): run the version that wrote it, and report this`,
    { cause: read.error },
  );
}
