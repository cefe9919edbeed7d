import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startChild } from '../support/child.ts';
import { temporaryFolder } from '../support/control-plane.ts';
import { rawConnector } from '../support/raw-connector.ts';
import { atScale } from '../support/scale.ts';
import { seeded, seedOfRun } from '../support/seeded.ts';
import { groupId, standing, syncCounts, syncFrames, syncGroup, syncMembers, syncUser } from '../support/sync-samples.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
const USERS = 200;

/** A picture by what its stream wrote of it. */
interface Told {
  readonly cursor: string;
  /** The full names, by user. */
  readonly names: readonly string[];
  /** So many of the first users are members of the one group. */
  readonly members: number;
}

async function startStub(folder: string) {
  const files = ['--state', join(folder, 'state.json'), '--token-file', join(folder, 'token'), '--heartbeat', '60'];
  const child = startChild({ script: MAIN, args: ['control-plane', '--listen', '127.0.0.1:0', ...files], cwd: folder });
  const listening = await child.line((line) => line.startsWith('listening: '));
  const [, connectUrl = '', apiUrl = ''] = /connectors (\S+) API (\S+)\/$/.exec(listening) ?? [];
  const get = async <T>(path: string): Promise<T> => (await (await fetch(`${apiUrl}${path}`)).json()) as T;
  return { child, connectUrl, get };
}

/** The stream that leads from one picture to the next, a full or a delta, and that picture. */
function nextStream(before: Told | null, run: number, random: () => number) {
  const syncId = `s-${run}`;
  const isDelta = before !== null && random() < 0.5;
  const changed = isDelta ? 1 + Math.floor(random() * 20) : USERS;
  const members = 1 + Math.floor(random() * USERS);
  const names = Array.from({ length: USERS }, (_, at) => (at < changed ? syncId : (before?.names[at] ?? syncId)));
  const users = names.slice(0, changed).map((fullName, at) => syncUser(at + 1, { fullName }));
  const pages = Array.from({ length: Math.ceil(users.length / 10) }, (_, page) => users.slice(page * 10, page * 10 + 10));
  const add = Array.from({ length: members }, (_, at) => standing(at + 1));
  const frames = syncFrames({
    syncId,
    mode: isDelta ? 'delta' : 'full',
    ...(isDelta ? { baseCursor: before.cursor } : {}),
    pages: [...pages, [syncGroup(1), syncMembers(1, add, { reset: true })]],
    counts: syncCounts(USERS, 1, members),
    cursor: syncId,
  });
  return { frames: [frames.begin, ...frames.pages, frames.end], after: { cursor: syncId, names, members } };
}

async function pictureOf(stub: Awaited<ReturnType<typeof startStub>>): Promise<Told | null> {
  const [known] = await stub.get<{ picture: { cursor: string } | null }[]>('/connectors');
  if (known == null || known.picture === null) return null;
  const users = await stub.get<{ username: string; fullName: string }[]>('/users');
  const members = await stub.get<unknown[]>(`/groups/${groupId(1)}/members`);
  const numbered = users.toSorted((one, other) => Number(one.username.slice(4)) - Number(other.username.slice(4)));
  return { cursor: known.picture.cursor, names: numbered.map(({ fullName }) => fullName), members: members.length };
}

test('wherever the stub is killed, its picture is the last that was acknowledged, or the whole one after it', async (t) => {
  await using folder = await temporaryFolder();
  const seed = seedOfRun();
  t.diagnostic(`seed ${seed}`);
  const random = seeded(seed);
  let last: Told | null = null;
  let run = 0;
  const found = { last: 0, next: 0 };
  let stub = await startStub(folder.path);
  for (let kill = 0; kill < atScale({ sample: 8, full: 200 }); kill += 1) {
    const token = (await readFile(join(folder.path, 'token'), 'utf8')).trim();
    await using connector = await rawConnector({ url: stub.connectUrl, token });
    await connector.greet();
    run += 1;
    const { frames, after }: ReturnType<typeof nextStream> = nextStream(last, run, random);
    // Of a stream that is sent to its end, half are killed while it is being stored.
    const sent = random() < 0.5 ? frames.length : Math.floor(random() * frames.length);
    for (const frame of frames.slice(0, sent)) {
      connector.send(frame);
      if (frame.type === 'sync.page') assert.equal((await connector.next())['page'], frame.page);
    }
    const isAcknowledged = sent === frames.length && random() < 0.5;
    if (isAcknowledged) assert.equal((await connector.next())['end'], true);
    await stub.child.end('SIGKILL');

    stub = await startStub(folder.path);
    const picture = await pictureOf(stub);
    const isNext = picture?.cursor === after.cursor;
    assert.deepEqual(picture, isNext ? after : last);
    if (isAcknowledged) assert.ok(isNext);
    if (sent < frames.length) assert.ok(!isNext);
    found[isNext ? 'next' : 'last'] += 1;
    last = picture;
  }
  await stub.child.end('SIGKILL');
  t.diagnostic(`the last picture was found ${found.last} times, the next ${found.next} times`);
});
