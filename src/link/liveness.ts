import type { Clock } from '../access/clock.ts';

/** More than this waiting to be sent, for two heartbeats, and the peer counts as stalled. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;

/** A watch that fires so much later than it was set for was held up by ourselves: nothing can be said about the peer. */
const BUSY_MS = 1_000;

/** Watches whether the peer is there. */
export interface Liveness {
  /** Anything came from the peer. */
  heard(): void;
  /** While the socket is not read, silence says nothing. */
  listening(reads: boolean): void;
  stop(): void;
}

/**
 * Pings each heartbeat. `gone` is called once: `silent` when nothing was heard for two heartbeats, `stalled` when more than
 * 8 MiB waited to be sent at each look for two heartbeats.
 */
export function watchLiveness(options: {
  clock: Clock;
  heartbeatMs: number;
  ping: () => void;
  bufferedBytes: () => number;
  gone: (how: 'silent' | 'stalled') => void;
}): Liveness {
  const { clock, heartbeatMs, ping, bufferedBytes, gone } = options;
  const patienceMs = 2 * heartbeatMs;
  let heardAtMs = clock.monotonicMs();
  let reads = true;
  let fullSinceMs: number | null = null;
  let cancelPing = clock.timer(heartbeatMs, beat);
  let cancelWatch = clock.timer(patienceMs, watch);

  function beat(): void {
    const now = clock.monotonicMs();
    if (bufferedBytes() <= MAX_BUFFERED_BYTES) fullSinceMs = null;
    else fullSinceMs ??= now;
    if (fullSinceMs !== null && now - fullSinceMs >= patienceMs) return leave('stalled');
    cancelPing = clock.timer(heartbeatMs, beat);
    ping();
  }

  function watch(): void {
    const now = clock.monotonicMs();
    // Timers run before the socket is read: after a pause of our own, the peer's answer may lie there unread.
    if (!reads || now - heardAtMs > patienceMs + BUSY_MS) heardAtMs = now;
    const leftMs = heardAtMs + patienceMs - now;
    if (leftMs <= 0) return leave('silent');
    cancelWatch = clock.timer(leftMs, watch);
  }

  function leave(how: 'silent' | 'stalled'): void {
    stop();
    gone(how);
  }

  function stop(): void {
    cancelPing();
    cancelWatch();
  }

  return {
    heard() {
      heardAtMs = clock.monotonicMs();
    },
    listening(now) {
      reads = now;
      heardAtMs = clock.monotonicMs();
    },
    stop,
  };
}
