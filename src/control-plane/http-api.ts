import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Answer, type Asked, ok, type Respond, readBody, wholeNumber } from './asked.ts';
import type { StoredJob } from './book.ts';
import type { Desk } from './desk.ts';
import { grantJob, RequestProblem, rawJob, revokeJob, syncJob } from './requests.ts';
import { causeFault, pictureView, readFaults, readGroups, readMembers, readSyncs, readUsers } from './sync-api.ts';
import { timestamp } from './system-clock.ts';
import { connectorView, grantView, jobView } from './views.ts';

const MAX_EVENTS_PER_ANSWER = 10_000;
const MAX_WAIT_SECONDS = 30;

const ROOT_TEXT = `This is the control-plane stub of Latchkey: a developer's tool that stands in for a control plane. Do not give it to users.
In a browser this address is its console, a page to ask by and to look at.

POST   /grants        {user, group, durationSeconds | expiresAt, connectorId?, grantId?, jobId?, notAfter?, justification?, requestedBy?, traceparent?}
DELETE /grants/ID     ?reason=
GET    /grants        /grants/ID
GET    /connectors
GET    /events        ?after=INDEX&limit=M&waitSeconds=S
GET    /jobs          /jobs/ID
POST   /jobs          {job: {...}, connectorId?}: sent as it is, right or wrong
GET    /pages/JOBID   grants.page frames of a list job
GET    /users         ?q=TEXT&connectorId=&skip=N&limit=M: as the last sync told them
GET    /groups        ?q=TEXT&connectorId=&skip=N&limit=M
GET    /groups/ID/members  ?connectorId=&skip=N&limit=M
POST   /syncs         {mode: "full" | "delta", acceptRemovals?, connectorId?, jobId?, notAfter?}: asks for a sync
GET    /syncs         ?connectorId=: the streams since the start of the stub
POST   /faults        {lose: "event" | "page" | "end", count}: so many acknowledgements are not sent
GET    /faults        how many are left
GET    /violations    rules of the protocol that a connector broke
`;

const ROUTES: readonly { readonly method: string; readonly path: RegExp; readonly respond: Respond }[] = [
  { method: 'GET', path: /^\/grants$/, respond: ({ desk: { book } }) => ok(book.grantIds().map((id) => grantView(book, id))) },
  { method: 'GET', path: /^\/grants\/([^/]+)$/, respond: readGrant },
  { method: 'POST', path: /^\/grants$/, respond: createGrant },
  { method: 'DELETE', path: /^\/grants\/([^/]+)$/, respond: revokeGrant },
  { method: 'GET', path: /^\/connectors$/, respond: listConnectors },
  { method: 'GET', path: /^\/events$/, respond: readEvents },
  { method: 'GET', path: /^\/jobs$/, respond: ({ desk: { book } }) => ok(book.jobs().map((job) => jobView(book, job))) },
  { method: 'GET', path: /^\/jobs\/([^/]+)$/, respond: readJob },
  { method: 'POST', path: /^\/jobs$/, respond: createJob },
  { method: 'GET', path: /^\/pages\/([^/]+)$/, respond: readPages },
  { method: 'GET', path: /^\/users$/, respond: readUsers },
  { method: 'GET', path: /^\/groups$/, respond: readGroups },
  { method: 'GET', path: /^\/groups\/([^/]+)\/members$/, respond: readMembers },
  { method: 'GET', path: /^\/syncs$/, respond: readSyncs },
  { method: 'POST', path: /^\/syncs$/, respond: createSync },
  { method: 'GET', path: /^\/faults$/, respond: readFaults },
  { method: 'POST', path: /^\/faults$/, respond: causeFault },
  { method: 'GET', path: /^\/violations$/, respond: ({ desk: { book } }) => ok(book.violations()) },
  { method: 'GET', path: /^\/$/, respond: () => ok(ROOT_TEXT) },
];

/**
 * Answers a request. Nothing is told that is not on the disk. `news` resolves at the next change. Never rejects.
 */
export async function answerRequest(
  request: IncomingMessage,
  response: ServerResponse,
  desk: Desk,
  news: (withinMs: number) => Promise<void>,
): Promise<void> {
  let answer: Answer;
  try {
    answer = await respond(request, desk, news);
    await desk.stateFile.save();
  } catch (error) {
    if (!(error instanceof RequestProblem)) desk.unsaved(error);
    answer = problemAnswer(error);
  }
  const text = typeof answer.body === 'string' ? answer.body : `${JSON.stringify(answer.body, null, 2)}\n`;
  const type = typeof answer.body === 'string' ? 'text/plain; charset=utf-8' : 'application/json';
  response.writeHead(answer.status, { 'content-type': type, 'cache-control': 'no-store' }).end(text);
}

