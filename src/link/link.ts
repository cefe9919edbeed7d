import type { Instant } from '../access/instant.ts';
import type { SignatureFault } from '../access/signature-fault.ts';
import type {
  ErrorFrame,
  ReceivedJob,
  SyncAckFrame,
  SyncFrame,
  WelcomeFrame,
  WireFrameFromConnector,
} from '../protocol/frames.ts';

type WireHello = Extract<WireFrameFromConnector, { type: 'hello' }>;

/** One welcomed connection. What is sent on a connection that is lost is gone; whoever sent it sends it again on the next. */
export interface LinkConnection {
  /** Writes one frame. False where the connection is lost. */
  send(frame: Exclude<WireFrameFromConnector, SyncFrame>): boolean;
  /**
   * Writes one frame of a sync stream, which is JSON text already, once the socket has taken all that was sent before: whatever
   * is sent meanwhile goes first, and waits for no more than one such frame. Those given together keep their order. False
   * where it was not sent: the connection is lost, or the frame is over 1 MiB.
   */
  sendText(type: SyncFrame['type'], text: string): Promise<boolean>;
  /** Resolves when the socket has taken what was sent so far, or the connection is lost. */
  flushed(): Promise<void>;
  /** Aborts when the connection is lost. */
  readonly signal: AbortSignal;
}

/** What a control plane says of a sync stream: that a page or the end was taken, or that the frame which `ref` names was refused. */
export type SyncAnswer = SyncAckFrame | ErrorFrame;

/** What the owner of a link answers. None of these may take longer than a disk needs. */
export interface LinkListener {
  hello(): Promise<WireHello>;
  /**
   * A connection is ready. `replaced`: the ledger took a new id since the control plane knew a later one; the link
   * closes with 1001 and says hello again.
   */
  welcomed(welcome: WelcomeFrame, connection: LinkConnection): Promise<'accepted' | 'replaced'>;
  /** Resolves when the job is durably stored; the link then sends `job.received`. A rejection sends nothing. */
  job(received: ReceivedJob): Promise<void>;
  /** A job was not believed, and refused; nothing of it is known for certain. */
  unverified(fault: SignatureFault): void;
  /** False for an `ack` of a sequence number that was never sent. */
  acknowledged(seq: number): Promise<boolean>;
  /** False for an acknowledgement of what was never sent. An `error` frame that is about nothing of a stream is nobody's fault. */
  syncAnswered(answer: SyncAnswer): boolean;
  /** The connection is lost; called once for each `welcomed`. */
  lost(): void;
}

/** PORT: the way of sync streams to the control plane. */
export interface SyncLink {
  /**
   * Begins a stream on the connection of now; null where there is none, or another stream is open. `hear` is told what comes
   * back about it: the acknowledgements, and that it was refused; false for an acknowledgement of what was never sent.
   */
  open(syncId: string, hear: (answer: SyncAnswer) => boolean): OpenStream | null;
}

/** One stream. It lives no longer than its connection, whose signal aborts when it is lost. */
export interface OpenStream {
  readonly connection: LinkConnection;
  /** Nothing is heard any more, and another stream may begin. */
  close(): void;
}

/** What the link is doing; `since` is when that began. */
export type LinkStatus =
  | { readonly state: 'idle' | 'connecting'; readonly since: Instant }
  /** By so much the control plane's clock was ahead of ours when it welcomed us, in milliseconds. */
  | { readonly state: 'connected'; readonly since: Instant; readonly skewMs: number }
  | { readonly state: 'waiting'; readonly since: Instant; readonly reason: string; readonly nextAttemptAt: Instant }
  | { readonly state: 'stopped'; readonly since: Instant };

/** PORT: the connection to the control plane. It dials out and never gives up. */
export interface Link {
  start(listener: LinkListener): void;
  status(): LinkStatus;
  /** Takes no more jobs from the current connection, and none from later ones; what is being stored is finished. */
  stopReading(): void;
  /** Closes with 1001 and dials no more. Resolves when the socket is gone. */
  stop(): Promise<void>;
}
