import { DirectoryError } from '../directory.ts';
import type { BindGate } from './bind-refusal.ts';
import type { Credential } from './credential.ts';

/** What to bind with, and what is done with it. */
export interface InTurn<Opened> {
  /** Reads what is configured now; rejects where it cannot be read. */
  readonly read: () => Promise<Credential>;
  readonly gate: BindGate;
  readonly opening: (credential: Credential) => Promise<Opened>;
  /** Told why what was accepted last is used instead of what is configured. */
  readonly onKept: (why: unknown) => void;
  /** Told that what is configured was accepted. */
  readonly onAccepted: () => void;
}

/**
 * Opens with what is configured; a password is rotated without a restart, whichever of the directory and the configuration has the
 * new one first. Where what is configured is refused or cannot be read, the last that was accepted is tried. Where that is refused
 * too, the directory's password has just been changed, which is what a configured one that waits (see {@link BindGate}) may have
 * waited for: it is tried at once. At most three binds are refused, and then none for the waiting time.
 */
export async function openInTurn<Opened>({ read, gate, opening, onKept, onAccepted }: InTurn<Opened>): Promise<Opened> {
  const kept = gate.lastAccepted();
  const openWith = (credential: Credential) => gate.open(credential, () => opening(credential));
  const openConfigured = async (credential: Credential): Promise<Opened> => {
    const opened = await openWith(credential);
    onAccepted();
    return opened;
  };
  let configured: Credential;
  try {
    configured = await read();
  } catch (error) {
    if (kept === null) throw error;
    onKept(error);
    return await openWith(kept);
  }
  const waits = await gate.bars(configured);
  const first = await unlessRefused(openConfigured(configured));
  if (first.opened) return first.session;
  // It may have been changed since it was read; what is refused too now waits like any other.
  const changed = await read().catch(() => configured);
  if (changed.mark !== configured.mark) {
    const second = await unlessRefused(openConfigured(changed));
    if (second.opened) return second.session;
  }
  if (kept === null || kept.mark === configured.mark || kept.mark === changed.mark) throw first.refusal;
  const last = await unlessRefused(openWith(kept));
  if (last.opened) {
    onKept(first.refusal);
    return last.session;
  }
  if (!waits) throw first.refusal;
  await gate.lift(configured);
  return await openConfigured(configured);
}

type Tried<Opened> =
  | { readonly opened: true; readonly session: Opened }
  | { readonly opened: false; readonly refusal: DirectoryError };

async function unlessRefused<Opened>(trying: Promise<Opened>): Promise<Tried<Opened>> {
  try {
    return { opened: true, session: await trying };
  } catch (error) {
    if (error instanceof DirectoryError && error.fault === 'bind_refused') return { opened: false, refusal: error };
    throw error;
  }
}
