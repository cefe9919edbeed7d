import type { Clock, Random } from '../access/clock.ts';
import type { CheckStep } from '../access/event.ts';
import type { FailPoints } from '../access/fail-point.ts';
import type { EntryId, GrantId } from '../access/ids.ts';
import type { Instant } from '../access/instant.ts';
import type { DriftAction } from '../access/policy.ts';
import { type Pair, pairKey } from '../access/reference.ts';
import type { Directory } from '../directory/directory.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Logger } from '../observability/logger.ts';
import type { DoubtedAdditions } from './doubted-additions.ts';
import type { DoubtedRemovals } from './doubted-removals.ts';
import type { GoneProofs } from './gone-proofs.ts';
import type { GroupRules } from './group-rules.ts';
import type { KeyedLock } from './keyed-lock.ts';
import type { Overs } from './overs.ts';
import type { Pause } from './pause.ts';
import type { PolicyTrips } from './policy-trips.ts';
import type { ProtectedGroups } from './protected-groups.ts';
import type { Rates } from './rates.ts';
import type { TrustedClock } from './trusted-clock.ts';

/** The local policy that the engine asks of grants and extensions. */
export interface EnginePolicy {
  readonly maxGrantMs: number;
  /** New grants and extensions. */
  readonly maxGrantsPerMinute: number;
  readonly maxPendingMs: number;
  readonly retentionMs: number;
  readonly drift: DriftAction;
}

/** How long the engine waits for a certainty; parameters, since tests cannot wait a minute. */
export interface EngineTimings {
  /** Between two sightings that prove an entry gone (ARCHITECTURE, invariant 8). */
  readonly goneConfirmMs: number;
  /** How long a write whose answer was lost may still take effect: within it a negative probe does not prove a failure. */
  readonly lateWriteMs: number;
}

/** A minute, as the invariant says; 5 s is many times the longest late application that was measured. */
export const DEFAULT_TIMINGS: EngineTimings = { goneConfirmMs: 60_000, lateWriteMs: 5_000 };

/** What every part of the engine is given. */
export interface EngineParts {
  readonly ledger: Ledger;
  readonly directory: Directory;
  readonly clock: Clock;
  readonly random: Random;
  readonly time: TrustedClock;
  readonly log: Logger;
  readonly failPoints: FailPoints;
  readonly policy: EnginePolicy;
  readonly timings: EngineTimings;
  /** Stands in where a group's schema demands one member. */
  readonly placeholder: string;
  /** What a check reports beside the directory. */
  readonly localChecks: () => Promise<readonly CheckStep[]>;
  readonly protectedGroups: ProtectedGroups;
  /** The rules of the policy file. */
  readonly groupRules: GroupRules;
  readonly rates: Rates;
  readonly goneProofs: GoneProofs;
  /** Additions that may still take effect, the doubted ones included: what is absent now may be there later. */
  readonly lateWrites: LateWrites;
  readonly doubtedAdditions: DoubtedAdditions;
  readonly doubtedRemovals: DoubtedRemovals;
  /** Removals that may still take effect: what is written now may be gone later. */
  readonly lateRemovals: LateWrites;
  /** When the ledger was found to be an older copy; null where it never was. */
  readonly replacedAt: () => Instant | null;
  /** Serial per grant (`grant:…`), then per pair (`pair:…`), always taken in that order. */
  readonly locks: KeyedLock;
  readonly signal: AbortSignal;
  /** What becomes of grants, for a person who waits for it. */
  readonly overs: Overs;
  /** Whether a person on the machine lets no new grants be made. */
  readonly pause: Pause;
  /** Tells that a local limit stopped work. */
  readonly policyTrips: PolicyTrips;
  /** Called when a pair has been looked at: a start writes no new grants before every open intent has been. */
  readonly onProbed: (pair: Pair) => void;
  /** Called when a grant of this group was found written after all: whether the group has become protected since, nobody has asked. */
  readonly onFoundWritten: (groupId: EntryId) => void;
  /** Called when an active grant has been given this end. */
  readonly onEndSet: (expiresAt: Instant) => void;
  /** False while a start has not yet looked at what an earlier life left open, and this grant owns none of it. */
  readonly mayWrite: (grantId: GrantId) => boolean;
}

/** Remembers writes whose outcome was unknown, until they can no longer take effect late. */
export interface LateWrites {
  /** A write of this pair was handed to the socket, so long ago, and its answer never came. Told in the order of time. */
  lost(pair: Pair, agoMs?: number): void;
  /** How long until what a probe sees is not changed by it any more, in milliseconds; 0 where it is not now. */
  remainingMs(pair: Pair): number;
}

/**
 * A modify whose connection was lost is applied four times in five, sometimes after the next connection was served
 * (RFC 4511 §3.1). It belongs to the pair and is forgotten by time alone: it may take effect after its grant was written
 * again, and even after another grant was. A restart begins the wait anew, which errs on the side of waiting.
 */
export function lateWrites({ clock, lateWriteMs }: { clock: Clock; lateWriteMs: number }): LateWrites {
  const lostAtMs = new Map<string, number>();
  const leftMs = (atMs: number): number => Math.max(0, atMs + lateWriteMs - clock.monotonicMs());
  return {
    lost(pair, agoMs = 0) {
      // Bounded by what can be lost within the wait: older ones, which come first, leave as new ones come.
      for (const [key, atMs] of lostAtMs) {
        if (leftMs(atMs) > 0) break;
        lostAtMs.delete(key);
      }
      lostAtMs.delete(pairKey(pair));
      lostAtMs.set(pairKey(pair), clock.monotonicMs() - agoMs);
    },
    remainingMs(pair) {
      const atMs = lostAtMs.get(pairKey(pair));
      return atMs === undefined ? 0 : leftMs(atMs);
    },
  };
}
