import assert from 'node:assert/strict';
import type { WireEvent } from '../../src/protocol/event-frame.ts';
import type { GrantEnded } from './prompt-expiry.ts';
import { type WebSocketPeer, webSocketServer } from './websocket-peer.ts';

type Frame = Readonly<Record<string, unknown>>;
type Result = Extract<WireEvent, { kind: 'job.succeeded' | 'job.failed' }>;

/** A control plane in the test's own process that does its work, and lets a test misbehave on the same connection. */
export async function webSocketControlPlane({
  heartbeatSeconds = 5,
  frameOf = (job) => ({ type: 'job', job }),
  ...options
}: {
  heartbeatSeconds?: number;
  /** How a job goes over the wire: as it is, or signed. */
  frameOf?: (job: Frame) => Frame;
} & Parameters<typeof webSocketServer>[0] = {}) {
  const server = await webSocketServer(options);
  const unreceived = new Map<string, Frame>();
  const events = new Map<number, WireEvent>();
  // By id, since a flood asks for each of thousands, at each frame.
  const outcomes = new Map<string, Result>();
  const endings = new Map<string, GrantEnded>();
  const repeats = new Map<string, number>();
  const errors: Frame[] = [];
  const watchers = new Set<() => void>();
  let ledgerId = '';
  let ackedSeq = 0;
  let peer: WebSocketPeer | null = null;
  let connections = 0;
  let serving = true;

  const changed = (): void => {
    for (const watch of watchers) watch();
  };

  /** Resolves with the first answer that is not undefined, asked whenever something has happened. */
  function when<T>(ask: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const watch = (): void => {
        const answer = ask();
        if (answer === undefined) return;
        watchers.delete(watch);
        resolve(answer);
      };
      watchers.add(watch);
      watch();
    });
  }

  function take(from: WebSocketPeer, frame: Frame): void {
    switch (frame['type']) {
      case 'job.received':
        unreceived.delete(String(frame['jobId']));
        break;
      case 'event': {
        const seq = Number(frame['seq']);
        const told = frame['event'] as WireEvent;
        assert.deepEqual(events.get(seq) ?? told, told, `one seq, two events: ${seq}`);
        if (!events.has(seq)) file(told);
        events.set(seq, told);
        ackedSeq = Math.max(ackedSeq, seq);
        from.send({ type: 'ack', seq: ackedSeq });
        break;
      }
      case 'error':
        errors.push(frame);
        break;
    }
  }

  function file(told: WireEvent): void {
    if (told.kind === 'grant.ended') endings.set(told.grant.grantId, told);
    if (told.kind !== 'job.succeeded' && told.kind !== 'job.failed') return;
    if (told.repeat === true) repeats.set(told.jobId, (repeats.get(told.jobId) ?? 0) + 1);
    else outcomes.set(told.jobId, told);
  }

  async function converse(next: WebSocketPeer): Promise<void> {
    next.socket.once('close', () => {
      if (peer === next) peer = null;
      changed();
    });
    const hello = await next.next();
    assert.equal(hello['type'], 'hello');
    if (ledgerId !== '') assert.equal(hello['ledgerId'], ledgerId);
    ledgerId = String(hello['ledgerId']);
    next.send({
      type: 'welcome',
      sessionId: 's',
      time: new Date().toISOString(),
      heartbeatSeconds,
      ...(ackedSeq === 0 ? {} : { ackedSeq }),
    });
    peer = next;
    connections += 1;
    for (const job of unreceived.values()) next.send(frameOf(job));
    changed();
    for (;;) {
      take(next, await next.next());
      changed();
    }
  }

  async function serve(): Promise<void> {
    while (serving) {
      const next = await server.nextPeer();
      // Ends with the connection, or with the hello that never came.
      await converse(next).catch((error: unknown) => {
        if (error instanceof assert.AssertionError) throw error;
      });
    }
  }
  // What it rejects with is a rule that the connector broke: unhandled, it fails the test.
  void serve();

  return {
    url: server.url,
    port: server.port,
    events: () => [...events].toSorted(([one], [other]) => one - other).map(([, event]) => event),
    errors,
    connections: () => connections,
    /** The welcomed connection of now, or the next. */
    peer: () => when(() => peer ?? undefined),
    when,
    /** Sends the job, and again on each connection until it is received. */
    deliver(job: Frame & { readonly jobId: string }) {
      unreceived.set(job.jobId, job);
      peer?.send(frameOf(job));
    },
    received: (jobId: string) => when(() => (unreceived.has(jobId) ? undefined : true)),
    outcome: (jobId: string) => when(() => outcomes.get(jobId)),
    /** How often the outcome was told again. */
    repeats: (jobId: string) => repeats.get(jobId) ?? 0,
    endOf: (grantId: string) => when(() => endings.get(grantId)),
    async [Symbol.asyncDispose]() {
      serving = false;
      await server.close();
    },
  };
}

export type WebSocketControlPlane = Awaited<ReturnType<typeof webSocketControlPlane>>;
