import type { ReadSink } from '../directory/directory-reader.ts';
import { inbox, type Told } from './inbox.ts';
import type { Turns } from './turns.ts';

/**
 * Reads, and takes what is read as it comes: the reader waits while too much is untaken, and ends where taking fails. `take` returns
 * a promise where what comes next must wait for it.
 */
export async function reading<End>({
  read,
  take,
  turns,
  signal,
}: {
  read: (sink: ReadSink, signal: AbortSignal) => Promise<End>;
  take: (told: Told) => Promise<void> | null;
  turns: Turns;
  signal: AbortSignal;
}): Promise<End> {
  const box = inbox();
  const failed = new AbortController();
  const end = read(box.sink, AbortSignal.any([signal, failed.signal]));
  const ended = end.then(box.end, box.end);
  try {
    for (;;) {
      const told = box.next();
      if (told === undefined) {
        if (box.ended()) return await end;
        await box.arrived();
        continue;
      }
      const taken = take(told);
      if (taken !== null) await taken;
      const rest = turns.rest();
      if (rest !== null) await rest;
    }
  } catch (error) {
    failed.abort(error);
    await ended;
    throw error;
  }
}
