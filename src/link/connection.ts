import type { RawData, WebSocket } from 'ws';
import type { Clock } from '../access/clock.ts';
import type { FailPoints } from '../access/fail-point.ts';
import type { Logger } from '../observability/logger.ts';
import { frameHash } from '../protocol/frame-hash.ts';
import {
  type FrameFromControlPlane,
  readFrameFromControlPlane,
  type SyncAckFrame,
  type WelcomeFrame,
  type WireFrameFromConnector,
} from '../protocol/frames.ts';
import { CLOSE, MAX_FRAME_BYTES, WELCOME_TIMEOUT_MS } from '../protocol/limits.ts';
import { CLOSE_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS } from './dial.ts';
import type { Ending } from './ending.ts';
import { type Intake, openIntake, problemOf } from './intake.ts';
import type { VerifyJob } from './job-signatures.ts';
import type { LinkConnection, LinkListener } from './link.ts';
import { type Liveness, watchLiveness } from './liveness.ts';
import { faultCode } from './network-faults.ts';
import { type Outgoing, openOutgoing } from './outgoing.ts';
import { openRefusals, type Refusals } from './refusals.ts';
import { reportSkew } from './skew.ts';

/** How a connection went. */
export interface Ended {
  readonly ending: Ending;
  /** Milliseconds since the control plane was accepted; null where it never was. */
  readonly heldMs: number | null;
}

export interface ConnectionOptions {
  readonly socket: WebSocket;
  readonly listener: LinkListener;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly failPoints: FailPoints | undefined;
  /** False once no more jobs are taken: they are left to be delivered again, to whoever comes next. */
  readonly takesJobs: () => boolean;
  /** Null where jobs are taken without a signature. */
  readonly verifyJob: VerifyJob | null;
  /** Makes text of the peer fit for a log line. */
  readonly shown: (text: string) => string;
  /** The control plane was accepted; its clock is so far ahead of ours, in milliseconds. */
  readonly opened: (skewMs: number) => void;
}

/**
 * One connection, from the first packet to the last.
 *
 * `dialing` until the upgrade is answered, then `greeting` while our hello is asked for, `waiting` for the welcome, `welcoming`
 * while the owner thinks about it, and `open`. The upgrade has 10 s, the welcome has 10 s; the owner takes as long as its disk; then the
 * heartbeat watches.
 * Whatever ends it goes through `#leave` or the socket's `close`, whichever is first, and only the first counts. From that moment
 * nothing is sent, frames are ignored, the owner has heard `lost` (once, if it heard `welcomed`), and the socket is gone
 * within 3 s. `ended` resolves when it is.
 *
 * Frames that come while the owner thinks about the welcome are held back; the socket is not read meanwhile, so they are few.
 */
export class Connection {
  readonly ended: Promise<Ended>;
  readonly #options: ConnectionOptions;
  readonly #outgoing: Outgoing;
  readonly #refusals: Refusals;
  readonly #intake: Intake;
  readonly #lost = new AbortController();
  #phase: 'dialing' | 'greeting' | 'waiting' | 'welcoming' | 'open' = 'dialing';
  #ending: Ending | null = null;
  /** The answer to the upgrade was 101; an error before `open` is then the peer's. */
  #upgraded = false;
  #told = false;
  #openedAtMs: number | null = null;
  #heldMs: number | null = null;
  #paused = false;
  #held: { readonly text: string; readonly isBinary: boolean }[] = [];
  #liveness: Liveness | null = null;
  #cancelDeadline: () => void;

