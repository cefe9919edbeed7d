import type { SyncCounts, SyncMode } from '../access/sync.ts';
import type { OwnPicture, Picture } from './picture.ts';
import { openPictureFile, type PictureFile, sweepPictures } from './picture-file.ts';

/** A stream, as the API tells of it. */
export interface ToldStream {
  readonly syncId: string;
  readonly connectorId: string;
  readonly mode: SyncMode;
  readonly beganAt: string;
  state: 'running' | 'stored' | 'aborted' | 'refused' | 'lost';
  pages: number;
  records: number;
  endedAt: string | null;
  counts: SyncCounts | null;
  /** Why it was aborted or refused. */
  problem: string | null;
}

/** What the stub has of one connector. */
export interface Kept {
  readonly file: PictureFile;
  picture: OwnPicture | null;
  /** Resolves when no stream of an earlier connection is being stored or thrown away any more. */
  storing: Promise<unknown>;
}

/** Streams that are told of; the oldest are forgotten. */
const MAX_STREAMS_TOLD = 500;

/** The pictures of all connectors, and the streams since the start. */
export interface Pictures {
  of(connectorId: string): Kept;
  all(): readonly { readonly connectorId: string; readonly picture: Picture }[];
  told: readonly ToldStream[];
  tell(stream: ToldStream): void;
  /** Resolves when nothing is being written. */
  idle(): Promise<void>;
}

/** Reads the pictures of the connectors that are known. */
export async function openPictures(stateFile: string, connectorIds: readonly string[]): Promise<Pictures> {
  const kept = new Map<string, Kept>();
  const told: ToldStream[] = [];

  function of(connectorId: string): Kept {
    const known = kept.get(connectorId) ?? {
      file: openPictureFile(stateFile, connectorId),
      picture: null,
      storing: Promise.resolve(),
    };
    kept.set(connectorId, known);
    return known;
  }

  await sweepPictures(stateFile);
  for (const connectorId of connectorIds) {
    const known = of(connectorId);
    known.picture = await known.file.read();
  }
  return {
    of,
    all: () => [...kept].flatMap(([connectorId, { picture }]) => (picture === null ? [] : [{ connectorId, picture }])),
    told,
    tell(stream) {
      told.push(stream);
      if (told.length > MAX_STREAMS_TOLD) told.shift();
    },
    async idle() {
      await Promise.all([...kept.values()].map(({ storing }) => storing));
    },
  };
}
