import type { Parsed } from '../access/brand.ts';
import { judgeShape, type ShapeLimits } from './json-shape.ts';

/** Reads a text that must be one JSON object, within limits and no member twice. The problem goes on the name of the text. Never throws. */
export function readJsonObject(text: string, limits: ShapeLimits): Parsed<Record<string, unknown>> {
  // First, since making objects of a text that is all brackets would hold up everything else.
  const shape = judgeShape(text, limits);
  let value: unknown;
  try {
    value = shape.ok || shape.readable ? JSON.parse(text) : undefined;
  } catch {
    return { ok: false, problem: 'is not JSON' };
  }
  if (!shape.ok) return { ok: false, problem: `is refused: ${shape.problem}` };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { ok: false, problem: 'is not a JSON object' };
  return { ok: true, value: value as Record<string, unknown> };
}
