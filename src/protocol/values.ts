import { z } from 'zod';
import type { Parsed } from '../access/brand.ts';
import { parseDn } from '../access/dn.ts';
import { isProtocolId, parseEntryId, parseGrantId, parseJobId } from '../access/ids.ts';
import { parseInstant } from '../access/instant.ts';

/** What the published schema says of a text that is parsed here; a validator of others knows no more of it. */
interface Told {
  readonly pattern?: string;
  readonly format?: string;
  readonly description?: string;
}

function branded<T>(parse: (text: string) => Parsed<T>, { maxLength, ...told }: Told & { readonly maxLength: number }) {
  return z
    .string()
    .max(maxLength)
    .meta(told)
    .transform((text, context): T => {
      const parsed = parse(text);
      if (parsed.ok) return parsed.value;
      context.issues.push({ code: 'custom', message: parsed.problem, input: text });
      return z.NEVER;
    });
}

const ID = { maxLength: 128, pattern: '^[A-Za-z0-9._:-]{1,128}$' };

export const jobIdSchema = branded(parseJobId, ID);
export const grantIdSchema = branded(parseGrantId, ID);
/** An id of another kind than a job's or a grant's (PROTOCOL, Transport). */
export const protocolIdSchema = z
  .string()
  .max(128)
  .refine(isProtocolId, 'expected 1-128 of [A-Za-z0-9._:-]')
  .meta({ pattern: ID.pattern });
export const dnSchema = branded(parseDn, { maxLength: 8192, description: 'A distinguished name (RFC 4514).' });
export const instantSchema = branded(parseInstant, { maxLength: 40, format: 'date-time', description: 'RFC 3339.' });

/** The canonical text of a stable id; other spellings are refused, so that one entry has one id on the wire. */
export const entryIdSchema = branded(
  (text) => {
    const parsed = parseEntryId(text);
    return parsed.ok && parsed.value !== text ? { ok: false, problem: 'expected lower-case hex' } : parsed;
  },
  {
    maxLength: 64,
    pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
    description: 'The stable id of an entry.',
  },
);

/** W3C Trace Context §3.2. */
export const traceparentSchema = z
  .string()
  .regex(/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/, 'expected a W3C traceparent');

export const syncModeSchema = z.enum(['full', 'delta']);
export const countSchema = z.int().min(0);
export const shortText = z.string().min(1).max(256);
export const longText = z.string().max(4096);

/** For the published schema: exactly one of these members is there. */
export function oneRequired(names: readonly string[]): { readonly oneOf: readonly { readonly required: readonly string[] }[] } {
  return { oneOf: names.map((name) => ({ required: [name] })) };
}

/** Turns a zod error into one sentence a person can act on: each field with what was wrong. */
export function describeIssues(error: z.ZodError): string {
  return error.issues
    .slice(0, 8)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`))
    .join('; ');
}
