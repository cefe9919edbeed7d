import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Answer, readBody } from './asked.ts';
import { refuseOtherPages } from './browser-rules.ts';
import { feedConsole } from './console-feed.ts';
import { BROWSER_HEADERS, readPageFile } from './console-page.ts';
import { cookieFor, ENDED_COOKIE, sessionOf } from './console-session.ts';
import type { Desk } from './desk.ts';
import { answerRequest, problemAnswer } from './http-api.ts';
import { RequestProblem } from './requests.ts';
import type { Tokens } from './tokens.ts';

/** Pages that are open at one time; each looks at the desk four times a second. */
const MAX_FEEDS = 50;

/**
 * What answers every HTTP request: the console's page, which anybody may have, and behind the token, where one is asked for, its
 * feed and the API. `apiTokens` is null on loopback.
 */
export function openFront({ desk, apiTokens }: { desk: Desk; apiTokens: Tokens | null }) {
  let feeds = 0;

  async function feed(response: ServerResponse, signal: AbortSignal): Promise<void> {
    if (feeds >= MAX_FEEDS) throw new RequestProblem(503, `${feeds} consoles are open; close one`);
    feeds += 1;
    try {
      await feedConsole(response, desk, signal);
    } finally {
      feeds -= 1;
    }
  }

  async function answer(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const { method, url = '/', headers } = request;
    refuseOtherPages(request, apiTokens === null);
    const path = url.split('?')[0] ?? url;
    const wantsPage = path === '/' && (headers.accept ?? '').includes('text/html');
    const file = method === 'GET' ? await readPageFile(wantsPage ? '/console/page.html' : path) : undefined;
    if (file !== undefined) {
      response.writeHead(200, { 'content-type': file.type, 'cache-control': 'no-store', vary: 'Accept' }).end(file.text);
      return;
    }
    if (path === '/console/session') return sendJson(response, await session(request, response));
    if (sessionOf(request, apiTokens).token === 'needed') {
      response.setHeader('www-authenticate', 'Bearer');
      throw new RequestProblem(401, 'expected Authorization: Bearer with a token of the API token file');
    }
    if (method === 'GET' && path === '/console/feed') return await feed(response, signal);
    await answerRequest(request, response, desk, (withinMs) => desk.changes.next(withinMs, signal));
  }

  async function session(request: IncomingMessage, response: ServerResponse): Promise<Answer> {
    if (request.method === 'GET' || apiTokens === null) return { status: 200, body: sessionOf(request, apiTokens) };
    if (request.method === 'DELETE') {
      response.setHeader('set-cookie', ENDED_COOKIE);
      return { status: 200, body: { token: 'needed' } };
    }
    const cookie = cookieFor((await readBody(request))['token'], apiTokens);
    if (cookie === undefined) throw new RequestProblem(401, 'that is no token of the API token file');
    response.setHeader('set-cookie', cookie);
    return { status: 200, body: { token: 'given' } };
  }

  return {
    /** Never rejects. The signal aborts when the client goes away, or the stub stops. */
    async answer(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
      for (const [name, value] of Object.entries(BROWSER_HEADERS)) response.setHeader(name, value);
      try {
        await answer(request, response, signal);
      } catch (error) {
        if (!(error instanceof RequestProblem)) desk.unsaved(error);
        if (response.headersSent) response.destroy();
        else sendJson(response, problemAnswer(error));
      }
    },
  };
}

function sendJson(response: ServerResponse, { status, body }: Answer): void {
  response
    .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    .end(`${JSON.stringify(body, null, 2)}\n`);
}
