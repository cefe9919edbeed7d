import type { Branded, Parsed } from './brand.ts';

/** The control plane's name for one request; 1–128 of `[A-Za-z0-9._:-]`, never reused for other content. */
export type JobId = Branded<string, 'JobId'>;

/** The control plane's name for one grant; same alphabet as a {@link JobId}, never reused. */
export type GrantId = Branded<string, 'GrantId'>;

/** The directory's own stable id of an entry in canonical text: lower-case hex as 8-4-4-4-12. */
export type EntryId = Branded<string, 'EntryId'>;

const PROTOCOL_ID = /^[A-Za-z0-9._:-]{1,128}$/;
const ENTRY_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** True for a legible protocol id: 1–128 characters of `[A-Za-z0-9._:-]`. */
export function isProtocolId(text: unknown): text is string {
  return typeof text === 'string' && PROTOCOL_ID.test(text);
}

/** Reads a job id. */
export function parseJobId(text: string): Parsed<JobId> {
  return isProtocolId(text) ? { ok: true, value: text as JobId } : { ok: false, problem: 'expected 1-128 of [A-Za-z0-9._:-]' };
}

/** Reads a grant id. */
export function parseGrantId(text: string): Parsed<GrantId> {
  return isProtocolId(text) ? { ok: true, value: text as GrantId } : { ok: false, problem: 'expected 1-128 of [A-Za-z0-9._:-]' };
}

/** Reads a stable id as the directory prints it (any case); the result is lower-case. */
export function parseEntryId(text: string): Parsed<EntryId> {
  const canonical = text.toLowerCase();
  return ENTRY_ID.test(canonical)
    ? { ok: true, value: canonical as EntryId }
    : { ok: false, problem: 'expected a stable id as lower-case hex, 8-4-4-4-12' };
}
