import { envelopeOf, REQUEST } from './ldap-messages.ts';
import type { Fault, Strike } from './ldap-strikes.ts';

/** Timeouts of the connector under faults, short so that many can be waited for. */
export const TIMEOUT_MS = 1_000;
/** A delay that the timeouts bear, and one that they do not. */
const SHORT_MS = 300;
const LONG_MS = 1_600;
/** How long after its connection a request arrives; less than the connector waits for late writes. */
const LATE_MS = 600;
export const LATE_WRITE_MS = 1_500;

export const OPERATIONS = ['grant', 'revoke', 'expiry'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** The one membership that a cell is about. */
export interface Target {
  readonly groupDn: string;
  readonly value: string;
}

type Phase =
  | 'connect'
  | 'tls'
  | 'bind request'
  | 'bind answer'
  | 'identity'
  | 'look'
  | 'probe'
  | 'modify request'
  | 'modify answer'
  | 'probe after'
  | 'idle';

type FaultName = Exclude<Fault, 'delay'> | 'short delay' | 'long delay';

const SPOILT: readonly FaultName[] = [
  'drop',
  'short delay',
  'long delay',
  'truncate-silence',
  'truncate-close',
  'reset',
  'half-close',
];
const SPOILT_ANSWER: readonly FaultName[] = [...SPOILT, 'corrupt', 'duplicate'];

const FAULTS: Readonly<Record<Phase, readonly FaultName[]>> = {
  connect: ['drop', 'short delay', 'long delay', 'reset', 'half-close', 'refuse'],
  tls: SPOILT_ANSWER,
  'bind request': SPOILT,
  'bind answer': SPOILT_ANSWER,
  identity: SPOILT_ANSWER,
  look: SPOILT_ANSWER,
  probe: SPOILT_ANSWER,
  'modify request': [...SPOILT, 'duplicate', 'late'],
  'modify answer': SPOILT_ANSWER,
  'probe after': SPOILT_ANSWER,
  idle: ['drop', 'truncate-silence', 'truncate-close', 'reset', 'half-close', 'corrupt', 'duplicate'],
};

export interface Cell {
  readonly operation: Operation;
  readonly phase: Phase;
  readonly fault: FaultName;
}

export const CELLS: readonly Cell[] = OPERATIONS.flatMap((operation) =>
  Object.entries(FAULTS).flatMap(([phase, faults]) => faults.map((fault) => ({ operation, phase: phase as Phase, fault }))),
);

/** True where the fault meets a connection that is being made: the one before it must go. */
export function isWhileConnecting({ phase }: Cell): boolean {
  return ['connect', 'tls', 'bind request', 'bind answer', 'identity'].includes(phase);
}

/** True where it meets whatever comes next, and so must be armed just before. */
export function isUnspecific(cell: Cell): boolean {
  return isWhileConnecting(cell) || cell.phase === 'idle' || cell.phase === 'look';
}

/** False where the connection may outlive the fault: an entry that comes twice, for one, is only one entry too many. */
export function endsConnection({ fault }: Cell): boolean {
  return fault !== 'short delay' && fault !== 'duplicate';
}

export function strikeOf(cell: Cell, target: Target): Strike {
  const { phase, fault } = cell;
  return { place: placeOf(phase, target), ...FAULT_OF[fault] };
}

const FAULT_OF: Readonly<Record<FaultName, { fault: Fault; delayMs?: number }>> = {
  drop: { fault: 'drop' },
  'short delay': { fault: 'delay', delayMs: SHORT_MS },
  'long delay': { fault: 'delay', delayMs: LONG_MS },
  'truncate-silence': { fault: 'truncate-silence' },
  'truncate-close': { fault: 'truncate-close' },
  reset: { fault: 'reset' },
  'half-close': { fault: 'half-close' },
  corrupt: { fault: 'corrupt' },
  duplicate: { fault: 'duplicate' },
  refuse: { fault: 'refuse', delayMs: SHORT_MS },
  late: { fault: 'late', delayMs: LATE_MS },
};

function placeOf(phase: Phase, target: Target): Strike['place'] {
  const is = (tag: number) => (request: Buffer) => envelopeOf(request).tag === tag;
  const names = ({ groupDn, value }: Target, request: Buffer) => request.includes(groupDn) && request.includes(value);
  const isModify = (request: Buffer) => is(REQUEST.modify)(request) && names(target, request);
  const isProbe = (request: Buffer) => is(REQUEST.search)(request) && names(target, request);
  switch (phase) {
    case 'connect':
    case 'tls':
    case 'idle':
      return { at: phase };
    case 'bind request':
      return { at: 'request', of: is(REQUEST.bind) };
    case 'bind answer':
      return { at: 'answer', of: is(REQUEST.bind) };
    case 'identity':
      return { at: 'answer', of: is(REQUEST.extended) };
    case 'look':
      return { at: 'answer', of: is(REQUEST.search) };
    case 'probe':
      return { at: 'answer', of: isProbe };
    case 'modify request':
      return { at: 'request', of: isModify };
    case 'modify answer':
      return { at: 'answer', of: isModify };
    case 'probe after': {
      let isWritten = false;
      return {
        at: 'answer',
        of(request) {
          isWritten ||= isModify(request);
          return isWritten && isProbe(request);
        },
      };
    }
    default:
      return phase satisfies never;
  }
}
