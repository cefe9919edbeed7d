import { z } from 'zod';
import type { Parsed } from '../access/brand.ts';
import { parseDn } from '../access/dn.ts';
import { isProtocolId, parseEntryId, parseGrantId, parseJobId } from '../access/ids.ts';
import { parseInstant } from '../access/instant.ts';

function branded<T>(parse: (text: string) => Parsed<T>, maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .transform((text, context): T => {
      const parsed = parse(text);
      if (parsed.ok) return parsed.value;
      context.issues.push({ code: 'custom', message: parsed.problem, input: text });
      return z.NEVER;
    });
}

export const jobIdSchema = branded(parseJobId, 128);
export const grantIdSchema = branded(parseGrantId, 128);
/** An id of another kind than a job's or a grant's (PROTOCOL, Transport). */
export const protocolIdSchema = z.string().max(128).refine(isProtocolId, 'expected 1-128 of [A-Za-z0-9._:-]');
export const dnSchema = branded(parseDn, 8192);
export const instantSchema = branded(parseInstant, 40);

/** The canonical text of a stable id; other spellings are refused, so that one entry has one id on the wire. */
export const entryIdSchema = branded((text) => {
  const parsed = parseEntryId(text);
  return parsed.ok && parsed.value !== text ? { ok: false, problem: 'expected lower-case hex' } : parsed;
}, 64);

/** W3C Trace Context §3.2. */
export const traceparentSchema = z
  .string()
  .regex(/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/, 'expected a W3C traceparent');

export const syncModeSchema = z.enum(['full', 'delta']);
export const countSchema = z.int().min(0);
export const shortText = z.string().min(1).max(256);
export const longText = z.string().max(4096);

/** Turns a zod error into one sentence a person can act on: each field with what was wrong. */
export function describeIssues(error: z.ZodError): string {
  return error.issues
    .slice(0, 8)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`))
    .join('; ');
}
