import { randomUUID } from 'node:crypto';
import type { RawData, WebSocket } from 'ws';
import type { Clock } from '../access/clock.ts';
import { frameHash } from '../protocol/frame-hash.ts';
import { type FrameFromConnector, readFrameFromConnector, type WireFrameFromControlPlane } from '../protocol/frames.ts';
import { CLOSE, INVALID_FRAME_WINDOW_MS, MAX_INVALID_FRAMES, WELCOME_TIMEOUT_MS } from '../protocol/limits.ts';
import { converse } from './conversation.ts';
import type { Desk, Session } from './desk.ts';
import { timestamp } from './system-clock.ts';

type Hello = Extract<FrameFromConnector, { type: 'hello' }>;

/** How long the holder of a connectorId has to answer before a newcomer takes its place; well within the newcomer's 10 s. */
const DUPLICATE_PING_MS = 2_000;

/**
 * Talks to one connector until its socket closes. First `hello`, within 10 s; then `welcome`; then what
 * conversation.ts tells.
 */
export function runSession(socket: WebSocket, tokenHash: string, desk: Desk): void {
  const { book, clock } = desk;
  const closed = new AbortController();
  let phase: 'silent' | 'greeting' | 'open' = 'silent';
  let connectorId: string | null = book.boundTo(tokenHash) ?? null;
  let session: Session | undefined;
  let conversation: ReturnType<typeof converse> | undefined;
  const refusedAt: number[] = [];
  // Nobody's violation: one whose hello the network lost is as silent as one who said none.
  const cancelHello = clock.timer(WELCOME_TIMEOUT_MS, () => {
    desk.note(`closed a connection of ${connectorId ?? 'nobody yet'}: no hello within 10 s`);
    socket.close(CLOSE.badHello, 'no hello within 10 s');
  });

  function send(frame: WireFrameFromControlPlane): string {
    const text = JSON.stringify(frame);
    if (socket.readyState === socket.OPEN) socket.send(text);
    return text;
  }

  function violated(rule: string, detail: string): void {
    desk.violated(connectorId, rule, detail);
  }

  function refuseFrame(message: string, ref: string): void {
    violated('invalid frame', message);
    send({ type: 'error', code: 'invalid_frame', message, ref });
    const now = clock.monotonicMs();
    refusedAt.push(now);
    if (refusedAt.length > MAX_INVALID_FRAMES) refusedAt.shift();
    const oldest = refusedAt[0] ?? now;
    if (refusedAt.length === MAX_INVALID_FRAMES && now - oldest < INVALID_FRAME_WINDOW_MS) {
      socket.close(CLOSE.abuse, 'too many invalid frames');
    }
  }

  function refuseHello(problem: string): void {
    violated('bad hello', problem);
    socket.close(CLOSE.badHello, shortReason(problem));
  }

  async function greet(hello: Hello, raw: Record<string, unknown>): Promise<void> {
    const bound = book.boundTo(tokenHash);
    const known = book.connector(hello.connectorId);
    if ((bound !== undefined && bound !== hello.connectorId) || (known !== undefined && known.tokenHash !== tokenHash)) {
      violated('token of another connector', `hello as ${hello.connectorId} with the token of ${bound ?? 'nobody yet'}`);
      socket.close(CLOSE.token, shortReason(`this token belongs to ${bound ?? 'no connector'}, not to ${hello.connectorId}`));
      return;
    }
    connectorId = hello.connectorId;
    for (let holder = desk.sessions.get(connectorId); holder !== undefined; holder = desk.sessions.get(connectorId)) {
      // The same process has one connection only, so its older one is a ghost. Each turn takes one holder away.
      const alive = holder.instanceId !== hello.instanceId && (await holder.isAlive(DUPLICATE_PING_MS));
      if (alive) {
        violated('duplicate connector', `${connectorId} is connected already`);
        socket.close(CLOSE.duplicate, 'this connectorId is connected already');
        return;
      }
      holder.terminate();
      if (desk.sessions.get(connectorId) === holder) desk.sessions.delete(connectorId);
    }
    await desk.pictures.of(connectorId).storing;
    if (closed.signal.aborted) return;
    const { ledgerId } = hello;
    const ackedSeq = book.ackedSeq(ledgerId);
    book.greet(hello, raw, timestamp(clock), tokenHash);
    const begun = converse({
      connectorId,
      ledgerId,
      signs: hello.capabilities.includes('signed-jobs'),
      desk,
      send,
      violated,
      fail,
      closed: closed.signal,
    });
    conversation = begun;
    // A job may be asked for while the hello is being stored, and none may come before the welcome.
    const sendJobs = (): void => {
      if (phase === 'open') begun.sendJobs();
    };
    session = { instanceId: hello.instanceId, sendJobs, isAlive, close: closeSocket, terminate };
    desk.sessions.set(connectorId, session);
    await desk.stateFile.save();
    send({
      type: 'welcome',
      sessionId: randomUUID(),
      time: timestamp(clock),
      heartbeatSeconds: desk.heartbeatSeconds,
      ...(ackedSeq === undefined ? {} : { ackedSeq }),
    });
    desk.note(`connected ${connectorId} (ledger ${ledgerId}, acknowledged ${ackedSeq ?? 'nothing'})`);
    phase = 'open';
    sendJobs();
  }

  function isAlive(withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (alive: boolean) => {
        cancel();
        socket.off('pong', answered);
        socket.off('close', gone);
        resolve(alive);
      };
      const answered = () => settle(true);
      const gone = () => settle(false);
      const cancel = clock.timer(withinMs, gone);
      socket.on('pong', answered);
      socket.on('close', gone);
      if (socket.readyState === socket.OPEN) socket.ping();
      else settle(false);
    });
  }

  function closeSocket(code: number, reason: string): void {
    socket.close(code, reason);
  }

  function terminate(): void {
    socket.terminate();
  }

  function takeFrame(text: string): void {
    const read = readFrameFromConnector(text);
    if (!read.ok) {
      if (phase === 'silent') {
        phase = 'greeting';
        refuseHello(read.refused.message);
      } else {
        conversation?.unreadable(read.refused.ref);
        refuseFrame(read.refused.message, read.refused.ref);
      }
      return;
    }
    const { frame } = read;
    // Of the frames that are kept as they came; a page of a sync stream is long.
    const raw = () => JSON.parse(text) as Record<string, unknown>;
    if (phase === 'silent') {
      phase = 'greeting';
      cancelHello();
      if (frame.type === 'hello') greet(frame, raw()).catch(fail);
      else refuseHello(`the first frame was of type ${frame.type}`);
      return;
    }
    if (phase === 'greeting' || conversation === undefined) return refuseFrame(`${frame.type} before welcome`, frameHash(text));
    const known = connectorId === null ? undefined : book.connector(connectorId);
    if (known !== undefined) known.lastSeenAt = timestamp(clock);
    conversation.take(frame, raw, text, refuseFrame);
  }

  function fail(error: unknown): void {
    desk.unsaved(error);
    socket.close(1011, 'the stub cannot write its state');
  }

  const cancelHeartbeat = beat(socket, clock, desk.heartbeatSeconds * 1000);
  socket.on('message', (message: RawData, isBinary: boolean) => {
    const bytes = Buffer.isBuffer(message) ? message : Buffer.concat(Array.isArray(message) ? message : [Buffer.from(message)]);
    if (isBinary) refuseFrame('a binary frame; expected text', frameHash(bytes));
    else takeFrame(bytes.toString('utf8'));
  });
  socket.on('error', (error: Error) => violated('broken WebSocket', error.message));
  socket.on('close', (code: number) => {
    closed.abort();
    cancelHello();
    cancelHeartbeat();
    if (session === undefined || connectorId === null) return;
    if (desk.sessions.get(connectorId) === session) desk.sessions.delete(connectorId);
    desk.note(`disconnected ${connectorId} (${code})`);
  });
}

/** Pings each heartbeat and ends a socket from which nothing came for two. Returns what stops it. */
function beat(socket: WebSocket, clock: Clock, heartbeatMs: number): () => void {
  let heardAtMs = clock.monotonicMs();
  const heard = () => {
    heardAtMs = clock.monotonicMs();
  };
  for (const sign of ['message', 'ping', 'pong']) socket.on(sign, heard);
  let cancel = clock.timer(heartbeatMs, tick);
  function tick(): void {
    if (clock.monotonicMs() - heardAtMs >= 2 * heartbeatMs) return socket.terminate();
    if (socket.readyState === socket.OPEN) socket.ping();
    cancel = clock.timer(heartbeatMs, tick);
  }
  return () => cancel();
}

/** RFC 6455 §5.5: a close reason has at most 123 bytes. */
function shortReason(text: string): string {
  return Buffer.from(text, 'utf8').subarray(0, 120).toString('utf8').replace(/�+$/, '');
}
