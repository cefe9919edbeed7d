import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** Where in a connection a fault strikes: at a step of its making, or at a frame. */
export const WEBSOCKET_PHASES = [
  'connect',
  'tls',
  'upgrade-request',
  'upgrade-answer',
  'hello',
  'welcome',
  'job',
  'job.received',
  'event',
  'ack',
  'idle',
] as const;
export type WebSocketPhase = (typeof WEBSOCKET_PHASES)[number];

/**
 * `silence`: nothing passes from here on, and nothing is closed. `delay`: all that is sent in that direction comes later.
 * `truncate`: half of it passes, and both ends are closed. `reset`: none of it passes, both ends are reset. `half-close`: it
 * passes, and nothing after it: the receiver is told that the sender has finished, the sender is told nothing.
 */
export const WEBSOCKET_FAULTS = ['silence', 'delay', 'truncate', 'reset', 'half-close'] as const;
export type WebSocketFault = (typeof WEBSOCKET_FAULTS)[number];

export const DELAY_MS = 1_500;

export interface WebSocketProxy extends AsyncDisposable {
  readonly port: number;
  /** The next passing of that phase is spoilt, once; resolves when it is. `idle` is spoilt now. */
  spoil(phase: WebSocketPhase, fault: WebSocketFault): Promise<void>;
  /** Resets every open connection. */
  reset(): void;
}

interface Flow {
  readonly from: Socket;
  readonly to: Socket;
  /** Sends the sender a reset; of a TLS connection, what carries it does. */
  readonly resetSender: () => void;
  state: 'passing' | 'held' | 'discarding';
  held: Buffer[];
}

