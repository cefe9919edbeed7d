import type { Desk } from './desk.ts';
import { RequestProblem } from './requests.ts';

/** What an answer is made of. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** A request, read. */
export interface Asked {
  readonly desk: Desk;
  /** The part of the path that the route leaves open. */
  readonly id: string;
  readonly query: URLSearchParams;
  readonly body: () => Promise<Record<string, unknown>>;
  /** Resolves after the time, or as soon as there is something new, or when the client went away. */
  readonly news: (withinMs: number) => Promise<void>;
}

export type Respond = (asked: Asked) => Answer | Promise<Answer>;

export function ok(body: unknown): Answer {
  return { status: 200, body };
}

/** A number of the query. Throws a RequestProblem where it is none, or too large. */
export function wholeNumber(
  query: URLSearchParams,
  name: string,
  { otherwise, atMost }: { otherwise: number; atMost: number },
): number {
  const text = query.get(name);
  if (text === null) return otherwise;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > atMost)
    throw new RequestProblem(400, `${name}: found ${text}; expected a whole number up to ${atMost}`);
  return value;
}
