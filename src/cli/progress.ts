/** How far a sync is, for a person who waits. */
export interface Progress {
  readonly records: (records: number) => void;
  /** Takes the line away. */
  readonly end: () => void;
}

const WIDTH = 30;
/** A bar is full at ten, a hundred, a thousand records and so on: nobody knows how many there are before all were read. */
const BASE = 10;

/** One line that is written over and over; nothing where nobody looks at it. */
export function progress(stream: { readonly isTTY?: boolean; write(text: string): unknown }): Progress {
  if (stream.isTTY !== true) return { records: () => undefined, end: () => undefined };
  let isShown = false;
  return {
    records(records) {
      isShown = true;
      const full = BASE ** Math.ceil(Math.log10(Math.max(BASE, records)));
      const done = Math.round((records / full) * WIDTH);
      stream.write(`\r\x1b[K[${'#'.repeat(done)}${'.'.repeat(WIDTH - done)}] ${records} records`);
    },
    end() {
      if (isShown) stream.write('\r\x1b[K');
      isShown = false;
    },
  };
}

/** How much of something is done, for a person who waits. */
export interface Countdown {
  readonly done: (done: number, all: number) => void;
  /** Takes the line away. */
  readonly end: () => void;
}

/** One line that is written over and over; nothing where nobody looks at it. */
export function countdown(stream: { readonly isTTY?: boolean; write(text: string): unknown }): Countdown {
  if (stream.isTTY !== true) return { done: () => undefined, end: () => undefined };
  let isShown = false;
  return {
    done(done, all) {
      isShown = true;
      const full = Math.round((done / Math.max(1, all)) * WIDTH);
      stream.write(`\r\x1b[K[${'#'.repeat(full)}${'.'.repeat(WIDTH - full)}] ${done} of ${all} ended`);
    },
    end() {
      if (isShown) stream.write('\r\x1b[K');
      isShown = false;
    },
  };
}
