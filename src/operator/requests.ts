import { type EntryId, type GrantId, parseEntryId, parseGrantId } from '../access/ids.ts';
import type {
  AskedGrant,
  ExplainedGrant,
  GrantChoice,
  OperatorNews,
  OperatorRequest,
  OperatorResult,
  ShownGrant,
  ToldLine,
} from '../access/operator.ts';
import type { ToldSync } from '../access/sync.ts';

/** The socket in the state directory by which a person on the machine speaks to the running connector. */
export const OPERATOR_SOCKET = 'operator.sock';

/** Longest line of either side, in characters: a grant or a sentence of its story, with names as long as a directory has them. */
export const MAX_LINE = 65_536;

/** Longest text that a person gives, in characters. */
const MAX_TEXT = 4096;
/** Longest wait, in milliseconds: a day. */
const MAX_WAIT_MS = 86_400_000;

type Read = Readonly<Record<string, unknown>>;

/** Reads a request; null where it is none. */
export function parseRequest(line: string): OperatorRequest | null {
  const read = parseObject(line);
  if (read === null) return null;
  switch (read['request']) {
    case 'sync': {
      const { mode, acceptRemovals = null } = read;
      if (mode !== 'full' && mode !== 'delta') return null;
      if (acceptRemovals !== null && (typeof acceptRemovals !== 'string' || acceptRemovals.length > 128)) return null;
      return { request: 'sync', mode, acceptRemovals };
    }
    case 'health':
      return { request: 'health' };
    case 'grants':
      return { request: 'grants', isEndedToo: read['isEndedToo'] === true };
    case 'show': {
      const grantId = grantIdOf(read['grantId']);
      return grantId === null ? null : { request: 'show', grantId };
    }
    case 'choose': {
      const choice = choiceOf(read['choice']);
      return choice === null ? null : { request: 'choose', choice };
    }
    case 'explain': {
      const asked = askedGrantOf(read['asked']);
      return asked === null ? null : { request: 'explain', asked };
    }
    default:
      return parseCommand(read);
  }
}

/** What changes something says who asks. */
function parseCommand(read: Read): OperatorRequest | null {
  const { by, reason = null } = read;
  if (!isText(by) || (reason !== null && !isText(reason))) return null;
  const asker = { by, reason };
  switch (read['request']) {
    case 'revoke': {
      const choice = choiceOf(read['choice']);
      const { waitMs } = read;
      if (choice === null || !Number.isInteger(waitMs) || Number(waitMs) < 0 || Number(waitMs) > MAX_WAIT_MS) return null;
      return { request: 'revoke', choice, waitMs: Number(waitMs), ...asker };
    }
    case 'adopt': {
      const grantId = grantIdOf(read['grantId']);
      return grantId === null ? null : { request: 'adopt', grantId, isStanding: read['isStanding'] === true, ...asker };
    }
    case 'pause':
    case 'resume':
      return { request: read['request'], ...asker };
    case 'accept_clock':
      return { request: 'accept_clock', ...asker };
    default:
      return null;
  }
}

function askedGrantOf(read: unknown): AskedGrant | null {
  if (!isObject(read)) return null;
  const { user, group, durationMs, requestedBy = null } = read;
  if (!isText(user) || !isText(group) || (requestedBy !== null && !isText(requestedBy))) return null;
  if (typeof durationMs !== 'number' || !Number.isSafeInteger(durationMs) || durationMs <= 0) return null;
  return { user, group, durationMs, requestedBy };
}

function choiceOf(read: unknown): GrantChoice | null {
  if (!isObject(read)) return null;
  switch (read['by']) {
    case 'grant': {
      const grantId = grantIdOf(read['grantId']);
      return grantId === null ? null : { by: 'grant', grantId };
    }
    case 'user':
    case 'group': {
      const { by, named } = read;
      if (!isText(named)) return null;
      if (read['id'] === undefined) return { by, named };
      const id = entryIdOf(read['id']);
      return id === null ? null : { by, named, id };
    }
    case 'all':
      return { by: 'all' };
    default:
      return null;
  }
}

/** What a line of the connector says: news, or the result that ends it; null where it is neither. */
export type OperatorAnswer = OperatorNews | OperatorResult;

