import { DirectoryError } from '../../directory.ts';
import type { ReadSink } from '../../directory-reader.ts';
import { ANY_ENTRY } from '../entry.ts';
import type { ValueRange } from './attribute-places.ts';
import type { Line } from './line.ts';
import { incomplete } from './pages.ts';
import { type CutGroup, withoutPlaceholder } from './teams.ts';

/** Far above any group's members; a server that never comes to an end is stopped here. */
const MOST_VALUES = 20_000_000;

/**
 * Reads the members of a group range by range to the last one ([MS-ADTS] §3.1.1.3.1.3.3), from the first on, and then tells the
 * group. Rejects where a range is missing: what was read before would look like all of them.
 */
export async function readRanges(
  line: Line,
  { group: { head }, placeholder, sink }: { group: CutGroup; placeholder: string; sink: ReadSink },
  signal: AbortSignal,
): Promise<void> {
  const { dn, memberAttribute: name } = head;
  const broken = (what: string) =>
    new DirectoryError('busy', `The members of "${dn}" could not be read to the end: ${what}. Nothing of this read is used.`);
  for (let from = 0; from < MOST_VALUES; ) {
    let range: ValueRange | undefined;
    let count = 0;
    const attributes = [{ name, as: 'parts', ask: `${name};range=${from}-*` }] as const;
    const result = await line.search(
      { base: dn, scope: 'base', filter: ANY_ENTRY, attributes, sizeLimit: 0, controls: [] },
      {
        values(_, __, values) {
          count += values.length;
          const told = withoutPlaceholder(values, placeholder);
          if (told.length > 0) sink.members(told);
        },
        entry: (entry) => void (range = entry.ranges[0]),
        room: () => sink.room(),
      },
      signal,
    );
    if (result.resultCode !== 0) throw incomplete(result, `read the members of "${dn}"`);
    if (range === undefined) throw broken(`the server did not say which of them it gave after ${from}`);
    if (range.from !== from) throw broken(`they were asked for from ${from} on, and came from ${range.from} on`);
    if (range.to === null) {
      sink.group(head);
      return;
    }
    if (range.to !== from + count - 1) throw broken(`${count} came for the range from ${from} to ${range.to}`);
    from = range.to + 1;
  }
  throw broken(`there are more than ${MOST_VALUES}`);
}
