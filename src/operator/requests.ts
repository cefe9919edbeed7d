import type { JobError } from '../access/outcome.ts';
import type { SyncMode } from '../access/sync.ts';

/** The socket in the state directory by which a person on the machine speaks to the running connector. */
export const OPERATOR_SOCKET = 'operator.sock';

/** Longest line of either side, in characters. */
export const MAX_LINE = 65_536;

/** What may be asked; one line of JSON. */
export interface OperatorRequest {
  readonly request: 'sync';
  readonly mode: SyncMode;
  readonly acceptRemovals: string | null;
}

/** What is answered: any number of lines that tell how far it is, and one that ends it. */
export type OperatorAnswer =
  | { readonly answer: 'progress'; readonly records: number }
  | { readonly answer: 'done' }
  | { readonly answer: 'failed'; readonly error: Pick<JobError, 'code' | 'message'> }
  /** Nothing could be told: there is no connection to the control plane. */
  | { readonly answer: 'unlinked' }
  /** It could not be understood. */
  | { readonly answer: 'refused'; readonly message: string };

/** Reads a request; null where it is none. */
export function parseRequest(line: string): OperatorRequest | null {
  const read = parseObject(line);
  const { request, mode, acceptRemovals = null } = read ?? {};
  if (request !== 'sync' || (mode !== 'full' && mode !== 'delta')) return null;
  if (acceptRemovals !== null && (typeof acceptRemovals !== 'string' || acceptRemovals.length > 128)) return null;
  return { request, mode, acceptRemovals };
}

/** Reads an answer of the connector; null where it is none. */
export function parseAnswer(line: string): OperatorAnswer | null {
  const read = parseObject(line);
  switch (read?.['answer']) {
    case 'done':
    case 'unlinked':
      return { answer: read['answer'] };
    case 'progress':
      return typeof read['records'] === 'number' ? { answer: 'progress', records: read['records'] } : null;
    case 'refused':
      return typeof read['message'] === 'string' ? { answer: 'refused', message: read['message'] } : null;
    case 'failed': {
      const error = read['error'] as Partial<JobError> | null | undefined;
      if (typeof error?.code !== 'string' || typeof error.message !== 'string') return null;
      return { answer: 'failed', error: { code: error.code, message: error.message } };
    }
    default:
      return null;
  }
}

function parseObject(line: string): Readonly<Record<string, unknown>> | null {
  try {
    const read: unknown = JSON.parse(line);
    return typeof read === 'object' && read !== null ? (read as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
