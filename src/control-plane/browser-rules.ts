import type { IncomingMessage } from 'node:http';
import { isLoopback } from './options.ts';
import { RequestProblem } from './requests.ts';

/**
 * What a browser must not let other pages do to the stub. Throws a RequestProblem. Tools for developers send neither Origin nor
 * Sec-Fetch-Site, and may send any content type.
 *
 * On loopback nobody is asked for a token, so that the name under which the stub is called must be one of loopback: a page could
 * otherwise make its own name lead here (DNS rebinding), and be of the same origin.
 */
export function refuseOtherPages({ method, url = '/', headers }: IncomingMessage, onLoopback: boolean): void {
  const { host = 'localhost', origin } = headers;
  if (onLoopback && !isLoopback(nameOf(host)))
    throw new RequestProblem(421, `called by the name ${host}; expected one of this machine's own, such as localhost`);
  if (origin !== undefined && hostOf(origin) !== host)
    throw new RequestProblem(403, `requests of other web pages (Origin ${origin}) are not answered`);
  const site = headers['sec-fetch-site'];
  // Whoever follows a link to the console comes from elsewhere, and sees the page.
  const isVisit = method === 'GET' && url === '/' && headers['sec-fetch-mode'] === 'navigate';
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !isVisit)
    throw new RequestProblem(403, 'requests of other web pages (Sec-Fetch-Site) are not answered');
  // A form can be sent without asking first (Fetch Standard, CORS-safelisted request-header), JSON cannot.
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  if (origin !== undefined && hasBody && headers['content-type'] !== 'application/json')
    throw new RequestProblem(415, 'expected content-type application/json from a web page');
}

/** The name in a Host header (RFC 9110 §7.2), without its port and the brackets of an IPv6 address. */
function nameOf(host: string): string {
  return host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
