import { systemClock } from '../../src/engine/system-clock.ts';
import { openWebSocketLink } from '../../src/link/websocket-link.ts';
import { capturedLog } from '../support/captured-log.ts';
import { linkContract } from '../support/link-contract.ts';
import { webSocketServer } from '../support/websocket-peer.ts';

linkContract('WebSocket', async () => {
  const server = await webSocketServer();
  const link = openWebSocketLink({
    url: server.url,
    token: () => Promise.resolve({ reveal: () => 'token-of-the-contract' }),
    ca: null,
    clock: systemClock,
    // Full jitter may draw nothing at all: dialed again at once.
    random: () => 0,
    logger: capturedLog().logger,
  });
  return { link, nextPeer: () => server.nextPeer(), close: () => server.close() };
});
