import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { frameHash } from '../protocol/frame-hash.ts';
import { readFrameFromConnector, type SyncFrame } from '../protocol/frames.ts';
import type { OwnPicture } from './picture.ts';
import { syncFolder } from './state-file.ts';
import { openStream, type Stream } from './stream.ts';

/** How the name of a file ends that is no picture yet. */
const TEMPORARY = '.new';

/** The line behind a stream that counts. */
const STORED = /^\{"storedAt":"([^"]+)"\}$/;

/** A stream on its way to the disk. */
export interface Staging {
  /** Resolves when the frame is written, in order; not yet durable. */
  write(frameText: string): Promise<void>;
  /** Resolves when all of it is on the disk and counts. */
  store(endText: string, storedAt: string): Promise<void>;
  discard(): Promise<void>;
}

/**
 * The file of one picture: the frames of its last full stream as they came, and behind them those of the deltas since. A stream
 * counts once the line that says when it was stored stands behind it, so whatever a crash leaves is some complete picture.
 * The file grows until the next full stream, which begins it anew.
 */
export interface PictureFile {
  /** The picture that the file amounts to, up to what cannot be read; null where there is none. */
  read(): Promise<OwnPicture | null>;
  /** One at a time. `previousCursor` is what the picture had that a full stream replaces. */
  stage(
    begin: { readonly mode: 'full' | 'delta'; readonly syncId: string },
    text: string,
    previousCursor: string | null,
  ): Staging;
}

/** Deletes what streams left behind that never ended. */
export async function sweepPictures(stateFile: string): Promise<void> {
  const folder = folderOf(stateFile);
  const names = await readdir(folder).catch((error: unknown) => (isMissing(error) ? [] : Promise.reject(error as Error)));
  for (const name of names) if (name.endsWith(TEMPORARY)) await rm(join(folder, name), { force: true });
}

/** The file of a connector beside the state file. */
export function openPictureFile(stateFile: string, connectorId: string): PictureFile {
  // Its id may be a path.
  const file = join(folderOf(stateFile), `${frameHash(connectorId).slice(0, 32)}.ndjson`);
  const header = (previousCursor: string | null): string => JSON.stringify({ version: 1, connectorId, previousCursor });
  let goodBytes = 0;

  async function read(): Promise<OwnPicture | null> {
    const reading = openReading();
    for await (const line of linesOf(file)) if (!reading.take(line)) break;
    goodBytes = reading.goodBytes();
    return reading.picture();
  }

  return {
    read,
    stage({ mode, syncId }, beginText, previousCursor) {
      if (mode === 'delta') {
        return stageAppended({
          file,
          at: () => goodBytes,
          beginText,
          stored(bytes) {
            goodBytes = bytes;
          },
        });
      }
      return stageAnew({
        file,
        // One that is thrown away may not have gone when the next begins.
        temporary: `${file}.${frameHash(syncId).slice(0, 16)}${TEMPORARY}`,
        first: `${header(previousCursor)}\n${oneLine(beginText)}\n`,
        stored(bytes) {
          goodBytes = bytes;
        },
      });
    },
  };
}

/** Written beside the file, which it replaces. */
function stageAnew({
  file,
  temporary,
  first,
  stored,
}: {
  file: string;
  temporary: string;
  first: string;
  stored: (bytes: number) => void;
}): Staging {
  let bytes = 0;
  const opened = (async () => {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    return await open(temporary, 'w', 0o600);
  })();
  let last: Promise<unknown> = opened;
  const writeAfter = async (before: Promise<unknown>, text: string): Promise<void> => {
    await before;
    await writeAll(await opened, text, bytes);
    bytes += Buffer.byteLength(text);
  };
  const append = (text: string): Promise<void> => {
    const written = writeAfter(last, text);
    last = written;
    return written;
  };
  append(first).catch(() => undefined);
  return {
    write: (frameText) => append(`${oneLine(frameText)}\n`),
    async store(endText, storedAt) {
      await append(`${oneLine(endText)}\n${JSON.stringify({ storedAt })}\n`);
      const handle = await opened;
      await handle.sync();
      await handle.close();
      await rename(temporary, file);
      await syncFolder(dirname(file));
      stored(bytes);
    },
    async discard() {
      await Promise.allSettled([last]);
      const handle = await opened.catch(() => null);
      await handle?.close();
      await rm(temporary, { force: true });
    },
  };
}

