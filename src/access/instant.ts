import type { Branded, Parsed } from './brand.ts';

/** A point in time: milliseconds since 1970-01-01T00:00:00Z, an integer. */
export type Instant = Branded<number, 'Instant'>;

/** 9999-12-31T23:59:59.999Z, the last instant that RFC 3339 can write. */
const LAST_INSTANT_MS = 253_402_300_799_999;

/** Makes an instant of milliseconds since the epoch; values outside RFC 3339's years are held at its ends. */
export function instant(epochMs: number): Instant {
  return Math.min(Math.max(Math.trunc(epochMs), 0), LAST_INSTANT_MS) as Instant;
}

/** The instant `ms` milliseconds after `at` (before it, if negative). */
export function later(at: Instant, ms: number): Instant {
  return instant(at + ms);
}

/** The earliest of the given instants; `undefined` where none is given. */
export function earliest(...instants: readonly (Instant | undefined)[]): Instant | undefined {
  let first: Instant | undefined;
  for (const one of instants) {
    if (one !== undefined && (first === undefined || one < first)) first = one;
  }
  return first;
}

const RFC_3339_UTC = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z$/;

/** Reads an RFC 3339 date-time in UTC (`2026-01-31T12:00:00.000Z`); digits beyond milliseconds are dropped. */
export function parseInstant(text: string): Parsed<Instant> {
  const problem = 'expected an RFC 3339 time in UTC such as 2026-01-31T12:00:00.000Z';
  if (!RFC_3339_UTC.test(text)) return { ok: false, problem };
  const epochMs = Date.parse(text.replace(/(\.\d{3})\d+Z$/, '$1Z'));
  // Date.parse rolls 31 February over into March; the day that comes back tells.
  if (Number.isNaN(epochMs) || epochMs < 0 || new Date(epochMs).getUTCDate() !== Number(text.slice(8, 10))) {
    return { ok: false, problem };
  }
  return { ok: true, value: instant(epochMs) };
}

/** Writes an instant as RFC 3339 in UTC with milliseconds. */
export function formatInstant(at: Instant): string {
  return new Date(at).toISOString();
}
