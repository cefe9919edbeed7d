import type { IncomingMessage } from 'node:http';
import type { Session } from './console/answers.ts';
import type { Tokens } from './tokens.ts';

/** The prefix has the browser insist on https, on this host alone and on every path (RFC 6265bis §4.1.3.2). */
const COOKIE = '__Host-latchkey-console';
/** Until the browser is closed. Scripts cannot read it, and other pages' requests do not carry it. */
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';

/** Whether the sender of a request may use the API: by a bearer token, or by the cookie that the console was given for one. */
export function sessionOf({ headers }: IncomingMessage, tokens: Tokens | null): Session {
  if (tokens === null) return { token: 'not needed' };
  if (tokens.recognise(headers.authorization) !== undefined) return { token: 'given' };
  const cookies = (headers.cookie ?? '').split(';').map((pair) => pair.trim().split('='));
  const cookie = cookies.find(([name]) => name === COOKIE)?.[1];
  return { token: cookie !== undefined && tokens.isSession(cookie) ? 'given' : 'needed' };
}

/** The Set-Cookie header for whoever knows a token; undefined for anybody else. */
export function cookieFor(token: unknown, tokens: Tokens): string | undefined {
  const session = typeof token === 'string' ? tokens.sessionOf(token) : undefined;
  return session === undefined ? undefined : `${COOKIE}=${session}; ${ATTRIBUTES}`;
}

/** The Set-Cookie header that ends a session in this browser. */
export const ENDED_COOKIE = `${COOKIE}=; ${ATTRIBUTES}; Max-Age=0`;