/** What went wrong, as an answer. */
export function problemAnswer(error: unknown): Answer {
  if (error instanceof RequestProblem) return { status: error.status, body: { error: error.message } };
  return { status: 500, body: { error: error instanceof Error ? error.message : 'the request failed' } };
}

async function respond(request: IncomingMessage, desk: Desk, news: (withinMs: number) => Promise<void>): Promise<Answer> {
  const { method = '', url = '/' } = request;
  const { pathname, searchParams: query } = new URL(url, 'http://stub');
  const here = ROUTES.filter(({ path }) => path.test(pathname));
  if (here.length === 0) throw new RequestProblem(404, `there is no ${pathname}; GET / lists what there is`);
  const route = here.find((candidate) => candidate.method === method);
  if (route === undefined) {
    throw new RequestProblem(
      405,
      `found ${method} ${pathname}; expected ${here.map((candidate) => candidate.method).join(' or ')}`,
    );
  }
  const id = decodeId(route.path.exec(pathname)?.[1] ?? '');
  return await route.respond({ desk, id, query, body: () => readBody(request), news });
}

function decodeId(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RequestProblem(400, `${text}: expected a percent-encoded id`);
  }
}

function readGrant({ desk: { book }, id }: Asked): Answer {
  if (book.jobsByGrant(id).length === 0) throw new RequestProblem(404, `there is no grant ${id}; GET /grants lists them`);
  return ok(grantView(book, id));
}

async function createGrant({ desk, body }: Asked): Promise<Answer> {
  const job = grantJob(desk.book, await body(), timestamp(desk.clock));
  await sendStored(desk, job);
  return { status: 201, body: { grantId: job.job['grantId'], jobId: job.job['jobId'] } };
}

async function revokeGrant({ desk, id, query }: Asked): Promise<Answer> {
  const job = revokeJob(desk.book, id, query.get('reason'), timestamp(desk.clock));
  await sendStored(desk, job);
  return { status: 202, body: { grantId: id, jobId: job.job['jobId'] } };
}

async function createSync({ desk, body }: Asked): Promise<Answer> {
  const job = syncJob(desk.book, await body(), timestamp(desk.clock));
  await sendStored(desk, job);
  return { status: 201, body: { jobId: job.job['jobId'] } };
}

async function createJob({ desk, body }: Asked): Promise<Answer> {
  const job = rawJob(desk.book, await body(), timestamp(desk.clock));
  await sendStored(desk, job);
  return { status: 201, body: { jobId: job.job['jobId'] } };
}

async function sendStored(desk: Desk, job: StoredJob): Promise<void> {
  desk.book.addJob(job);
  await desk.stateFile.save();
  desk.sessions.get(job.connectorId)?.sendJobs();
}

function readJob({ desk: { book }, id }: Asked): Answer {
  const job = book.jobsById(id)[0];
  if (job === undefined) throw new RequestProblem(404, `there is no job ${id}; GET /jobs lists them`);
  return ok(jobView(book, job));
}

function readPages({ desk, id }: Asked): Answer {
  const pages = desk.pages.get(id);
  if (pages === undefined) throw new RequestProblem(404, `no grants.page of a job ${id} has come since the stub was started`);
  return ok(pages);
}

function listConnectors({ desk }: Asked): Answer {
  const { book, sessions } = desk;
  return ok(
    book.connectors().map((known) => ({
      ...connectorView(book, known, sessions.has(known.connectorId)),
      picture: pictureView(desk, known.connectorId),
    })),
  );
}

async function readEvents({ desk: { book, stateFile }, query, news }: Asked): Promise<Answer> {
  const after = wholeNumber(query, 'after', { otherwise: 0, atMost: Number.MAX_SAFE_INTEGER });
  const limit = wholeNumber(query, 'limit', { otherwise: MAX_EVENTS_PER_ANSWER, atMost: MAX_EVENTS_PER_ANSWER });
  const waitSeconds = wholeNumber(query, 'waitSeconds', { otherwise: 0, atMost: MAX_WAIT_SECONDS });
  if (waitSeconds > 0 && book.eventsAfter(after, 1).length === 0) await news(waitSeconds * 1000);
  const events = book.eventsAfter(after, limit);
  await stateFile.save();
  return ok(events);
}