/** A proxy before a WebSocket server on this machine that knows one frame from another. With a certificate it speaks TLS itself. */
export async function startWebSocketProxy(
  targetPort: () => number,
  certificate: { readonly cert: string; readonly key: string } | null = null,
): Promise<WebSocketProxy> {
  const sockets = new Set<Socket>();
  const live = new Set<readonly [Flow, Flow]>();
  const timers = new Set<NodeJS.Timeout>();
  let armed: { phase: WebSocketPhase; fault: WebSocketFault; struck: () => void } | null = null;

  function take(phase: WebSocketPhase): WebSocketFault | null {
    if (armed?.phase !== phase) return null;
    const { fault, struck } = armed;
    armed = null;
    struck();
    return fault;
  }

  function later(act: () => void): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      act();
    }, DELAY_MS);
    timers.add(timer);
  }

  function strike({ fault, flows, flow, bytes }: { fault: WebSocketFault; flows: readonly Flow[]; flow: Flow; bytes: Buffer }) {
    switch (fault) {
      case 'silence':
        for (const one of flows) one.state = 'discarding';
        return;
      case 'delay':
        flow.state = 'held';
        flow.held.push(bytes);
        return later(() => {
          if (flow.state !== 'held') return;
          flow.state = 'passing';
          for (const one of flow.held.splice(0)) flow.to.write(one);
        });
      case 'truncate':
        flow.to.end(bytes.subarray(0, Math.floor(bytes.length / 2)));
        for (const one of flows) one.state = 'discarding';
        return void flow.from.end();
      case 'reset':
        for (const { resetSender } of flows) resetSender();
        return;
      case 'half-close':
        flow.state = 'discarding';
        return void flow.to.end(bytes);
      default:
        return fault satisfies never;
    }
  }

  function forward(client: Socket, carrier: Socket = client): void {
    const server = connect({ host: '127.0.0.1', port: targetPort(), allowHalfOpen: true });
    track(server);
    const up: Flow = { from: client, to: server, resetSender: () => carrier.resetAndDestroy(), state: 'passing', held: [] };
    const down: Flow = { from: server, to: client, resetSender: () => server.resetAndDestroy(), state: 'passing', held: [] };
    const flows = [up, down] as const;
    live.add(flows);
    pass(up, flows, framesOf('upgrade-request'));
    pass(down, flows, framesOf('upgrade-answer'));
    const gone = (): void => {
      live.delete(flows);
      client.destroy();
      server.destroy();
    };
    client.on('close', gone);
    server.on('close', gone);
  }

  function pass(flow: Flow, flows: readonly Flow[], split: (chunk: Buffer) => Piece[]): void {
    flow.from.on('data', (chunk: Buffer) => {
      for (const { bytes, phase } of split(chunk)) {
        if (flow.state === 'discarding') return;
        if (flow.state === 'held') {
          flow.held.push(bytes);
          continue;
        }
        const fault = phase === null ? null : take(phase);
        if (fault === null) flow.to.write(bytes);
        else strike({ fault, flows, flow, bytes });
      }
    });
    flow.from.on('end', () => {
      if (flow.state === 'passing') flow.to.end();
    });
  }

  function track(socket: Socket): void {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  }

  /** Faults of a connection that has carried nothing yet: there is nothing to hold or to cut but the connection itself. */
  function strikeBare(fault: WebSocketFault, socket: Socket, goOn: () => void): void {
    switch (fault) {
      case 'silence':
        return void socket.resume();
      case 'delay':
        return later(goOn);
      case 'truncate':
        return void socket.destroy();
      case 'reset':
        return void socket.resetAndDestroy();
      case 'half-close':
        socket.resume();
        return void socket.end();
      default:
        return fault satisfies never;
    }
  }

  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    track(socket);
    const converse = (): void => {
      if (socket.destroyed) return;
      if (certificate === null) {
        forward(socket);
        return void socket.resume();
      }
      const secured = new TLSSocket(socket, { isServer: true, ...certificate });
      secured.on('error', () => socket.destroy());
      forward(secured, socket);
    };
    const shake = (): void => {
      const fault = certificate === null ? null : take('tls');
      if (fault === null) converse();
      else strikeBare(fault, socket, converse);
    };
    const fault = take('connect');
    if (fault === null) shake();
    else strikeBare(fault, socket, shake);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');

  return {
    port: address.port,
    spoil: (phase, fault) =>
      new Promise((struck) => {
        armed = { phase, fault, struck };
        if (phase !== 'idle' || take('idle') === null) return;
        for (const flows of live) strike({ fault, flows, flow: flows[1], bytes: Buffer.alloc(0) });
      }),
    reset() {
      for (const flows of live) for (const { resetSender } of flows) resetSender();
    },
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearTimeout(timer);
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

interface Piece {
  readonly bytes: Buffer;
  readonly phase: WebSocketPhase | null;
}

function typeOf(text: string): WebSocketPhase | null {
  const type = /^\{"type":"([a-z.]+)"/.exec(text)?.[1];
  return WEBSOCKET_PHASES.find((phase) => phase === type) ?? null;
}

/** Cuts a stream into its HTTP head, which is the first phase, and its WebSocket frames (RFC 6455 §5.2). */
function framesOf(head: WebSocketPhase): (chunk: Buffer) => Piece[] {
  let rest: Buffer = Buffer.alloc(0);
  let isHead = true;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const pieces: Piece[] = [];
    for (;;) {
      const end = isHead ? rest.indexOf('\r\n\r\n') + 4 : frameEnd(rest);
      if (end < 4 && isHead) return pieces;
      if (end === 0 || end > rest.length) return pieces;
      const bytes = rest.subarray(0, end);
      rest = rest.subarray(end);
      pieces.push({ bytes, phase: isHead ? head : typeOf(payloadOf(bytes)) });
      isHead = false;
    }
  };
}

function headerLength(frame: Buffer): { readonly header: number; readonly payload: number; readonly masked: boolean } | null {
  if (frame.length < 2) return null;
  const [, second = 0] = frame;
  const masked = second >= 128;
  const short = second % 128;
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
  if (frame.length < 2 + extended) return null;
  const payload = extended === 0 ? short : extended === 2 ? frame.readUInt16BE(2) : Number(frame.readBigUInt64BE(2));
  return { header: 2 + extended + (masked ? 4 : 0), payload, masked };
}

/** Where the first frame ends; 0 while that is not known. */
function frameEnd(bytes: Buffer): number {
  const known = headerLength(bytes);
  return known === null ? 0 : known.header + known.payload;
}

function payloadOf(frame: Buffer): string {
  const known = headerLength(frame);
  if (known === null) return '';
  const { header, masked } = known;
  const payload = Buffer.from(frame.subarray(header));
  if (masked)
    for (let at = 0; at < payload.length; at += 1) payload[at] = (payload[at] ?? 0) ^ (frame[header - 4 + (at % 4)] ?? 0);
  return payload.toString('utf8');
}