  constructor(options: ConnectionOptions) {
    const { socket, clock } = options;
    this.#options = options;
    this.#outgoing = openOutgoing(socket);
    this.#refusals = openRefusals({
      clock,
      logger: options.logger,
      shown: options.shown,
      send: (frame) => void this.#write(frame),
      abused: (reason) => this.#leave({ kind: 'closed', by: 'us', code: CLOSE.abuse, reason }, CLOSE.abuse),
    });
    this.#intake = openIntake({
      listener: options.listener,
      logger: options.logger,
      failPoints: options.failPoints,
      takesJobs: options.takesJobs,
      verifyJob: options.verifyJob,
      isLost: () => this.#ending !== null,
      outgoing: this.#outgoing,
      refuse: (message, ref, code) => {
        if (this.#ending === null) this.#refusals.refuse(message, ref, code);
      },
      full: () => this.#pause(),
      drained: () => this.#resume(),
    });
    this.#cancelDeadline = clock.timer(HANDSHAKE_TIMEOUT_MS, () => this.#leave({ kind: 'timed_out', awaited: 'handshake' }));
    this.ended = new Promise((resolve) => {
      // All listeners are attached in the turn in which the socket is made, so no frame can slip by.
      socket.on('upgrade', () => {
        this.#upgraded = true;
      });
      socket.on('unexpected-response', (_request, response) =>
        this.#leave({ kind: 'refused', status: response.statusCode ?? 0 }),
      );
      socket.on('open', () => void this.#greet());
      socket.on('message', (message, isBinary) => this.#hear(message, isBinary));
      socket.on('ping', () => this.#liveness?.heard());
      socket.on('pong', () => this.#liveness?.heard());
      socket.on('error', (error) => this.#fault(error));
      socket.on('close', (code, reason) => {
        this.#lose({ kind: 'closed', by: 'peer', code, reason: options.shown(reason.toString('utf8')) });
        this.#cancelDeadline();
        resolve({ ending: this.#ending ?? { kind: 'stopped' }, heldMs: this.#heldMs });
      });
    });
  }

  /** Closes with 1001; a connection that is not yet up is dropped. */
  stop(): void {
    this.#leave({ kind: 'stopped' }, CLOSE.shutdown);
  }

  async #greet(): Promise<void> {
    const { listener, clock } = this.#options;
    this.#phase = 'greeting';
    this.#cancelDeadline();
    this.#cancelDeadline = clock.timer(WELCOME_TIMEOUT_MS, () => this.#leave({ kind: 'timed_out', awaited: 'welcome' }));
    try {
      const hello = await listener.hello();
      if (this.#ending !== null) return;
      this.#phase = 'waiting';
      this.#write(hello);
    } catch (error) {
      this.#fail('hello', error);
    }
  }

  async #welcome(welcome: WelcomeFrame): Promise<void> {
    const { listener, clock, logger, opened } = this.#options;
    this.#phase = 'welcoming';
    this.#cancelDeadline();
    this.#pause();
    const skewMs = welcome.time - clock.wall();
    reportSkew(skewMs, logger);
    this.#told = true;
    const connection: LinkConnection = {
      send: (frame) => this.#write(frame),
      sendText: (type, text) => this.#writeInTurn(type, text),
      flushed: () => this.#outgoing.flushed(),
      signal: this.#lost.signal,
    };
    try {
      const answer = await listener.welcomed(welcome, connection);
      if (this.#ending !== null) return;
      if (answer === 'replaced') return this.#leave({ kind: 'replaced' }, CLOSE.shutdown);
    } catch (error) {
      return this.#fail('welcome', error);
    }
    this.#phase = 'open';
    this.#openedAtMs = clock.monotonicMs();
    this.#watch(welcome.heartbeatSeconds * 1000);
    opened(skewMs);
    const held = this.#held;
    this.#held = [];
    this.#resume();
    for (const { text, isBinary } of held) this.#take(text, isBinary);
  }

  #watch(heartbeatMs: number): void {
    const { socket, clock } = this.#options;
    this.#liveness = watchLiveness({
      clock,
      heartbeatMs,
      ping: () => {
        if (socket.readyState === socket.OPEN) socket.ping();
      },
      bufferedBytes: () => socket.bufferedAmount,
      gone: (how) => this.#leave({ kind: how }),
    });
  }

  #hear(message: RawData, isBinary: boolean): void {
    if (this.#ending !== null) return;
    this.#liveness?.heard();
    const bytes = Buffer.isBuffer(message) ? message : Buffer.concat(Array.isArray(message) ? message : [Buffer.from(message)]);
    const text = bytes.toString(isBinary ? 'latin1' : 'utf8');
    if (this.#phase === 'welcoming') this.#held.push({ text, isBinary });
    else this.#take(text, isBinary);
  }

  #take(text: string, isBinary: boolean): void {
    if (this.#ending !== null) return;
    if (isBinary) return this.#refusals.refuse('a binary frame; expected text', frameHash(Buffer.from(text, 'latin1')));
    const read = readFrameFromControlPlane(text);
    if (!read.ok) return this.#refusals.refuse(read.refused.message, read.refused.ref, read.refused.code);
    const { frame } = read;
    if (frame.type === 'error') {
      this.#refusals.complaint(frame);
      if (this.#phase === 'open') this.#options.listener.syncAnswered(frame);
      return;
    }
    if (this.#phase !== 'open') {
      if (frame.type === 'welcome' && this.#phase === 'waiting') void this.#welcome(frame);
      else this.#refusals.refuse(`${frame.type} before ${this.#phase === 'greeting' ? 'hello' : 'welcome'}`, refOf(frame, text));
      return;
    }
    switch (frame.type) {
      case 'welcome':
        return this.#refusals.refuse('a second welcome', refOf(frame, text));
      case 'job':
        return void this.#intake.store(frame.received);
      case 'signed_job':
        return void this.#intake.storeSigned(frame.jws, refOf(frame, text));
      case 'ack':
        return void this.#intake.acknowledge(frame.seq, refOf(frame, text));
      case 'sync.ack':
        if (this.#options.listener.syncAnswered(frame)) return;
        return this.#refusals.refuse(`${shownAck(frame)}, which was never sent`, refOf(frame, text));
      default:
        return frame satisfies never;
    }
  }

  #pause(): void {
    if (this.#paused || this.#ending !== null) return;
    this.#paused = true;
    this.#liveness?.listening(false);
    this.#options.socket.pause();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#liveness?.listening(true);
    this.#options.socket.resume();
  }

  #write(frame: WireFrameFromConnector): boolean {
    if (this.#ending !== null) return false;
    const text = JSON.stringify(frame);
    return this.#isTooLarge(frame.type, text) || this.#outgoing.send(text);
  }

  async #writeInTurn(type: WireFrameFromConnector['type'], text: string): Promise<boolean> {
    return !this.#isTooLarge(type, text) && (await this.#outgoing.sendInTurn(text));
  }

  /** Sent, it would cost the connection (1009) each time. */
  #isTooLarge(type: WireFrameFromConnector['type'], text: string): boolean {
    if (Buffer.byteLength(text) <= MAX_FRAME_BYTES) return false;
    this.#options.logger.error({ event: 'link.frame-too-large', type }, 'a frame of ours is over 1 MiB and was not sent');
    return true;
  }

  #fault(error: Error): void {
    const code = faultCode(error);
    if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') {
      this.#lose({ kind: 'closed', by: 'us', code: CLOSE.tooLarge, reason: 'a frame over 1 MiB' });
    } else {
      const isPeer = code.startsWith('WS_ERR_') || code.startsWith('HPE_') || (this.#upgraded && this.#phase === 'dialing');
      this.#lose(isPeer ? { kind: 'bad_peer', code } : { kind: 'network', code });
    }
    // ws closes the socket itself, but waits for a peer that may never answer.
    this.#closeWithin(CLOSE_TIMEOUT_MS);
  }

  #fail(step: string, error: unknown): void {
    this.#options.logger.error({ event: 'link.owner-failed', step, problem: problemOf(error) }, 'the connection cannot go on');
    this.#leave({ kind: 'failed', problem: `${step} (${faultCode(error)})` }, 1011);
  }

  /** Ends the connection: with a close frame where a code is given and the socket is up, else at once. */
  #leave(ending: Ending, code?: number): void {
    const { socket } = this.#options;
    const first = this.#ending === null;
    this.#lose(ending);
    if (!first) return;
    if (code === undefined || socket.readyState !== socket.OPEN) return socket.terminate();
    // The peer's answer must be read, whatever is before it.
    this.#resume();
    socket.close(code);
    this.#closeWithin(CLOSE_TIMEOUT_MS);
  }

  #closeWithin(delayMs: number): void {
    this.#cancelDeadline();
    this.#cancelDeadline = this.#options.clock.timer(delayMs, () => this.#options.socket.terminate());
  }

  /** The connection is of no use from here on; only the first ending counts. */
  #lose(ending: Ending): void {
    if (this.#ending !== null) return;
    this.#ending = ending;
    const { clock, listener } = this.#options;
    this.#heldMs = this.#openedAtMs === null ? null : clock.monotonicMs() - this.#openedAtMs;
    this.#cancelDeadline();
    this.#liveness?.stop();
    this.#held = [];
    this.#outgoing.lose();
    this.#lost.abort();
    if (this.#told) listener.lost();
  }
}

function shownAck({ syncId, page }: SyncAckFrame): string {
  return `sync.ack of ${page === undefined ? 'the end' : `page ${page}`} of stream ${syncId}`;
}

/** The job id where the frame has one, else the SHA-256 of the frame. */
function refOf(frame: FrameFromControlPlane, text: string): string {
  return frame.type === 'job' ? frame.received.jobId : frameHash(text);
}
