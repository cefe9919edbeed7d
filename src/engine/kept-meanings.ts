import type { Clock } from '../access/clock.ts';
import { type EntryId, parseEntryId } from '../access/ids.ts';
import type { Ledger, PolicyNote } from '../ledger/ledger.ts';
import { foldName } from './named-groups.ts';
import type { TrustedClock } from './trusted-clock.ts';

/**
 * Which groups a name, DN or id of the configuration was found to mean, in earlier lives too: a group that is protected, or bound by a
 * rule, and renamed, is so after a restart or a reload as it was before.
 */
export interface KeptMeanings {
  of(text: string): readonly EntryId[];
  /** Keeps what each text means by now. Waits for no disk: what cannot be written is kept at the next look. */
  keep(meanings: Iterable<readonly [string, Iterable<EntryId>]>): void;
}

const PREFIX = 'meaning/';
/** Groups that one text is remembered to have meant: the first, so that whoever makes groups of that name puts none of them out. */
const MOST = 200;
/** The retention, which is a month at least, must not forget what is still so. */
const WRITTEN_AGAIN_MS = 86_400_000;

export function keptMeanings({
  notes,
  ledger,
  clock,
  time,
}: {
  notes: readonly PolicyNote[];
  ledger: Pick<Ledger, 'tell'>;
  clock: Clock;
  time: TrustedClock;
}): KeptMeanings {
  const known = new Map(notes.filter(({ subject }) => subject.startsWith(PREFIX)).map(({ subject, note }) => [subject, note]));
  /** When each was written in this life, by the monotonic clock. */
  const writtenAtMs = new Map<string, number>();
  function due([text, ids]: readonly [string, Iterable<EntryId>], nowMs: number): readonly PolicyNote[] {
    const subject = subjectOf(text);
    const note = [...new Set([...idsIn(known.get(subject)), ...ids])].slice(0, MOST).join(' ');
    const isKept = known.get(subject) === note && nowMs - (writtenAtMs.get(subject) ?? -WRITTEN_AGAIN_MS) < WRITTEN_AGAIN_MS;
    return note === '' || isKept ? [] : [{ subject, note }];
  }

  return {
    of: (text) => idsIn(known.get(subjectOf(text))),
    keep(meanings) {
      const nowMs = clock.monotonicMs();
      const some = [...meanings].flatMap((one) => due(one, nowMs));
      if (some.length === 0) return;
      for (const { subject, note } of some) {
        known.set(subject, note);
        writtenAtMs.set(subject, nowMs);
      }
      ledger.tell({ at: time.now(), notes: some, audit: [] }).catch(() => {
        for (const { subject } of some) writtenAtMs.delete(subject);
      });
    },
  };
}

function idsIn(note: string | undefined): readonly EntryId[] {
  return (note ?? '').split(' ').flatMap((text) => {
    const id = parseEntryId(text);
    return id.ok ? [id.value] : [];
  });
}

function subjectOf(text: string): string {
  return `${PREFIX}${foldName(text)}`;
}
