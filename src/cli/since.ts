import type { Parsed } from '../access/brand.ts';
import { type Instant, instant, later, parseInstant } from '../access/instant.ts';
import { duration } from '../config/values.ts';

const SPAN = duration('1s', '36500d');

/** Reads an instant, or a span before now; null stays null. */
export function parseSince(text: string | null, nowMs: number): Parsed<Instant | null> {
  if (text === null) return { ok: true, value: null };
  const at = parseInstant(text);
  if (at.ok) return at;
  const span = SPAN.read(text);
  if (span.ok) return { ok: true, value: later(instant(nowMs), -span.value) };
  return {
    ok: false,
    problem: 'expected an RFC 3339 time in UTC such as 2026-01-31T12:00:00Z, or a span before now such as 8h or 7d',
  };
}
