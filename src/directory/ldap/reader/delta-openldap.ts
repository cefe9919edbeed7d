import { isBeneath } from '../../../access/dn.ts';
import { equality, not, or } from '../../../access/filter.ts';
import type { EntryId } from '../../../access/ids.ts';
import type { ReadSink } from '../../directory-reader.ts';
import { ANY_ENTRY, hasId, valuesOf } from '../entry.ts';
import { entryAt } from '../place.ts';
import { containerReason, otherEntries } from './containers.ts';
import { readSyncDone, SYNC_DONE, SYNC_REQUEST, syncRequest } from './content-sync.ts';
import type { DeltaEnd, DeltaWay, NoDelta } from './delta.ts';
import { numberedDelta, unsearchable } from './delta-numbered.ts';
import type { Line } from './line.ts';
import { chunksOf } from './mapping.ts';
import { type EntryKind, filterOf, onLine, type Reading, remembering, rootValues, scopesOf } from './reading.ts';
import { refresh } from './refresh.ts';
import { kindReader, scanIds, scanPresent } from './scan.ts';

/**
 * OpenLDAP: content synchronisation (RFC 4533) where the overlay syncprov is there, which every account may ask for; else the
 * entries' change sequence numbers, where the newest one may be read, and a look at what is still there.
 */
export async function openLdapDelta(reading: Reading, signal: AbortSignal): Promise<DeltaWay | NoDelta> {
  const [{ supportedControl }, problem] = await Promise.all([
    rootValues(reading.session, ['supportedControl'], signal),
    unsearchable(reading, 'entryCSN', signal),
  ]);
  const server = reading.baseId;
  if (problem !== null) return { name: null, reason: problem };
  if (supportedControl.includes(SYNC_REQUEST)) {
    const cookie = await cookieNow(reading, signal);
    if (cookie !== null)
      return {
        name: 'RFC 4533',
        reason: 'the server offers content synchronisation (overlay syncprov)',
        server,
        state: formatCookies([cookie]),
        changes: async (state, sink, stop) => await contentSync(reading, { state, sink }, stop),
      };
  }
  const csn = await csnNow(reading, signal);
  if (csn === null)
    return {
      name: null,
      reason: 'the suffix has no contextCSN that this account can see; load the overlay syncprov',
    };
  return {
    name: 'entryCSN',
    reason: 'contextCSN of the suffix can be read, and content synchronisation is not offered',
    server,
    state: csn,
    async changes(state, sink, stop) {
      if (!CSN.test(state)) return { told: 'full_needed', reason: 'the cursor cannot be read' };
      if (state > csn)
        return { told: 'full_needed', reason: 'the server has less than the cursor: it was restored, or lags behind' };
      const since = { kind: 'greaterOrEqual', attribute: 'entryCSN', value: state } as const;
      return await numberedDelta(reading, { since, next: csn, deleted: null }, { sink, signal: stop });
    },
  };
}

const CSN = /^\d{14}\.\d{6}Z#/;

/** Of several servers that write, the one whose newest change is the oldest: what is told twice does no harm. */
async function csnNow({ session, landscape }: Reading, signal: AbortSignal): Promise<string | null> {
  const suffix = landscape.namingContexts.find((context) => context !== '' && isBeneath(landscape.baseDn, context));
  if (suffix === undefined) return null;
  const entry = await entryAt({ session }, { dn: suffix, filter: ANY_ENTRY, attributes: ['contextCSN'] }, signal);
  return (entry === null ? [] : valuesOf(entry, 'contextCSN')).filter((csn) => CSN.test(csn)).toSorted()[0] ?? null;
}

/** The cookie of an empty refresh: of one entry, which is read already. */
async function cookieNow(reading: Reading, signal: AbortSignal): Promise<Buffer | null> {
  const [base] = reading.usersScopes;
  if (base === undefined) return null;
  const result = await onLine(reading, async (line) => {
    const asked = {
      base,
      scope: 'base',
      filter: ANY_ENTRY,
      attributes: [],
      sizeLimit: 0,
      controls: [syncRequest(null)],
    } as const;
    return await line.search(asked, { entry: () => undefined, intermediate: () => undefined }, signal);
  });
  const done = result.controls.get(SYNC_DONE);
  return result.resultCode !== 0 || done === undefined ? null : readSyncDone(done).cookie;
}

