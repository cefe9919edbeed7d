import type { EntryId } from '../access/ids.ts';
import type { WireEvent } from '../protocol/event-frame.ts';
import type { Book, KnownConnector, StoredEvent, StoredJob } from './book.ts';
import type { ConnectorRow, DirectoryState, EventRow, GrantRow, GrantState, Named, StreamRow } from './console/answers.ts';
import type { Desk } from './desk.ts';
import { grantView, jobState } from './views.ts';

type Told<Kind extends WireEvent['kind']> = Extract<WireEvent, { kind: Kind }>;

/** A grant as the console shows it. */
export function grantRow({ book, pictures }: Pick<Desk, 'book' | 'pictures'>, grantId: string): GrantRow {
  const { connectorId = '', request = {}, grant } = grantView(book, grantId);
  const picture = pictures.of(connectorId).picture;
  const { justification, issuedAt } = request;
  const user = grant?.user ?? null;
  const group = grant?.group ?? null;
  return {
    grantId,
    connectorId,
    user: named(request['user'], user, user === null ? undefined : picture?.users.get(user.id as EntryId)?.fullName),
    group: named(request['group'], group, group === null ? undefined : picture?.groups.get(group.id as EntryId)?.name),
    askedAt: typeof issuedAt === 'string' ? issuedAt : (book.jobsByGrant(grantId)[0]?.createdAt ?? ''),
    reason: typeof justification === 'string' ? justification : null,
    state: grantState(book, grantId),
  };
}

function named(asked: unknown, entry: { readonly dn: string } | null, name: string | undefined): Named {
  // A reference has exactly one field; what was sent through POST /jobs may be anything.
  const values = typeof asked === 'object' && asked !== null ? Object.values(asked) : [];
  return { asked: values.map(String).join(' '), dn: entry?.dn ?? null, name: name ?? null };
}

function grantState(book: Book, grantId: string): GrantState {
  const { grant, ended } = grantView(book, grantId);
  if (ended !== null) return { kind: 'ended', ...ended };
  if (grant === null) return beforeActive(book, book.jobsByGrant(grantId));
  switch (grant.state) {
    case 'pending':
    case 'failed':
      return beforeActive(book, book.jobsByGrant(grantId));
    case 'ended':
      return { kind: 'ended', at: grant.endedAt ?? null, cause: null, membership: null };
    case 'active':
    case 'ending': {
      const { activatedAt: since, expiresAt, standing } = grant;
      const overdue = overdueOf(book, grantId);
      if (grant.state === 'ending' || overdue !== null || isRevoked(book, grantId)) return { kind: 'ending', expiresAt, overdue };
      return { kind: 'active', since, expiresAt, standing };
    }
    default:
      return grant.state satisfies never;
  }
}

/** Of a grant that never was active, its jobs know how it stands. */
function beforeActive(book: Book, jobs: readonly StoredJob[]): GrantState {
  const [asked] = jobs.filter(({ job }) => job['kind'] === 'grant');
  if (asked === undefined) return { kind: 'taken' };
  const { state, error } = jobState(book, asked);
  switch (state) {
    case 'queued':
      return { kind: 'queued' };
    case 'received':
    case 'succeeded':
      return { kind: 'taken' };
    case 'delayed': {
      const told = book.eventsOfJob(String(asked.job['jobId'])).map(({ event }) => event);
      const last = told.findLast((event) => event.kind === 'job.delayed');
      return { kind: 'delayed', error: toldError(error), nextAttemptAt: last?.nextAttemptAt ?? asked.createdAt };
    }
    case 'failed':
    case 'refused':
      return { kind: 'failed', error: toldError(error) };
    default:
      return state satisfies never;
  }
}

function toldError(error: unknown): { code: string; message: string } {
  const { code, message } = error as { code: string; message: string };
  return { code, message };
}

function overdueOf(book: Book, grantId: string) {
  const last = book.eventsOfGrant(grantId).findLast(({ event }) => event.kind === 'grant.overdue');
  if (last === undefined) return null;
  const { since, error } = last.event as Told<'grant.overdue'>;
  return { since, error: toldError(error) };
}

/** A revoke was asked for that has not failed. */
function isRevoked(book: Book, grantId: string): boolean {
  const revokes = book.jobsByGrant(grantId).filter(({ job }) => job['kind'] === 'revoke');
  return revokes.some((job) => !['failed', 'refused'].includes(jobState(book, job).state));
}

/** A connector as the console shows it. `lastSeenAt` counts only once it is away: it would change with every frame. */
export function connectorRow({ book, pictures, sessions }: Desk, known: KnownConnector): ConnectorRow {
  const { connectorId, name, hello, connectedAt, lastSeenAt } = known;
  const connected = sessions.has(connectorId);
  const stored = pictures.of(connectorId).picture?.state;
  return {
    connectorId,
    name,
    version: String(hello['version']),
    connected,
    since: connected ? connectedAt : lastSeenAt,
    directory: directoryState(book, known),
    picture: stored === undefined ? null : { ...countsOf(stored.counts), storedAt: stored.storedAt },
    syncProblem: syncProblem(book, connectorId),
    stream: streamRow(pictures.told.findLast((told) => told.connectorId === connectorId)),
  };
}

function countsOf({ users, groups, memberships }: { users: number; groups: number; memberships: number }) {
  return { users, groups, memberships };
}

/** A sync may fail before it has begun to tell anything, so that its streams do not know. */
function syncProblem(book: Book, connectorId: string) {
  const failed = book.lastOfConnector(connectorId, 'sync.failed');
  const completed = book.lastOfConnector(connectorId, 'sync.completed');
  if (failed === undefined || failed.index < (completed?.index ?? 0)) return null;
  return toldError((failed.event as Told<'sync.failed'>).error);
}

/** The later of what `hello` said and what was told since. */
function directoryState(book: Book, { connectorId, hello, connectedAt }: KnownConnector): DirectoryState {
  const last = book.lastOfConnector(connectorId, 'directory.changed');
  const told = last === undefined || last.storedAt < connectedAt ? undefined : (last.event as Told<'directory.changed'>);
  const error = told?.error === undefined ? null : toldError(told.error);
  const directory = (told === undefined ? hello['directory'] : told.directory) as Told<'directory.changed'>['directory'] | null;
  if (told?.state === 'down' || directory === null || directory === undefined) return { kind: 'down', error };
  const { vendor, version, flavour, baseDn, usersScope, groupsScope } = directory;
  const product = version === undefined || vendor.includes(version) ? vendor : `${vendor} ${version}`;
  return { kind: 'up', product, flavour, baseDn, usersScope, groupsScope };
}

function streamRow(told: Desk['pictures']['told'][number] | undefined): StreamRow | null {
  if (told === undefined) return null;
  const { syncId, mode, state, pages, records, problem } = told;
  return { syncId, mode, state, pages, records, problem };
}

export function eventRow({ index, connectorId, at, event }: StoredEvent): EventRow {
  return { index, connectorId, at, event };
}
