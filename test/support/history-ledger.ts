import { type Ledger, LedgerError, type Space } from '../../src/ledger/ledger.ts';

/** The disk under the ledger of a history: it can be full, and a single call can fail. */
export interface FailingDisk {
  /** The ledger as the engine gets it; `seen` hears of each call before it is made. */
  under(ledger: Ledger, seen: (method: keyof Ledger, args: readonly unknown[]) => void): Ledger;
  /** The next call of the method rejects and changes nothing. */
  failNext(method: keyof Ledger): void;
  has(room: Space | 'none'): void;
  room(): Space | 'none';
  mend(): void;
}

/** What writes nothing goes on where no byte can be written. */
const READS: ReadonlySet<keyof Ledger> = new Set<keyof Ledger>([
  'identity',
  'job',
  'attachedJobs',
  'known',
  'pairState',
  'pairHistory',
  'lastEnded',
  'pausedSince',
  'endingState',
  'dueGrants',
  'nextExpiry',
  'unfinished',
  'census',
  'replacedIntents',
  'doubts',
  'countOwnershipUnknown',
  'countOpenGrants',
  'groupsOfOpenGrants',
  'policyNotes',
  'heldMemberships',
  'activeMemberships',
  'listGrants',
  'events',
  'auditHead',
  'auditOf',
  'clockMark',
  'bindRefusal',
  'space',
  'close',
]);

export function failingDisk(onTrouble: () => void): FailingDisk {
  const planned = new Map<string, number>();
  let room: Space | 'none' = 'ok';

  function refuses(method: keyof Ledger): boolean {
    const left = planned.get(method) ?? 0;
    if (left > 0) planned.set(method, left - 1);
    return left > 0 || (room === 'none' && !READS.has(method));
  }

  return {
    under(ledger, seen) {
      const watched = { ...ledger } as unknown as Record<string, (...args: unknown[]) => unknown>;
      for (const [name, call] of Object.entries(watched)) {
        if (typeof call !== 'function') continue;
        const method = name as keyof Ledger;
        watched[name] = (...args) => {
          if (refuses(method)) {
            onTrouble();
            return Promise.reject(new LedgerError('no_space', 'the disk is full'));
          }
          seen(method, args);
          return method === 'space' && room !== 'ok' ? Promise.resolve(room === 'none' ? 'endings_only' : room) : call(...args);
        };
      }
      return watched as unknown as Ledger;
    },
    room: () => room,
    failNext: (method) => void planned.set(method, (planned.get(method) ?? 0) + 1),
    has(now) {
      room = now;
      onTrouble();
    },
    mend() {
      planned.clear();
      room = 'ok';
    },
  };
}
