import type { Filter } from '../../../access/filter.ts';
import { type EntryId, parseEntryId } from '../../../access/ids.ts';
import type { FullNeeded } from '../../directory-reader.ts';
import type { WantedAttribute } from './attribute-places.ts';
import {
  readSyncDone,
  readSyncInfo,
  readSyncState,
  SYNC_DONE,
  SYNC_INFO,
  SYNC_REFRESH_REQUIRED,
  SYNC_STATE,
  syncRequest,
} from './content-sync.ts';
import type { Line, SearchReceiver } from './line.ts';
import { incomplete } from './pages.ts';
import { refused } from './refused.ts';

/** How a refresh ended: what has gone was told, or everything that is there, and what was not told has gone. */
export interface RefreshEnd {
  readonly phase: 'deletes' | 'presents';
  readonly cookie: Buffer;
}

const SIZE_LIMIT_EXCEEDED = 4;
const ADMIN_LIMIT_EXCEEDED = 11;
const UNWILLING_TO_PERFORM = 53;

/** Why a refresh that was refused means that everything has to be read. */
const FULL_NEEDED: Readonly<Record<number, string>> = {
  [SYNC_REFRESH_REQUIRED]: 'the server no longer knows what has changed since then',
  [SIZE_LIMIT_EXCEEDED]: 'more has changed than the server gives at once',
  [ADMIN_LIMIT_EXCEEDED]: 'more has changed than the server gives at once',
  // OpenLDAP's answer where it has less than the cookie.
  [UNWILLING_TO_PERFORM]: 'the server does not take the cursor: it may have been restored, or lag behind',
};

/** One refresh of content synchronisation (RFC 4533 §3.3): what has changed since the cookie in what a search finds. */
export async function refresh(
  line: Line,
  { base, filter, wanted, cookie }: { base: string; filter: Filter; wanted: readonly WantedAttribute[]; cookie: Buffer | null },
  tell: { receiver: SearchReceiver; present: (id: EntryId) => void; deleted: Set<EntryId> },
  signal: AbortSignal,
): Promise<RefreshEnd | FullNeeded> {
  const { receiver, present, deleted } = tell;
  if (cookie === null) return { told: 'full_needed', reason: 'the cursor cannot be read' };
  const result = await line.search(
    { base, scope: 'sub', filter, attributes: wanted, sizeLimit: 0, controls: [syncRequest(cookie)] },
    {
      ...receiver,
      entry(entry) {
        const value = entry.controls.get(SYNC_STATE);
        if (value === undefined) throw refused('an entry of a content synchronisation without its state');
        const { state, uuid } = readSyncState(value);
        if (state === 'delete') deleted.add(idOf(uuid));
        else if (state === 'present') present(idOf(uuid));
        else receiver.entry(entry);
      },
      intermediate(name, value) {
        const info = name === SYNC_INFO ? readSyncInfo(value) : null;
        if (info?.kind !== 'ids') return;
        for (const uuid of info.uuids) {
          if (info.told === 'deletes') deleted.add(idOf(uuid));
          else present(idOf(uuid));
        }
      },
    },
    signal,
  );
  const reason = FULL_NEEDED[result.resultCode];
  if (reason !== undefined) return { told: 'full_needed', reason };
  if (result.resultCode !== 0) throw incomplete(result, `read what has changed beneath "${base}"`);
  const done = result.controls.get(SYNC_DONE);
  if (done === undefined) return { told: 'full_needed', reason: 'the server did not say how the synchronisation ended' };
  const { cookie: next, refreshDeletes } = readSyncDone(done);
  // RFC 4533 §2.4: without a cookie the old one stands.
  return { phase: refreshDeletes ? 'deletes' : 'presents', cookie: next ?? cookie };
}

function idOf(uuid: Buffer): EntryId {
  const id = parseEntryId(uuid.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'));
  if (!id.ok) throw refused('an id that is none');
  return id.value;
}
