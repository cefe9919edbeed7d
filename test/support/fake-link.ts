import { createHash } from 'node:crypto';
import type { Clock } from '../../src/access/clock.ts';
import type { Link, LinkConnection, LinkListener, LinkStatus } from '../../src/link/link.ts';
import { type RefusedFrame, readFrameFromControlPlane, type WireFrameFromConnector } from '../../src/protocol/frames.ts';
import { CLOSE } from '../../src/protocol/limits.ts';
import { type Arrivals, arrivals } from './arrivals.ts';
import type { LinkPeer } from './link-contract.ts';

/** A link without a network, and the other end of its connections. */
export interface FakeLink extends Link {
  /** The next connection that the link makes. */
  nextPeer(): Promise<LinkPeer>;
}

/**
 * A link in memory. Frames pass through the same reader as on the wire, so that what a real link refuses is refused here too.
 * It dials again at once, since there is nobody to be spared.
 */
export function fakeLink(clock: Clock): FakeLink {
  const peers: Arrivals<LinkPeer> = arrivals();
  let status: LinkStatus = { state: 'idle', since: clock.wall() };
  let takesJobs = true;
  let stopped = false;
  let running: Promise<void> | undefined;
  let leave: ((code: number) => void) | undefined;

  async function run(listener: LinkListener): Promise<void> {
    // For ever, as the port says: until it is stopped.
    while (!stopped) {
      status = { state: 'connecting', since: clock.wall() };
      await converse(listener);
    }
    status = { state: 'stopped', since: clock.wall() };
  }

  function converse(listener: LinkListener): Promise<void> {
    const sent: Arrivals<Record<string, unknown>> = arrivals();
    const lost = new AbortController();
    let phase: 'greeting' | 'waiting' | 'welcoming' | 'open' = 'greeting';
    let told = false;
    let held: string[] = [];

    return new Promise((resolve) => {
      const closed = Promise.withResolvers<number>();

      function end(code: number): void {
        if (lost.signal.aborted) return;
        lost.abort();
        sent.end('the connection is closed');
        if (told) listener.lost();
        closed.resolve(code);
        resolve();
      }

      function write(frame: WireFrameFromConnector): boolean {
        return writeText(JSON.stringify(frame));
      }

      function writeText(text: string): boolean {
        if (lost.signal.aborted) return false;
        sent.push(JSON.parse(text) as Record<string, unknown>);
        return true;
      }

      function refuse(message: string, ref: string, code: RefusedFrame['code'] = 'invalid_frame'): void {
        write({ type: 'error', code, message, ref });
      }

      async function take(text: string): Promise<void> {
        if (lost.signal.aborted) return;
        if (phase === 'welcoming') return void held.push(text);
        const read = readFrameFromControlPlane(text);
        if (!read.ok) return refuse(read.refused.message, read.refused.ref, read.refused.code);
        const { frame } = read;
        if (frame.type === 'error') {
          if (phase === 'open') listener.syncAnswered(frame);
          return;
        }
        if (frame.type === 'welcome' && phase === 'waiting') {
          phase = 'welcoming';
          told = true;
          const connection: LinkConnection = {
            send: write,
            sendText: (_type, page) => Promise.resolve(writeText(page)),
            flushed: () => Promise.resolve(),
            signal: lost.signal,
          };
          const answer = await listener.welcomed(frame, connection).catch(() => 'failed' as const);
          if (answer !== 'accepted') return end(answer === 'replaced' ? CLOSE.shutdown : 1011);
          if (lost.signal.aborted) return;
          phase = 'open';
          status = { state: 'connected', since: clock.wall(), skewMs: 0 };
          const texts = held;
          held = [];
          await Promise.all(texts.map(take));
          return;
        }
        if (phase !== 'open' || frame.type === 'welcome') return refuse(`an unexpected ${frame.type}`, sha256(text));
        if (frame.type === 'ack') {
          if (!(await listener.acknowledged(frame.seq))) refuse(`ack of seq ${frame.seq}, which was never sent`, sha256(text));
          return;
        }
        if (frame.type === 'sync.ack') {
          if (!listener.syncAnswered(frame)) refuse('a sync.ack of what was never sent', sha256(text));
          return;
        }
        if (frame.type === 'signed_job') return refuse('no keys are configured', sha256(text), 'signature_invalid');
        if (!takesJobs) return;
        await listener.job(frame.received).then(
          () => write({ type: 'job.received', jobId: frame.received.jobId }),
          () => false,
        );
      }

      leave = end;
      peers.push({
        send: (frame) => void take(JSON.stringify(frame)),
        sendText: (text) => void take(text),
        next: () => sent.next(),
        lose: () => end(1006),
        closed: closed.promise,
      });
      async function greet(): Promise<void> {
        write(await listener.hello());
        phase = 'waiting';
      }
      greet().catch(() => end(1011));
    });
  }

  return {
    start(listener) {
      running = run(listener);
    },
    status: () => status,
    stopReading() {
      takesJobs = false;
    },
    async stop() {
      stopped = true;
      leave?.(CLOSE.shutdown);
      await running;
      status = { state: 'stopped', since: clock.wall() };
    },
    nextPeer: () => peers.next(),
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}