/** Written behind what counts, at once, when it is whole: a delta is small. */
function stageAppended({
  file,
  at,
  beginText,
  stored,
}: {
  file: string;
  at: () => number;
  beginText: string;
  stored: (bytes: number) => void;
}): Staging {
  const lines = [oneLine(beginText)];
  return {
    write(frameText) {
      lines.push(oneLine(frameText));
      return Promise.resolve();
    },
    async store(endText, storedAt) {
      const text = `${[...lines, oneLine(endText), JSON.stringify({ storedAt })].join('\n')}\n`;
      const handle = await open(file, 'r+');
      try {
        // What a crash or a failed write left behind.
        await handle.truncate(at());
        await writeAll(handle, text, at());
        await handle.sync();
      } finally {
        await handle.close();
      }
      stored(at() + Buffer.byteLength(text));
    },
    discard: () => Promise.resolve(),
  };
}

async function writeAll(handle: FileHandle, text: string, position: number): Promise<void> {
  const bytes = Buffer.from(text, 'utf8');
  // Bounded by the text: a write that takes nothing fails.
  for (let done = 0; done < bytes.length; )
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}

/** JSON may be broken over lines; what a connector writes is not. */
function oneLine(text: string): string {
  return /[\r\n]/.test(text) ? JSON.stringify(JSON.parse(text)) : text;
}

/** The lines that were written to their end. */
async function* linesOf(file: string): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1_048_576 }) as AsyncIterable<Buffer>) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let from = 0;
      for (let to = rest.indexOf(0x0a); to >= 0; to = rest.indexOf(0x0a, from)) {
        yield rest.toString('utf8', from, to);
        from = to + 1;
      }
      rest = rest.subarray(from);
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

function folderOf(stateFile: string): string {
  return `${stateFile}.pictures`;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** Makes the picture again of the lines of its file. What cannot be read ends it: everything before it counts. */
function openReading() {
  let previousCursor: string | null | undefined;
  let picture: OwnPicture | null = null;
  let stream: Stream | null = null;
  let end: Extract<SyncFrame, { type: 'sync.end' }> | null = null;
  let bytes = 0;
  let goodBytes = 0;

  function takeFrame(line: string): boolean {
    const read = readFrameFromConnector(line);
    if (!read.ok) return false;
    const { frame } = read;
    if (frame.type === 'sync.begin') stream = openStream(frame, picture);
    else if (frame.type === 'sync.end') end = frame;
    else return frame.type === 'sync.page' && stream !== null && stream.takePage(frame) === null;
    return true;
  }

  function store(storedAt: string): boolean {
    const judged = stream === null || end === null ? null : stream.end(end);
    if (judged === null || judged.broken !== null) return false;
    const first = picture === null;
    picture = judged.store(storedAt);
    if (first) picture.state = { ...picture.state, previousCursor: previousCursor ?? null };
    stream = null;
    end = null;
    goodBytes = bytes;
    return true;
  }

  return {
    picture: () => picture,
    goodBytes: () => goodBytes,
    /** False where the line, and so all that follows, is of no use. */
    take(line: string): boolean {
      bytes += Buffer.byteLength(line) + 1;
      if (previousCursor === undefined) {
        previousCursor = previousCursorOf(line);
        return previousCursor !== undefined;
      }
      const storedAt = STORED.exec(line)?.[1];
      return storedAt === undefined ? takeFrame(line) : store(storedAt);
    },
  };
}

/** Of the first line; undefined where it is none of ours. */
function previousCursorOf(line: string): string | null | undefined {
  try {
    const { version, previousCursor = null } = JSON.parse(line) as { version?: unknown; previousCursor?: string | null };
    return version === 1 ? previousCursor : undefined;
  } catch {
    return undefined;
  }
}
