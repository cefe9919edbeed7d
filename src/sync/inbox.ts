import type { EntryId } from '../access/ids.ts';
import type { ReadGroup, ReadSink, ReadUser } from '../directory/directory-reader.ts';

/** One thing that a reader told. */
export type Told =
  | { readonly told: 'user'; readonly user: ReadUser }
  | { readonly told: 'members'; readonly values: readonly string[] }
  | { readonly told: 'group'; readonly group: ReadGroup }
  | { readonly told: 'gone'; readonly id: EntryId }
  | { readonly told: 'present'; readonly id: EntryId };

/** What a reader told and nobody has looked at yet. */
export interface Inbox {
  readonly sink: ReadSink;
  /** The next; undefined where there is none now. */
  next(): Told | undefined;
  /** Resolves when something may have come, or the reader has ended. */
  arrived(): Promise<void>;
  /** The reader has ended: nothing more comes. */
  end(): void;
  readonly ended: () => boolean;
}

/** Entries and values that wait at most, by which the reader stops; a chunk more, since it may be in the middle of one. */
const ROOM = 4_000;

export function inbox(): Inbox {
  let waiting: Told[] = [];
  let from = 0;
  let weight = 0;
  let ended = false;
  let wakeReader: (() => void) | null = null;
  let wakeTaker: (() => void) | null = null;

  function put(told: Told, itsWeight: number): void {
    waiting.push(told);
    weight += itsWeight;
    wakeTaker?.();
    wakeTaker = null;
  }

  return {
    sink: {
      user: (user) => put({ told: 'user', user }, 1),
      members: (values) => put({ told: 'members', values }, values.length),
      group: (group) => put({ told: 'group', group }, 1),
      gone: (id) => put({ told: 'gone', id }, 1),
      present: (id) => put({ told: 'present', id }, 1),
      room() {
        if (weight < ROOM) return null;
        return new Promise((resolve) => {
          const before = wakeReader;
          wakeReader = () => {
            before?.();
            resolve();
          };
        });
      },
    },
    next() {
      const told = waiting[from];
      if (told === undefined) {
        waiting = [];
        from = 0;
        return undefined;
      }
      from += 1;
      if (from > ROOM) {
        waiting = waiting.slice(from);
        from = 0;
      }
      weight -= told.told === 'members' ? told.values.length : 1;
      if (weight <= ROOM / 2 && wakeReader !== null) {
        wakeReader();
        wakeReader = null;
      }
      return told;
    },
    arrived() {
      if (ended || from < waiting.length) return Promise.resolve();
      return new Promise((resolve) => {
        wakeTaker = resolve;
      });
    },
    end() {
      ended = true;
      wakeTaker?.();
      wakeTaker = null;
    },
    ended: () => ended,
  };
}