/** Each search has a cookie of its own, since each ends at a moment of its own. One stands for all at the beginning. */
function formatCookies(cookies: readonly Buffer[]): string {
  return cookies.map((cookie) => cookie.toString('base64')).join(' ');
}

function cookieFor(state: string, search: number): Buffer | null {
  const cookies = state.split(' ');
  const cookie = cookies.length === 1 ? cookies[0] : cookies[search];
  return cookie === undefined || cookie === '' ? null : Buffer.from(cookie, 'base64');
}

/** Beyond so many ids that were told as deleted, whether one is a container is not asked. */
const MOST_IDS_LOOKED_UP = 2_000;
const IDS_TOGETHER = 100;

/** Every server knows this class, and most entries have it. */
const NO_PERSON = not(equality('objectClass', 'person'));
const CLASSES = [{ name: 'objectClass', as: 'text' }] as const;

async function contentSync(
  reading: Reading,
  { state, sink: given }: { state: string; sink: ReadSink },
  signal: AbortSignal,
): Promise<DeltaEnd> {
  const { sink, told } = remembering(given);
  return await onLine(reading, async (line) => {
    const cookies: Buffer[] = [];
    const deleted = new Set<EntryId>();
    /** Kinds of which all that is there was told; of any other it is looked up, as soon as one search did not tell what has gone. */
    const listed: EntryKind[] = [];
    let tellsGone = true;
    const others = otherEntries(reading);
    const beside = await refresh(
      line,
      { base: reading.landscape.baseDn, filter: NO_PERSON, wanted: CLASSES, cookie: cookieFor(state, 0) },
      { receiver: { entry: ({ dn, texts }) => others.met(dn, texts[0] ?? []) }, present: () => undefined, deleted },
      signal,
    );
    if ('reason' in beside) return beside;
    cookies.push(beside.cookie);
    for (const kind of ['user', 'group'] as const) {
      const { wanted, receiver, finish } = kindReader(reading, { kind, sink });
      let isWhole = true;
      for (const base of scopesOf(reading, kind)) {
        const cookie = cookieFor(state, cookies.length);
        const present = (id: EntryId) => {
          if (!told.has(id)) sink.present(id);
        };
        const end = await refresh(
          line,
          { base, filter: filterOf(reading, kind), wanted, cookie },
          { receiver, present, deleted },
          signal,
        );
        if ('reason' in end) return end;
        await finish({ line, base }, signal);
        cookies.push(end.cookie);
        isWhole &&= end.phase === 'presents';
        tellsGone &&= end.phase === 'deletes';
      }
      if (isWhole) listed.push(kind);
    }
    const gone = [...deleted].filter((id) => !told.has(id));
    const reason = (await containerReason(line, others.dns, signal)) ?? (await goneContainer(reading, { line, gone }, signal));
    if (reason !== null) return { told: 'full_needed', reason };
    const next = formatCookies(cookies);
    if (tellsGone) {
      for (const id of gone) sink.gone(id);
      return { told: 'changes', state: next };
    }
    for (const kind of ['user', 'group'] as const)
      if (!listed.includes(kind)) await scanPresent(reading, { line, kind, sink, told }, signal);
    return { told: 'present', state: next };
  });
}

/**
 * A server with a log of its sessions tells every change that a search does not find as a deletion, a container's too which has
 * left the scopes with all that is beneath it.
 */
async function goneContainer(
  reading: Reading,
  { line, gone }: { line: Line; gone: readonly EntryId[] },
  signal: AbortSignal,
): Promise<string | null> {
  if (gone.length > MOST_IDS_LOOKED_UP) return `${gone.length} entries have gone or changed beside users and groups`;
  const others = otherEntries(reading);
  const found = (_: EntryId, dn: string, objectClasses: readonly string[]) => others.met(dn, objectClasses);
  const stableId = reading.landscape.flavour.id;
  for (const ids of chunksOf(gone, IDS_TOGETHER)) {
    const filter = or(...ids.map((id) => hasId(id, stableId)));
    await scanIds(reading, { line, base: reading.landscape.baseDn, filter }, { found, signal });
  }
  return await containerReason(line, others.dns, signal);
}
