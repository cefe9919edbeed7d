import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { OwnPicture } from '../../src/control-plane/picture.ts';
import { openPictureFile, type PictureFile, sweepPictures } from '../../src/control-plane/picture-file.ts';
import { openStream } from '../../src/control-plane/stream.ts';
import { temporaryFolder } from '../support/control-plane.ts';
import {
  goneUser,
  SAMPLE,
  type StreamWords,
  standing,
  syncCounts,
  syncFrames,
  syncMembers,
  syncUser,
} from '../support/sync-samples.ts';

const AT = '2026-01-01T00:00:00.000Z';
const DELTAS: readonly StreamWords[] = [
  { syncId: 's-2', mode: 'delta', pages: [[syncUser(3), syncMembers(1, [standing(3)])]], counts: syncCounts(3, 2, 4) },
  { syncId: 's-3', mode: 'delta', pages: [], counts: syncCounts(3, 2, 4) },
  { syncId: 's-4', mode: 'delta', pages: [[syncUser(4, { fullName: 'Ünal' })], [goneUser(2)]], counts: syncCounts(3, 2, 2) },
];

/** Takes a stream to the file and to the picture, as a session does. */
async function take(file: PictureFile, words: StreamWords, before: OwnPicture | null): Promise<OwnPicture> {
  const { begin, pages, end } = syncFrames(words);
  const stream = openStream(begin, before);
  const staging = file.stage(begin, JSON.stringify(begin), before?.state.cursor ?? null);
  for (const page of pages) {
    assert.equal(stream.takePage(page), null);
    await staging.write(JSON.stringify(page, null, words.syncId === 's-4' ? 1 : 0));
  }
  const judged = stream.end(end);
  assert.ok(judged.broken === null);
  await staging.store(JSON.stringify(end), AT);
  return judged.store(AT);
}

async function written(folder: string) {
  const stateFile = join(folder, 'state.json');
  const file = openPictureFile(stateFile, 'c/1');
  let picture = await take(file, SAMPLE, null);
  const steps = [structuredClone(picture)];
  for (const words of DELTAS) {
    picture = await take(file, words, picture);
    steps.push(structuredClone(picture));
  }
  const [name] = await readdir(`${stateFile}.pictures`);
  return { stateFile, file, steps, picture, path: join(`${stateFile}.pictures`, name ?? '') };
}

test('a picture is read again as it was stored, by a full stream and by the deltas since', async () => {
  await using folder = await temporaryFolder();
  const { stateFile, steps } = await written(folder.path);
  const again = await openPictureFile(stateFile, 'c/1').read();
  assert.deepEqual(again, steps.at(-1));
  assert.equal(await openPictureFile(stateFile, 'c/2').read(), null);
});

test('wherever the file is cut off, it is some complete picture, and the next stream goes on from it', async () => {
  await using folder = await temporaryFolder();
  const { stateFile, steps, path } = await written(folder.path);
  const bytes = await readFile(path);
  const met = new Set<string>();
  for (let length = 0; length <= bytes.length; length += 211) {
    await writeFile(path, bytes.subarray(0, length));
    const file = openPictureFile(stateFile, 'c/1');
    const cut = await file.read();
    if (cut === null) continue;
    const { syncId } = cut.state;
    met.add(syncId);
    assert.deepEqual(
      cut,
      steps.find(({ state }) => state.syncId === syncId),
    );
    const next = await take(file, { syncId: 'next', mode: 'delta', pages: [], counts: cut.state.counts }, cut);
    assert.deepEqual(await openPictureFile(stateFile, 'c/1').read(), next);
  }
  assert.deepEqual([...met], ['s-1', 's-2', 's-3']);
});

test('what cannot be read ends the picture before it', async () => {
  await using folder = await temporaryFolder();
  const { stateFile, steps, path } = await written(folder.path);
  const lines = (await readFile(path, 'utf8')).split('\n');
  const from = lines.findIndex((line) => line.includes('"s-3"'));
  for (const line of ['{', '{"type":"hello"}', '\0\0\0', '{"storedAt":"now"}', lines[1] ?? '']) {
    await writeFile(path, lines.with(from, line).join('\n'));
    assert.deepEqual(await openPictureFile(stateFile, 'c/1').read(), steps[1], line);
  }
});

test('a stream that is thrown away leaves the picture as it was, and no file', async () => {
  await using folder = await temporaryFolder();
  const { stateFile, file, steps } = await written(folder.path);
  for (const mode of ['full', 'delta'] as const) {
    const { begin, pages } = syncFrames({ ...SAMPLE, syncId: `lost-${mode}`, mode });
    const staging = file.stage(begin, JSON.stringify(begin), null);
    await staging.write(JSON.stringify(pages[0]));
    await staging.discard();
  }
  assert.deepEqual(await openPictureFile(stateFile, 'c/1').read(), steps.at(-1));
  assert.equal((await readdir(`${stateFile}.pictures`)).length, 1);
});

test('what a killed stub left behind is swept away at the start', async () => {
  await using folder = await temporaryFolder();
  const { stateFile, file, path } = await written(folder.path);
  const { begin } = syncFrames({ ...SAMPLE, syncId: 'killed' });
  const staging = file.stage(begin, JSON.stringify(begin), null);
  await staging.write('{}');
  assert.equal((await readdir(`${stateFile}.pictures`)).length, 2);
  await sweepPictures(stateFile);
  assert.deepEqual(
    (await readdir(`${stateFile}.pictures`)).map((name) => join(`${stateFile}.pictures`, name)),
    [path],
  );
  await staging.discard();
});

test('a folder that is not there holds nothing to sweep', async () => {
  await using folder = await temporaryFolder();
  await sweepPictures(join(folder.path, 'state.json'));
  assert.deepEqual(await readdir(folder.path), []);
});
