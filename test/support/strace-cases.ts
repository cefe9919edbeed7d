import type { Fault, TracedCall, WritingCall } from './strace.ts';

/** One call of a scenario to strike: the n-th of its name on the main thread. */
export interface Strike {
  readonly call: WritingCall;
  readonly nth: number;
  readonly fault: Fault;
}

/** What a call is made on: the ledger and what stands beside it, a connection, the log, or libuv's own wake-ups. */
export type Ground = 'file' | 'connection' | 'log' | 'wake-up';

export const FAULTS: readonly Fault[] = ['KILL', 'EIO', 'ENOSPC'];

/**
 * Where a fault can come from: a disk is full where files are, and where the log goes, if that is one. A write to an eventfd
 * or a pipe of libuv's own cannot fail in this way, and libuv aborts if it does; but any call may be the last one.
 */
const HAPPENS: Record<Ground, readonly Fault[]> = {
  file: ['KILL', 'EIO', 'ENOSPC'],
  connection: ['KILL', 'EIO'],
  log: ['KILL', 'EIO', 'ENOSPC'],
  'wake-up': ['KILL'],
};

/** Further than was recorded, since no two runs need to be alike to the call. */
const BEYOND = 3;

export function groundOf({ on }: Pick<TracedCall, 'on'>): Ground {
  if (on.startsWith('/')) return 'file';
  if (on.startsWith('TCP')) return 'connection';
  return on.startsWith('UNIX') ? 'log' : 'wake-up';
}

/**
 * A fault that strayed to a pipe or an eventfd of libuv's own, where none can be: strace counts the calls of a name, not what they
 * are made on. Such a process may do anything but believe what is wrong. It aborts; or libuv gives the lock of its signal handler
 * back by such a write, does not look at what came of it, and waits for that lock for ever when the process exits.
 */
export function hasStrayed(calls: readonly TracedCall[]): boolean {
  return calls.some((call) => call.injected && groundOf(call) === 'wake-up');
}

/** Every call that was recorded, with every fault that can strike it, in the order in which they were made; then some more. */
export function allStrikes(recorded: readonly TracedCall[]): Strike[] {
  const strikes: Strike[] = recordedStrikes(recorded);
  for (const call of new Set(recorded.map(({ name }) => name))) {
    const count = recorded.filter(({ name }) => name === call).length;
    for (let nth = count + 1; nth <= count + BEYOND; nth += 1) strikes.push({ call, nth, fault: 'KILL' });
  }
  return strikes;
}

/** A few of them: with each fault some that lie evenly apart, and every other kind of call once, with one fault or another. */
export function someStrikes(recorded: readonly TracedCall[], ofEach: number): Strike[] {
  const all = recordedStrikes(recorded);
  const some = FAULTS.flatMap((fault, shift) => {
    const struck = all.filter((strike) => strike.fault === fault);
    const every = struck.length / ofEach;
    return Array.from({ length: ofEach }, (_, at) => struck[Math.floor(every * (at + (shift + 1) / 4))]);
  }).filter((strike) => strike !== undefined);
  const met = new Set(some.map(({ kind }) => kind));
  const kinds = new Set(all.map(({ kind }) => kind).filter((kind) => !met.has(kind)));
  const others = [...kinds].map((kind, at) => {
    const struck = all.filter((strike) => strike.kind === kind);
    const fault = FAULTS[(at + 1) % FAULTS.length];
    const preferred = struck.filter((strike) => strike.fault === fault);
    const possible = preferred.length > 0 ? preferred : struck;
    return possible[Math.floor((possible.length - 1) / 2)];
  });
  return [...some, ...others.filter((strike) => strike !== undefined)];
}

/** A kind is what is done, and on what. */
function recordedStrikes(recorded: readonly TracedCall[]): (Strike & { readonly kind: string })[] {
  const counts = new Map<WritingCall, number>();
  return recorded.flatMap((call) => {
    const nth = (counts.get(call.name) ?? 0) + 1;
    counts.set(call.name, nth);
    const kind = `${call.name} ${groundOf(call)}`;
    return HAPPENS[groundOf(call)].map((fault) => ({ call: call.name, nth, fault, kind }));
  });
}
