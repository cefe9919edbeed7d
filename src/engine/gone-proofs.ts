import type { Clock } from '../access/clock.ts';
import { parentDn } from '../access/dn.ts';
import type { FailPoints } from '../access/fail-point.ts';
import type { EntryId } from '../access/ids.ts';
import type { EntryRef, Pair } from '../access/reference.ts';
import type { Directory, Missing } from '../directory/directory.ts';

/**
 * Who vouches that a missing group is gone: its user. Where that cannot be found either, the directory's own witnesses do
 * (null), but only while the very places of both can be read: else both may be where this account cannot look any more.
 */
export async function witnessOfGroup(
  { directory, signal }: { directory: Directory; signal: AbortSignal },
  { pair, user }: { pair: Pair; user: EntryRef | null },
): Promise<EntryRef | null> {
  if (user !== null) return { id: user.id, dn: user.dn };
  for (const { dn } of [pair.group, pair.user]) {
    const parent = parentDn(dn);
    if (parent === undefined || (await directory.occupant('member', parent, signal)) === null) return pair.user;
  }
  return null;
}

/** `proven` after two sightings on two sessions; else how long until the next one is of use, in milliseconds. */
export type GoneVerdict =
  | { readonly kind: 'proven' }
  | { readonly kind: 'unproven'; readonly againInMs: number }
  | { readonly kind: 'found' };

/** Collects the evidence that an entry is gone (ARCHITECTURE, invariant 8). */
export interface GoneProofs {
  ask(missing: Missing, signal: AbortSignal): Promise<GoneVerdict>;
}

/** A sighting older than so many times `confirmMs` proves nothing any more: the entry may have been there in between. */
const STALE_AFTER = 10;

/**
 * Two sightings, each on a session of its own, at least `confirmMs` apart. Sightings are kept in memory: a restart asks
 * for both again. An entry that is found, or a session that proves nothing, starts over.
 */
export function goneProofs({
  directory,
  clock,
  confirmMs,
  failPoints = () => undefined,
}: {
  directory: Directory;
  clock: Clock;
  confirmMs: number;
  failPoints?: FailPoints;
}): GoneProofs {
  const firstSeenAtMs = new Map<EntryId, number>();

  /** The oldest come first: an entry's first sighting is never replaced, only forgotten. */
  function forgetStale(): void {
    for (const [id, atMs] of firstSeenAtMs) {
      if (clock.monotonicMs() - atMs <= STALE_AFTER * confirmMs) return;
      firstSeenAtMs.delete(id);
    }
  }

  return {
    async ask(missing, signal) {
      const { id } = missing.entry;
      forgetStale();
      const first = firstSeenAtMs.get(id);
      if (first !== undefined && clock.monotonicMs() - first < confirmMs) {
        return { kind: 'unproven', againInMs: first + confirmMs - clock.monotonicMs() };
      }
      const sighting = await directory.sightGone(missing, signal);
      if (sighting !== 'gone') {
        firstSeenAtMs.delete(id);
        return sighting === 'found' ? { kind: 'found' } : { kind: 'unproven', againInMs: confirmMs };
      }
      if (first !== undefined) {
        failPoints('gone.proven');
        return { kind: 'proven' };
      }
      firstSeenAtMs.set(id, clock.monotonicMs());
      failPoints('gone.sighted');
      return { kind: 'unproven', againInMs: confirmMs };
    },
  };
}
