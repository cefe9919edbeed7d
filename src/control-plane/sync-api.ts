import type { EntryId } from '../access/ids.ts';
import type { SyncGroup, SyncUser } from '../access/sync.ts';
import { type Answer, type Asked, ok, wholeNumber } from './asked.ts';
import type { Desk } from './desk.ts';
import { LOSABLE } from './faults.ts';
import type { Picture } from './picture.ts';
import { RequestProblem } from './requests.ts';

const ENTRIES_PER_ANSWER = 1_000;
/** Enough for the largest directory that is tested with; a developer's machine holds the picture anyhow. */
const MAX_ENTRIES_PER_ANSWER = 1_000_000;

/** GET /users: of every connector, or of the one that is named; `q` is sought in names, addresses and ids. */
export function readUsers({ desk, query }: Asked): Answer {
  const found = pictures(desk, query).flatMap(({ connectorId, picture }) =>
    matching(picture.users.values(), query.get('q'), wordsOfUser).map((user) => ({ connectorId, ...user })),
  );
  return ok(part(found, query));
}

/** GET /groups, each with the number of its members. */
export function readGroups({ desk, query }: Asked): Answer {
  const found = pictures(desk, query).flatMap(({ connectorId, picture }) =>
    matching(picture.groups.values(), query.get('q'), wordsOfGroup).map((group) => ({
      connectorId,
      ...group,
      members: picture.members.get(group.id)?.size ?? 0,
    })),
  );
  return ok(part(found, query));
}

/** GET /groups/ID/members: who they are, and why. */
export function readMembers({ desk, id, query }: Asked): Answer {
  const groupId = id as EntryId;
  const of = pictures(desk, query).find(({ picture }) => picture.groups.has(groupId));
  if (of === undefined) throw new RequestProblem(404, `there is no group ${id}; GET /groups lists them`);
  const { users, members } = of.picture;
  const found = [...(members.get(groupId)?.values() ?? [])].map((member) => {
    const user = users.get(member.userId);
    return { ...member, username: user?.username, dn: user?.dn };
  });
  return ok(part(found, query));
}

/** GET /syncs: the streams since the stub was started, the oldest first. */
export function readSyncs({ desk, query }: Asked): Answer {
  const only = query.get('connectorId');
  return ok(desk.pictures.told.filter(({ connectorId }) => only === null || connectorId === only));
}

/** GET /faults: how many acknowledgements are still to be lost. */
export function readFaults({ desk }: Asked): Answer {
  return ok(desk.faults.left());
}

/** POST /faults: `{lose: "page", count: 2}` keeps the next two acknowledgements of pages back. */
export async function causeFault({ desk, body }: Asked): Promise<Answer> {
  const { lose, count } = await body();
  const kind = LOSABLE.find((losable) => losable === lose);
  if (kind === undefined) throw new RequestProblem(400, `lose: expected ${LOSABLE.join(', ')}`);
  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0)
    throw new RequestProblem(400, 'count: expected a whole number; 0 ends the fault');
  desk.faults.lose(kind, count);
  return ok(desk.faults.left());
}

/** What GET /connectors tells of a picture. */
export function pictureView({ pictures: { all } }: Desk, connectorId: string): Picture['state'] | null {
  return all().find((one) => one.connectorId === connectorId)?.picture.state ?? null;
}

function pictures(desk: Desk, query: URLSearchParams) {
  const only = query.get('connectorId');
  return desk.pictures.all().filter(({ connectorId }) => only === null || connectorId === only);
}

function matching<T>(all: Iterable<T>, sought: string | null, words: (one: T) => readonly (string | undefined)[]): readonly T[] {
  if (sought === null || sought === '') return [...all];
  const text = sought.toLowerCase();
  return [...all].filter((one) => words(one).some((word) => word?.toLowerCase().includes(text) === true));
}

function wordsOfUser({ id, dn, username, fullName, emails }: SyncUser): readonly (string | undefined)[] {
  return [id, dn, username, fullName, ...emails];
}

function wordsOfGroup({ id, dn, name, description }: SyncGroup): readonly (string | undefined)[] {
  return [id, dn, name, description];
}

function part<T>(found: readonly T[], query: URLSearchParams): readonly T[] {
  const skip = wholeNumber(query, 'skip', { otherwise: 0, atMost: Number.MAX_SAFE_INTEGER });
  const limit = wholeNumber(query, 'limit', { otherwise: ENTRIES_PER_ANSWER, atMost: MAX_ENTRIES_PER_ANSWER });
  return found.slice(skip, skip + limit);
}
