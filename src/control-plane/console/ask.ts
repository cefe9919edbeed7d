/** What came of a request: an answer, a refusal in the stub's own words, or nothing that anyone knows of. */
export type Asked<Body> =
  | { readonly kind: 'answered'; readonly body: Body }
  | { readonly kind: 'refused'; readonly status: number; readonly problem: string }
  | { readonly kind: 'unreachable' };

/** Loopback answers in milliseconds; a stub that is stopped for a while is not waited for longer. */
const PATIENCE_MS = 10_000;

/** Asks the stub's API. Never rejects, unless the signal aborts. */
export async function ask<Body>(
  path: string,
  { method = 'GET', body }: { method?: 'GET' | 'POST' | 'DELETE'; body?: unknown } = {},
  signal?: AbortSignal,
): Promise<Asked<Body>> {
  const signals = [AbortSignal.timeout(PATIENCE_MS), ...(signal === undefined ? [] : [signal])];
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  try {
    const response = await fetch(path, { method, ...sent, signal: AbortSignal.any(signals) });
    const answer = (await response.json()) as Body & { readonly error?: string };
    if (response.ok) return { kind: 'answered', body: answer };
    return { kind: 'refused', status: response.status, problem: answer.error ?? response.statusText };
  } catch (error) {
    if (signal?.aborted === true) throw error;
    return { kind: 'unreachable' };
  }
}