/** Reads an answer of the connector; null where it is none. A grant is taken as that connector shows it. */
export function parseAnswer(line: string): OperatorAnswer | null {
  const read = parseObject(line);
  if (read === null) return null;
  switch (read['answer']) {
    case 'done':
      return {
        answer: 'done',
        ...(isText(read['message']) ? { message: read['message'] } : {}),
        ...(isToldSync(read['sync']) ? { sync: read['sync'] } : {}),
      };
    case 'unlinked':
      return { answer: 'unlinked' };
    case 'health':
      return { answer: 'health', isReady: read['isReady'] === true, parts: textsOf(read['parts']) };
    case 'progress':
      return typeof read['records'] === 'number' ? { answer: 'progress', records: read['records'] } : null;
    case 'accepted':
      return typeof read['grants'] === 'number' ? { answer: 'accepted', grants: read['grants'] } : null;
    case 'grant':
    case 'ended':
    case 'left':
      return isShownGrant(read['grant']) ? { answer: read['answer'], grant: read['grant'] } : null;
    case 'told':
      return isToldLine(read['line']) ? { answer: 'told', line: read['line'] } : null;
    case 'chosen': {
      const choice = choiceOf(read['choice']);
      return choice === null ? null : { answer: 'chosen', choice };
    }
    case 'explained':
      return isExplained(read['explained']) ? { answer: 'explained', explained: read['explained'] } : null;
    case 'refused':
      return typeof read['message'] === 'string' ? { answer: 'refused', message: read['message'] } : null;
    case 'failed': {
      const { error } = read;
      if (!isObject(error) || typeof error['code'] !== 'string' || typeof error['message'] !== 'string') return null;
      return { answer: 'failed', error: { code: error['code'], message: error['message'] } as FailedError };
    }
    default:
      return null;
  }
}

type FailedError = Extract<OperatorResult, { answer: 'failed' }>['error'];

/** True for what is told on the way, false for what ends an answer. */
export function isNews(answer: OperatorAnswer): answer is OperatorNews {
  return IS_NEWS[answer.answer];
}

const IS_NEWS: Record<OperatorAnswer['answer'], boolean> = {
  progress: true,
  grant: true,
  told: true,
  accepted: true,
  ended: true,
  left: true,
  done: false,
  chosen: false,
  explained: false,
  health: false,
  failed: false,
  unlinked: false,
  refused: false,
};

function textsOf(read: unknown): Readonly<Record<string, string>> {
  if (!isObject(read)) return {};
  return Object.fromEntries(Object.entries(read).map(([name, text]) => [name, String(text)]));
}

function isShownGrant(read: unknown): read is ShownGrant {
  return isObject(read) && typeof read['grantId'] === 'string' && typeof read['state'] === 'string';
}

function isExplained(read: unknown): read is ExplainedGrant {
  return (
    isObject(read) && typeof read['result'] === 'string' && typeof read['message'] === 'string' && Array.isArray(read['binds'])
  );
}

function isToldLine(read: unknown): read is ToldLine {
  return isObject(read) && typeof read['at'] === 'number' && typeof read['text'] === 'string';
}

function isToldSync(read: unknown): read is ToldSync {
  if (!isObject(read) || typeof read['syncId'] !== 'string' || typeof read['mode'] !== 'string') return false;
  const { counts, changed, removed } = read;
  if (!isObject(counts)) return false;
  const { users, groups, memberships, membersOutOfScope } = counts;
  return [changed, removed, users, groups, memberships, membersOutOfScope].every(Number.isSafeInteger);
}

function grantIdOf(read: unknown): GrantId | null {
  const id = typeof read === 'string' ? parseGrantId(read) : null;
  return id?.ok === true ? id.value : null;
}

function entryIdOf(read: unknown): EntryId | null {
  const id = typeof read === 'string' ? parseEntryId(read) : null;
  return id?.ok === true ? id.value : null;
}

function isText(read: unknown): read is string {
  return typeof read === 'string' && read.trim() !== '' && read.length <= MAX_TEXT;
}

function parseObject(line: string): Read | null {
  try {
    const read: unknown = JSON.parse(line);
    return isObject(read) ? read : null;
  } catch {
    return null;
  }
}

function isObject(read: unknown): read is Read {
  return typeof read === 'object' && read !== null;
}
