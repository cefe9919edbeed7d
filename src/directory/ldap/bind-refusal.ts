import { createHmac, randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import type { Clock } from '../../access/clock.ts';
import { formatInstant, type Instant, later } from '../../access/instant.ts';
import { DirectoryError } from '../directory.ts';
import type { Credential } from './credential.ts';

/** When the directory last refused our bind, and a check value of the password that was refused. */
export interface BindRefusal {
  readonly at: Instant;
  readonly fingerprint: string;
}

/** Where the last refusal is kept, so that a restart does not forget it. */
export interface BindRefusals {
  load(): Promise<BindRefusal | null>;
  save(refusal: BindRefusal | null): Promise<void>;
}

/** Decides whether a credential (a password, or a client certificate) may be tried. */
export interface BindGate {
  /**
   * Opens a session with this credential. Rejects with `bind_refused` while it was refused less than the waiting time ago. Until a
   * session has been opened with it, one at a time: whoever waits hears of a refusal before trying it too.
   */
  open<Opened>(credential: Credential, opening: () => Promise<Opened>): Promise<Opened>;
  /** Remembers that this one was refused. */
  refused(credential: Credential): Promise<void>;
  /** Remembers that this one was accepted; another that was refused waits all the same. */
  accepted(credential: Credential): Promise<void>;
  /** The last that was accepted, and not refused since; in memory alone. */
  lastAccepted(): Credential | null;
  /** Whether this one would have to wait now. */
  bars(credential: Credential): Promise<boolean>;
  /** Lets one be tried that waits. */
  lift(credential: Credential): Promise<void>;
  /** Until when no bind is tried with what was refused. */
  waitsUntil(): Instant | null;
}

const derive = promisify<string, string, number, Buffer>(scrypt);

/**
 * Directories lock accounts after a few wrong passwords, and a restart loop tries one each time. So a refused password is not
 * tried again for `waitMs`, in this process or the next, unless it has been changed.
 *
 * To notice the change, 16 bits of a slow hash are kept of the password that was **refused**, until the next success. Sixteen
 * bits name one password in 65,536: too few to confirm a guess or to search for one, enough to see that a new one is
 * another (a miss, once in 65,536 changes, costs the waiting time).
 */
export function bindGate(options: {
  refusals: BindRefusals;
  waitMs: number;
  account: string;
  clock: Clock;
  /** What was accepted last before this gate was there; null where nothing was. */
  accepted?: Credential | null;
}): BindGate {
  const { refusals, waitMs, account, clock, accepted = null } = options;
  const seal = randomBytes(32);
  let last: BindRefusal | null | undefined;
  let known: { readonly mark: string; readonly fingerprint: string } | undefined;

  // Asked every two seconds while the refusal lasts: the slow hash is made once for each password only.
  const fingerprintOf = async (password: string): Promise<string> => {
    const mark = markOf(password);
    if (known?.mark !== mark) known = { mark, fingerprint: (await derive(password, account, 2)).toString('hex') };
    return known.fingerprint;
  };
  /** What the last session was opened with. */
  let proved: string | null = null;
  let worked: Credential | null = accepted;
  /** What was said of the last one that was refused. */
  let why: { readonly mark: string; readonly message: string } | null = null;
  let isSaved = false;
  let trying: Promise<unknown> = Promise.resolve();
  const markOf = (password: string): string => createHmac('sha256', seal).update(password).digest('hex');
  const endOfWait = (): Instant | null => (last === null || last === undefined ? null : later(last.at, waitMs));

  /** The refusal that this credential waits out. */
  async function barring({ mark }: Credential): Promise<{ readonly at: Instant; readonly until: Instant } | null> {
    if (last === undefined) {
      last = await refusals.load();
      isSaved = last !== null;
    }
    const until = endOfWait();
    if (last === null || until === null || clock.wall() >= until) return null;
    // A refusal from the future is of a clock that was wrong; it must not hold for longer than one from now.
    if (last.at > clock.wall()) last = { ...last, at: clock.wall() };
    return (await fingerprintOf(mark)) === last.fingerprint ? { at: last.at, until } : null;
  }

  async function admit(credential: Credential): Promise<void> {
    const barred = await barring(credential);
    if (barred === null) return;
    // What the directory said then is still the reason; a new process has not heard it.
    const said =
      why?.mark === markOf(credential.mark) ? `${why.message} That was` : `The directory refused the bind of ${account}`;
    throw new DirectoryError(
      'bind_refused',
      `${said} at ${formatInstant(barred.at)}. So as not to lock the account, it is not tried again before ${formatInstant(barred.until)}, but what is changed (the password, or the client certificate) is tried at once.`,
    );
  }

  return {
    async open(credential, opening) {
      const mark = markOf(credential.mark);
      const alone = async () => {
        await admit(credential);
        const opened = await opening().catch((error: unknown) => {
          if (error instanceof DirectoryError && error.fault === 'bind_refused') why = { mark, message: error.message };
          throw error;
        });
        proved = mark;
        return opened;
      };
      if (proved === mark) return await alone();
      const mine = trying.then(alone);
      trying = mine.catch(() => undefined);
      return await mine;
    },
    async refused(credential) {
      proved = null;
      const hadWorked = worked?.mark === credential.mark;
      if (hadWorked) worked = null;
      // What worked is not tried again by itself, so that the refusal to remember is still that of the configured one.
      if (hadWorked && isSaved) return;
      last = { at: clock.wall(), fingerprint: await fingerprintOf(credential.mark) };
      await refusals.save(last);
      isSaved = true;
    },
    async accepted(credential) {
      worked = credential;
      if (last === null || last === undefined) return;
      if ((await fingerprintOf(credential.mark)) === last.fingerprint) last = null;
      // The next process has nothing that was accepted: it tries what is configured then.
      if (isSaved) await refusals.save(null);
      isSaved = false;
    },
    lastAccepted: () => worked,
    bars: async (credential) => (await barring(credential)) !== null,
    async lift(credential) {
      if ((await barring(credential)) !== null) last = null;
    },
    waitsUntil: endOfWait,
  };
}
