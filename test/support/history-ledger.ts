import { type Ledger, LedgerError } from '../../src/ledger/ledger.ts';

/** The disk under the ledger of a history: it can be full, and a single call can fail. */
export interface FailingDisk {
  /** The ledger as the engine gets it; `seen` hears of each call before it is made. */
  under(ledger: Ledger, seen: (method: keyof Ledger, args: readonly unknown[]) => void): Ledger;
  /** The next call of the method rejects and changes nothing. */
  failNext(method: keyof Ledger): void;
  isFull(full: boolean): void;
  mend(): void;
}

/** What writes nothing goes on where no byte can be written. */
const READS: ReadonlySet<keyof Ledger> = new Set<keyof Ledger>([
  'identity',
  'job',
  'attachedJobs',
  'known',
  'pairState',
  'dueGrants',
  'nextExpiry',
  'unfinished',
  'countOwnershipUnknown',
  'listGrants',
  'events',
  'clockMark',
  'bindRefusal',
  'space',
  'close',
]);

export function failingDisk(onTrouble: () => void): FailingDisk {
  const planned = new Map<string, number>();
  let full = false;

  function refuses(method: keyof Ledger): boolean {
    const left = planned.get(method) ?? 0;
    if (left > 0) planned.set(method, left - 1);
    return left > 0 || (full && !READS.has(method));
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
          return call(...args);
        };
      }
      return watched as unknown as Ledger;
    },
    failNext: (method) => void planned.set(method, (planned.get(method) ?? 0) + 1),
    isFull(now) {
      full = now;
      onTrouble();
    },
    mend() {
      planned.clear();
      full = false;
    },
  };
}
