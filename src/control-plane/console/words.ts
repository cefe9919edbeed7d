import type { ConnectorRow, EventRow, GrantRow, GrantState, Named } from './answers.ts';

/** What a state looks like: `good`, `wait`, `bad` and `past` have a colour each. */
export type Tone = 'good' | 'wait' | 'bad' | 'past';

/** Of a grant's state, a word and how serious it is. */
export function stateWord(state: GrantState): { readonly word: string; readonly tone: Tone } {
  switch (state.kind) {
    case 'queued':
      return { word: 'waiting', tone: 'wait' };
    case 'taken':
      return { word: 'being given', tone: 'wait' };
    case 'delayed':
      return { word: 'delayed', tone: 'wait' };
    case 'active':
      return { word: state.standing === true ? 'standing' : 'active', tone: 'good' };
    case 'ending':
      return state.overdue === null ? { word: 'ending', tone: 'wait' } : { word: 'overdue', tone: 'bad' };
    case 'ended':
      return { word: 'ended', tone: 'past' };
    case 'failed':
      return { word: 'refused', tone: 'bad' };
    default:
      return state satisfies never;
  }
}

const CAUSES: Readonly<Record<string, string>> = {
  expired: 'expired',
  revoked: 'revoked',
  operator: 'ended by an operator',
  policy: 'ended by policy',
  user_gone: 'the user is gone',
  group_gone: 'the group is gone',
};

const MEMBERSHIPS: Readonly<Record<string, string>> = {
  removed: 'membership removed',
  kept_standing: 'membership kept: it was there before',
  kept_by_grant: 'membership kept by another grant',
  already_absent: 'membership was gone already',
};

/** How a grant ended, or why it has not. */
export function stateDetail(state: GrantState): string {
  switch (state.kind) {
    case 'queued':
      return 'the connector does not have it yet';
    case 'taken':
      return 'the connector has it';
    case 'delayed':
    case 'failed':
      return `${state.error.code}: ${state.error.message}`;
    case 'active':
      if (state.standing === 'unknown') return 'nobody knows whether the membership was there before';
      return state.standing ? 'was a member before, and stays one' : '';
    case 'ending':
      return state.overdue === null ? '' : `${state.overdue.error.code}: ${state.overdue.error.message}`;
    case 'ended':
      return endWords(state.cause, state.membership);
    default:
      return state satisfies never;
  }
}

function endWords(cause: string | null, membership: string | null): string {
  const words = [
    cause === null ? null : (CAUSES[cause] ?? cause),
    membership === null ? null : (MEMBERSHIPS[membership] ?? membership),
  ];
  return words.filter((word) => word !== null && word !== '').join(', ');
}

/** The name that a person knows: of the directory, else the first value of its DN, else as it was asked for. */
export function nameOf({ name, dn, asked }: Named): string {
  return name ?? (dn === null ? asked : firstValue(dn));
}

/** The value of the first attribute of a DN (RFC 4514), with its escapes undone. */
export function firstValue(dn: string): string {
  const value = /^[^=]*=((?:\\.|[^\\,+])*)/.exec(dn)?.[1] ?? dn;
  return value
    .replace(/(?:\\[\da-fA-F]{2})+/g, (bytes) => new TextDecoder().decode(Uint8Array.from(bytes.slice(1).split('\\'), hexByte)))
    .replace(/\\(.)/g, '$1');
}

function hexByte(hex: string): number {
  return Number.parseInt(hex, 16);
}

/** How a connector is, worst first. */
export function connectorWord({ connected, directory, stream, syncProblem }: ConnectorRow): {
  readonly word: string;
  readonly tone: Tone;
} {
  if (!connected) return { word: 'away', tone: 'bad' };
  if (directory.kind === 'down') return { word: 'directory down', tone: 'bad' };
  if (stream?.state === 'running') return { word: 'syncing', tone: 'wait' };
  if (syncProblem?.code === 'removals_held') return { word: 'sync held', tone: 'wait' };
  if (syncProblem !== null || (stream !== null && stream.state !== 'stored')) return { word: 'sync failed', tone: 'wait' };
  return { word: 'healthy', tone: 'good' };
}

/** The kinds that mean something has come to be, and those that a person should see; the others are news. */
const TONES: Readonly<Record<string, Tone>> = {
  'job.succeeded': 'good',
  'job.failed': 'bad',
  'job.delayed': 'wait',
  'grant.ended': 'past',
  'grant.overdue': 'bad',
  'grant.drifted': 'wait',
  'sync.completed': 'good',
  'sync.failed': 'bad',
  'policy.tripped': 'bad',
  'ledger.replaced': 'wait',
};

export function eventTone({ event }: EventRow): Tone {
  return event.kind === 'directory.changed' ? (event['state'] === 'up' ? 'good' : 'bad') : (TONES[event.kind] ?? 'past');
}

/** An event as a sentence. Of a kind that this page does not know, its fields. */
export function eventWords({ event }: EventRow, grants: ReadonlyMap<string, GrantRow>): string {
  const text = (field: string): string => textOf(event[field]);
  const problem = errorWords(event['error']);
  const whom = whomOf(event['grant'], grants);
  switch (event.kind) {
    case 'job.succeeded':
      return joined(text('outcome').replaceAll('_', ' '), whom);
    case 'job.failed':
      return joined(problem, whom);
    case 'job.delayed':
      return joined(`attempt ${text('attempts')}`, problem, whom);
    case 'grant.ended':
      return joined(whom, endWords(text('cause'), text('membership')));
    case 'grant.overdue':
      return joined(whom, problem);
    case 'grant.drifted':
      return joined(whom, `${text('observed').replaceAll('_', ' ')}, ${text('action')}`);
    case 'directory.changed':
      return joined(`directory is ${text('state')}`, problem);
    case 'sync.completed':
      return joined(
        `${text('mode')} sync`,
        `${text('users')} people, ${text('groups')} groups, ${text('memberships')} memberships; ` +
          `${text('changed')} changed, ${text('removed')} removed`,
      );
    case 'sync.failed':
      return joined(`${text('mode')} sync`, problem);
    case 'policy.tripped':
      return joined(text('rule'), text('detail'));
    case 'audit.checkpoint':
      return `${text('count')} records, ${text('hash').slice(0, 12)}…`;
    default:
      return Object.entries(event)
        .filter(([field]) => field !== 'kind')
        .map(([field, value]) => `${field} ${textOf(value)}`)
        .join(', ');
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

function joined(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(': ');
}

function errorWords(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const { code, message } = error as { code?: unknown; message?: unknown };
  return `${textOf(code)}: ${textOf(message)}`;
}

function whomOf(grant: unknown, grants: ReadonlyMap<string, GrantRow>): string {
  if (typeof grant !== 'object' || grant === null) return '';
  const { grantId, user, group } = grant as { grantId?: string; user?: { dn?: string } | null; group?: { dn?: string } | null };
  const known = grants.get(grantId ?? '');
  if (known !== undefined) return `${nameOf(known.user)} in ${nameOf(known.group)}`;
  return `${firstValue(user?.dn ?? '?')} in ${firstValue(group?.dn ?? '?')}`;
}
