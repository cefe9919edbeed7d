import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';

/** A frame that went over the wire, as it was sent. */
export interface RecordedFrame {
  readonly from: 'connector' | 'control-plane';
  readonly text: string;
}

export interface RecordingProxy extends AsyncDisposable {
  readonly url: string;
  readonly frames: readonly RecordedFrame[];
  /** Sends a frame to one of the two that the other never sent. It is not recorded. */
  forge(to: RecordedFrame['from'], text: string): void;
}

/** Stands between a connector and its control plane on this machine, passes every frame on, and keeps it. */
export async function startRecordingProxy(targetUrl: string): Promise<RecordingProxy> {
  const frames: RecordedFrame[] = [];
  const pairs = new Set<{ readonly connector: WebSocket; readonly controlPlane: WebSocket }>();
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  server.on('connection', (connector, request) => {
    const controlPlane = new WebSocket(targetUrl, connector.protocol, {
      headers: { authorization: request.headers.authorization ?? '' },
      perMessageDeflate: false,
    });
    const pair = { connector, controlPlane };
    pairs.add(pair);
    const early: string[] = [];
    connector.on('message', (bytes: Buffer) => {
      const text = bytes.toString('utf8');
      frames.push({ from: 'connector', text });
      if (controlPlane.readyState === WebSocket.OPEN) controlPlane.send(text);
      else early.push(text);
    });
    controlPlane.on('open', () => {
      for (const text of early.splice(0)) controlPlane.send(text);
    });
    controlPlane.on('message', (bytes: Buffer) => {
      const text = bytes.toString('utf8');
      frames.push({ from: 'control-plane', text });
      connector.send(text);
    });
    for (const [one, other] of [
      [connector, controlPlane],
      [controlPlane, connector],
    ] as const) {
      one.on('close', () => {
        pairs.delete(pair);
        other.close();
      });
      one.on('error', () => other.terminate());
    }
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}/connect`,
    frames,
    forge(to, text) {
      for (const { connector, controlPlane } of pairs) (to === 'connector' ? connector : controlPlane).send(text);
    },
    async [Symbol.asyncDispose]() {
      for (const { connector, controlPlane } of pairs) for (const end of [connector, controlPlane]) end.terminate();
      server.close();
      await once(server, 'close');
    },
  };
}
