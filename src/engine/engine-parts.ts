import type { Clock, Random } from '../access/clock.ts';
import type { FailPoints } from '../access/fail-point.ts';
import type { GrantId } from '../access/ids.ts';
import type { Pair } from '../access/reference.ts';
import type { Directory } from '../directory/directory.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Logger } from '../observability/logger.ts';
import type { GoneProofs } from './gone-proofs.ts';
import type { KeyedLock } from './keyed-lock.ts';
import type { ProtectedGroups } from './protected-groups.ts';
import type { TrustedClock } from './trusted-clock.ts';

/** The local policy that the engine asks of grants and extensions. */
export interface EnginePolicy {
  readonly maxGrantMs: number;
  readonly maxPendingMs: number;
  readonly retentionMs: number;
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
  readonly protectedGroups: ProtectedGroups;
  readonly goneProofs: GoneProofs;
  readonly lateWrites: LateWrites;
  /** Serial per grant (`grant:…`), then per pair (`pair:…`), always taken in that order. */
  readonly locks: KeyedLock;
  readonly signal: AbortSignal;
  /** Called when a pair has been looked at: a start takes no new grants before every open intent has been. */
  readonly onProbed: (pair: Pair) => void;
}

/** Remembers writes whose outcome was unknown, until they can no longer take effect late. */
export interface LateWrites {
  /** A write for this grant was handed to the socket, and its answer never came. */
  lost(grantId: GrantId): void;
  /** How long until a negative probe proves that nothing came of it, in milliseconds; 0 where it does now. */
  remainingMs(grantId: GrantId): number;
  /** The grant needs no more watching. */
  settled(grantId: GrantId): void;
}

/**
 * A modify whose connection was lost is applied four times in five, sometimes after the next connection was served
 * (RFC 4511 §3.1). A restart begins the wait anew, which errs on the side of waiting.
 */
export function lateWrites({ clock, lateWriteMs }: { clock: Clock; lateWriteMs: number }): LateWrites {
  const lostAtMs = new Map<GrantId, number>();
  return {
    lost: (grantId) => void lostAtMs.set(grantId, clock.monotonicMs()),
    remainingMs(grantId) {
      const at = lostAtMs.get(grantId);
      return at === undefined ? 0 : Math.max(0, at + lateWriteMs - clock.monotonicMs());
    },
    settled: (grantId) => void lostAtMs.delete(grantId),
  };
}
