import { keyOf } from './asyncapi.ts';
import type { Examples } from './protocol-docs.ts';
import { FRAMES, type FrameKind, nameOf } from './protocol-frames.ts';

/** Records of a page that are enough to see how each kind looks. */
const SHOWN_RECORDS = 2;

/** Of each message the shortest frame and the longest, in the order of the documents. Of a page of a sync two records of each kind. */
export function examplesIn(frames: readonly { readonly from: FrameKind['from']; readonly text: string }[]): Examples {
  const byKey = new Map<string, unknown[]>(FRAMES.map((frame) => [keyOf(frame), []]));
  for (const { from, text } of frames.toSorted((one, other) => one.text.length - other.text.length)) {
    const frame = JSON.parse(text) as Record<string, unknown>;
    const key = keyOf({ name: nameOf(frame), from });
    const known = byKey.get(key);
    if (known === undefined) throw new Error(`${text} is no message of the protocol`);
    known.push(shortened(frame));
  }
  const told = [...byKey].filter(([, known]) => known.length > 0);
  return Object.fromEntries(told.map(([key, known]) => [key, [...new Set([known[0], known.at(-1)])]]));
}

function shortened(frame: Readonly<Record<string, unknown>>): unknown {
  const { records } = frame as { records?: readonly { readonly record: string }[] };
  if (records === undefined) return frame;
  const some = ['user', 'group', 'members', 'gone'].flatMap((kind) =>
    records.filter(({ record }) => record === kind).slice(0, SHOWN_RECORDS),
  );
  return { ...frame, records: some };
}
