import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv6 } from 'node:net';
import { type HealthParts, judgeHealth } from './health.ts';
import { ListenError, type ListenFault } from './listen-error.ts';
import type { Logger } from './logger.ts';

/** A probe's request line and headers are a few hundred bytes, and come at once. */
const MAX_HEADER_BYTES = 4_096;
const REQUEST_TIMEOUT_MS = 5_000;
/** Below the time limits of the probes that orchestrators send. */
const HEALTH_TIMEOUT_MS = 900;
/** Below the time limit of a scrape, which is 10 s where nobody says otherwise. */
const METRICS_TIMEOUT_MS = 5_000;
/** Probes and a person or two; more is somebody else's traffic. */
const MAX_CONNECTIONS = 64;

/** The running endpoint; `url` ends without a slash. */
export interface HealthEndpoint {
  readonly url: string;
  /** Resolves when the port is free again; open connections are cut. */
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ServeHealthOptions {
  readonly host: string;
  readonly port: number;
  readonly health: () => HealthParts | Promise<HealthParts>;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  readonly logger: Logger;
}

/**
 * Answers GET and HEAD: `/livez` with 200 while the event loop turns, `/readyz` and `/healthz` with one JSON object of all
 * parts, 503 while any is not ready or
 * the parts cannot be told; `/metrics` with what was counted. Port 0 takes a free one. Rejects with a {@link ListenError}.
 */
export async function serveHealth(options: ServeHealthOptions): Promise<HealthEndpoint> {
  const { host, port, logger } = options;
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    void answerTo(request, options).then((told) => send(request, response, told));
  };
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
    },
    answer,
  );
  server.maxConnections = MAX_CONNECTIONS;
  // Without a listener Node would invite the body that nobody reads.
  server.on('checkContinue', answer);
  await listening(server, host, port);
  server.on('error', (error) => logger.error({ event: 'http.failed', error }, 'the health endpoint met an error'));
  const address = server.address();
  const actual = typeof address === 'object' && address !== null ? address.port : port;
  return {
    url: `http://${isIPv6(host) ? `[${host}]` : host}:${actual}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const PATHS: ReadonlySet<string> = new Set(['/livez', '/readyz', '/healthz', '/metrics']);

/** Never rejects. */
async function answerTo(request: IncomingMessage, { health, metrics, logger }: ServeHealthOptions): Promise<Answer> {
  const path = (request.url ?? '/').replace(/\?.*$/s, '');
  if (!PATHS.has(path)) return { status: 404, text: '{"error":"not found"}' };
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { status: 405, text: '{"error":"only GET and HEAD"}', headers: { allow: 'GET, HEAD' } };
  if (path === '/livez') return { status: 200, text: '{"live":true}' };
  if (path === '/metrics') return await scraped(metrics, logger);
  try {
    const { status, body } = judgeHealth(await within(HEALTH_TIMEOUT_MS, health));
    return { status, text: JSON.stringify(body) };
  } catch (error) {
    logger.error({ event: 'http.failed', error }, 'the state of health could not be told');
    return { status: 503, text: '{"ready":false,"error":"the state of health could not be told"}' };
  }
}

/** A scrape that fails says nothing, and is seen as one: half of it would pass for the whole. */
async function scraped(metrics: ServeHealthOptions['metrics'], logger: Logger): Promise<Answer> {
  try {
    const { contentType, text } = await within(METRICS_TIMEOUT_MS, metrics);
    return { status: 200, text: text.trimEnd(), contentType };
  } catch (error) {
    logger.error({ event: 'http.failed', error }, 'the metrics could not be told');
    return { status: 503, text: '{"error":"the metrics could not be told"}' };
  }
}

/** A part that never answers must not use up the connections, or `/livez` would fall silent with it. */
async function within<T>(timeoutMs: number, ask: () => T | Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await Promise.race([ask(), promise]);
  } finally {
    clearTimeout(timer);
  }
}

const JSON_TYPE = 'application/json; charset=utf-8';

/** One request a connection: whatever else the peer sends, a body above all, is never read. */
function send(
  request: IncomingMessage,
  response: ServerResponse,
  { status, text, contentType = JSON_TYPE, headers = {} }: Answer,
): void {
  const body = `${text}\n`;
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    connection: 'close',
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      const fault = LISTEN_FAULT[error.code ?? ''] ?? 'failed';
      reject(new ListenError(fault, `cannot listen at ${host} port ${port}: ${SENTENCE[fault]}`, { cause: error }));
    };
    server.once('error', failed);
    server.listen({ host, port }, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

const LISTEN_FAULT: Readonly<Record<string, ListenFault>> = {
  EADDRINUSE: 'address_in_use',
  EADDRNOTAVAIL: 'address_unavailable',
  ENOTFOUND: 'address_unavailable',
  EACCES: 'not_permitted',
};

const SENTENCE: Readonly<Record<ListenFault, string>> = {
  address_in_use: 'another program does; choose another LATCHKEY_HTTP_ADDR, or off',
  address_unavailable: 'it is not an address of this machine; choose another LATCHKEY_HTTP_ADDR',
  not_permitted: 'not permitted; choose a port above 1023 in LATCHKEY_HTTP_ADDR',
  failed: 'the system refused; see the cause',
};
