import type { Socket } from 'node:net';
import { envelopeOf } from './ldap-messages.ts';

/**
 * What goes wrong. `drop` lets nothing more pass in either direction and closes nothing; `delay` holds what it meets, and
 * what comes behind it, for `delayMs`; the two `truncate` let half of it pass and then say nothing, or close; `reset` sends an RST; `half-close` sends
 * a FIN and goes on reading; `corrupt` changes one byte; `duplicate` lets it pass twice; `refuse` lets nobody listen for
 * `delayMs`; `late` resets the connection and lets the request reach the server `delayMs` after that.
 */
export type Fault =
  | 'drop'
  | 'delay'
  | 'truncate-silence'
  | 'truncate-close'
  | 'reset'
  | 'half-close'
  | 'corrupt'
  | 'duplicate'
  | 'refuse'
  | 'late';

/**
 * Where it goes wrong: at a new connection, at the server's first bytes of its handshake, at a request, at the first message
 * that answers a request, or on a connection on which nothing is asked.
 */
export type Place =
  | { readonly at: 'connect' | 'tls' | 'idle' }
  | { readonly at: 'request' | 'answer'; readonly of: (request: Buffer) => boolean };

export interface Strike {
  readonly place: Place;
  readonly fault: Fault;
  readonly delayMs?: number;
  /** How long the connection goes on before it is reset (`reset`, `late`), without what was met. Default 0. */
  readonly lingerMs?: number;
}

export interface Struck {
  /** Resolves when the fault has met something. */
  readonly met: Promise<void>;
  /**
   * Resolves when the connection is closed, with how long the client held on to it after the fault or, on an idle one, after
   * its next request.
   */
  readonly heldMs: Promise<number>;
  /** Resolves when a request that was held back has been answered by the server, or never will be; at once where none was. */
  readonly arrived: Promise<void>;
}

/** A strike that waits for what it is to spoil, or has met it. */
export interface Armed extends Struck {
  readonly strike: Strike;
  hit(connection: Connection): void;
  arrive(): void;
}

export interface Connection {
  readonly raw: Socket;
  /** Nothing passes any more. */
  isDead: boolean;
  /** Requests that will reach the server whether or not the client is still there. */
  late: number;
  /** When the client first asked for something after the connection was struck while idle. */
  askedAtMs: number | null;
}

/** Lets bytes go on their way; `done` when they have left. */
export type Pass = (bytes: Buffer, done?: () => void) => void;

export type Afterwards = (delayMs: number, act: () => void) => void;

/** One direction of a connection. What is held up there holds up all that comes behind it: nothing overtakes in TCP. */
export interface Line {
  readonly pass: Pass;
  hold(delayMs: number): void;
}

export function lineOf(write: Pass, afterwards: Afterwards): Line {
  const behind: (() => void)[] = [];
  let holds = 0;
  return {
    pass(bytes, done) {
      if (holds === 0) write(bytes, done);
      else behind.push(() => write(bytes, done));
    },
    hold(delayMs) {
      holds += 1;
      afterwards(delayMs, () => {
        holds -= 1;
        if (holds === 0) for (const go of behind.splice(0)) go();
      });
    },
  };
}

export function arm(strike: Strike): Armed {
  const met = Promise.withResolvers<void>();
  const held = Promise.withResolvers<number>();
  const arrived = Promise.withResolvers<void>();
  return {
    strike,
    met: met.promise,
    heldMs: held.promise,
    arrived: arrived.promise,
    hit(connection) {
      const hitAtMs = performance.now();
      met.resolve();
      if (!isHeldBack(strike)) arrived.resolve();
      const letGo = (): void => {
        const since = strike.place.at === 'idle' ? (connection.askedAtMs ?? performance.now()) : hitAtMs;
        held.resolve(performance.now() - since);
      };
      if (connection.raw.closed) letGo();
      else connection.raw.once('close', letGo);
    },
    arrive: arrived.resolve,
  };
}

/** Whether it is a request that reaches the server later. */
export function isHeldBack({ place, fault }: Strike): boolean {
  return place.at === 'request' && (fault === 'delay' || fault === 'late');
}

/** Does to the connection what the strike says; of `whole`, which it met, it lets pass by the line what still passes. */
export function spoil(
  connection: Connection,
  { strike, hit }: Armed,
  { whole, line, afterwards }: { whole: Buffer; line: Line; afterwards: Afterwards },
): void {
  const { raw } = connection;
  const { pass } = line;
  const half = whole.subarray(0, Math.ceil(whole.length / 2));
  const resetNow = (): void => {
    connection.isDead = true;
    raw.resetAndDestroy();
  };
  const reset = (): void => {
    if (strike.lingerMs === undefined) resetNow();
    else afterwards(strike.lingerMs, resetNow);
  };
  hit(connection);
  if (isHeldBack(strike)) connection.late += 1;
  switch (strike.fault) {
    case 'drop':
      connection.isDead = true;
      return;
    case 'delay':
      line.hold(strike.delayMs ?? 0);
      pass(whole);
      return;
    case 'truncate-silence':
      connection.isDead = true;
      pass(half);
      return;
    case 'truncate-close':
      connection.isDead = true;
      pass(half, () => raw.end());
      return;
    case 'half-close':
      connection.isDead = true;
      raw.end();
      return;
    case 'corrupt':
      pass(corrupted(whole));
      return;
    case 'duplicate':
      pass(whole);
      pass(whole);
      return;
    case 'late':
      // It holds up nothing: what is asked behind it goes on until the reset, as where a server takes long for the one.
      afterwards(strike.delayMs ?? 0, () => pass(whole));
      reset();
      return;
    case 'reset':
    case 'refuse':
      reset();
      return;
    default:
      strike.fault satisfies never;
  }
}

/** The bytes with one of them changed: of an LDAP message the tag of its operation, of anything else the last. */
function corrupted(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const at = copy[0] === 0x30 ? envelopeOf(copy).tagAt : copy.length - 1;
  copy.writeUInt8((copy[at] ?? 0) ^ 0x10, at);
  return copy;
}
