import type { IncomingMessage } from 'node:http';
import type { Desk } from './desk.ts';
import { RequestProblem } from './requests.ts';

const MAX_BODY_BYTES = 65_536;

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

/** The body of a request. Throws a RequestProblem where it is no JSON object, or too long. */
export async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new RequestProblem(413, `the body is too long; expected at most ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RequestProblem(400, text === '' ? 'found no body; expected a JSON object' : 'the body is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RequestProblem(400, 'expected the body to be a JSON object');
  }
  return value as Record<string, unknown>;
}
