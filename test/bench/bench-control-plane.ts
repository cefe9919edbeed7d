import type { WireEvent } from '../../src/protocol/event-frame.ts';
import { type WebSocketPeer, webSocketServer } from '../support/websocket-peer.ts';

type Result = Extract<WireEvent, { kind: 'job.succeeded' | 'job.failed' }>;
type Ended = Extract<WireEvent, { kind: 'grant.ended' }>;

/** An event and when it arrived, milliseconds since 1970. */
export interface Told<Event> {
  readonly event: Event;
  readonly atMs: number;
}

export const nowMs = (): number => performance.timeOrigin + performance.now();

/**
 * The other end of the connector's connection, that keeps nothing on disk: the stub's own book would be measured with the
 * connector. Acknowledges whatever one turn of the event loop brought.
 */
export async function benchControlPlane() {
  const server = await webSocketServer();
  const results = new Map<string, Told<Result>>();
  const ended = new Map<string, Told<Ended>>();
  const overdue = new Set<string>();
  const watchers = new Set<() => void>();
  let peer: WebSocketPeer | null = null;
  let ups = 0;

  function take(event: WireEvent): void {
    const told = { event, atMs: nowMs() };
    if (event.kind === 'job.succeeded' || event.kind === 'job.failed') results.set(event.jobId, { ...told, event });
    else if (event.kind === 'grant.ended') ended.set(event.grant.grantId, { ...told, event });
    else if (event.kind === 'grant.overdue') overdue.add(event.grant.grantId);
    else if (event.kind === 'directory.changed' && event.state === 'up') ups += 1;
  }

  async function serve(): Promise<void> {
    // Until the server is closed: each connector that the bench starts makes one connection.
    for (;;) {
      const current = await server.nextPeer();
      let toAcknowledge = 0;
      const acknowledge = (): void => {
        if (peer === current) current.send({ type: 'ack', seq: toAcknowledge });
        toAcknowledge = 0;
      };
      try {
        for (;;) {
          const frame = await current.next();
          if (frame['type'] === 'hello') {
            current.send({ type: 'welcome', sessionId: 'bench', time: new Date().toISOString() });
            peer = current;
          } else if (frame['type'] === 'event') {
            if (toAcknowledge === 0) setImmediate(acknowledge);
            toAcknowledge = Number(frame['seq']);
            take(frame['event'] as WireEvent);
          } else if (frame['type'] === 'error') throw new Error(`the connector refused a frame: ${JSON.stringify(frame)}`);
          for (const watch of watchers) watch();
        }
      } catch (error) {
        if (error instanceof Error && error.message.startsWith('the connector refused')) throw error;
        peer = null;
      }
    }
  }
  void serve();

  return {
    url: server.url,
    results,
    ended,
    overdue,
    /** How often a connector has told that its directory is up. */
    ups: () => ups,
    isConnected: () => peer !== null,
    /** Sends a job; returns when. */
    send(job: Readonly<Record<string, unknown>>): number {
      if (peer === null) throw new Error('no connector is connected');
      const atMs = nowMs();
      peer.send({ type: 'job', job });
      return atMs;
    },
    /** Resolves when it holds, which is asked after every frame; rejects after `withinMs`. */
    async until(what: string, holds: () => boolean, withinMs = 300_000): Promise<void> {
      if (holds()) return;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const watch = (): void => {
        if (holds()) resolve();
      };
      const impatient = setTimeout(() => reject(new Error(`waited ${withinMs / 1000} s in vain: ${what}`)), withinMs);
      watchers.add(watch);
      try {
        await promise;
      } finally {
        watchers.delete(watch);
        clearTimeout(impatient);
      }
    },
    /** Forgets what it was told. */
    clear() {
      results.clear();
      ended.clear();
      overdue.clear();
    },
    close: () => server.close(),
  };
}

export type BenchControlPlane = Awaited<ReturnType<typeof benchControlPlane>>;
