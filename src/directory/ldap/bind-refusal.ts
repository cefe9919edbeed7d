import { createHmac, randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import type { Clock } from '../../access/clock.ts';
import { formatInstant, type Instant, later } from '../../access/instant.ts';
import { DirectoryError } from '../directory.ts';

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

/** Decides whether a password, or what marks a client certificate, may be tried. */
export interface BindGate {
  /**
   * Opens a session with this password. Rejects with `bind_refused` while it was refused less than the waiting time ago. Until a session
   * has been opened with it, one at a time: whoever waits hears of a refusal before trying it too.
   */
  open<Opened>(password: string, opening: () => Promise<Opened>): Promise<Opened>;
  /** Remembers that this password was refused. */
  refused(password: string): Promise<void>;
  accepted(): Promise<void>;
  /** Until when no bind is tried with the refused password. */
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
export function bindGate(options: { refusals: BindRefusals; waitMs: number; account: string; clock: Clock }): BindGate {
  const { refusals, waitMs, account, clock } = options;
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
  let trying: Promise<unknown> = Promise.resolve();
  const markOf = (password: string): string => createHmac('sha256', seal).update(password).digest('hex');
  const endOfWait = (): Instant | null => (last === null || last === undefined ? null : later(last.at, waitMs));

  async function admit(password: string): Promise<void> {
    if (last === undefined) last = await refusals.load();
    const until = endOfWait();
    if (last === null || until === null || clock.wall() >= until) return;
    // A refusal from the future is of a clock that was wrong; it must not hold for longer than one from now.
    if (last.at > clock.wall()) last = { ...last, at: clock.wall() };
    if ((await fingerprintOf(password)) !== last.fingerprint) return;
    throw new DirectoryError(
      'bind_refused',
      `The directory refused the bind of ${account} at ${formatInstant(last.at)}. So as not to lock the account, it is not tried again before ${formatInstant(until)}, but what is changed (the password, or the client certificate) is tried at once.`,
    );
  }

  return {
    async open(password, opening) {
      const mark = markOf(password);
      const alone = async () => {
        await admit(password);
        const opened = await opening();
        proved = mark;
        return opened;
      };
      if (proved === mark) return await alone();
      const mine = trying.then(alone);
      trying = mine.catch(() => undefined);
      return await mine;
    },
    async refused(password) {
      proved = null;
      last = { at: clock.wall(), fingerprint: await fingerprintOf(password) };
      await refusals.save(last);
    },
    async accepted() {
      if (last === null) return;
      last = null;
      await refusals.save(null);
    },
    waitsUntil: endOfWait,
  };
}
