import { or } from '../../../access/filter.ts';
import type { EntryId } from '../../../access/ids.ts';
import { DirectoryError } from '../../directory.ts';
import type { DirectoryReader, FullNeeded, ReadSink } from '../../directory-reader.ts';
import type { BindGate } from '../bind-refusal.ts';
import { trustOf } from '../dial.ts';
import { parseEndpoints, shownAddress } from '../endpoint.ts';
import { hasId } from '../entry.ts';
import { proveIdentity } from '../identity.ts';
import { learnLandscape } from '../landscape.ts';
import { directoryGate, type LdapConnectionOptions } from '../open-ldap-directory.ts';
import { sessionOpener } from '../opener.ts';
import type { Schema } from '../schema.ts';
import type { Session } from '../session.ts';
import { bulkSockets } from './bulk-socket.ts';
import { formatCursor, readCursor, readingHash } from './cursor.ts';
import { type DeltaWay, deltaWay } from './delta.ts';
import { chunksOf, type ReadMapping } from './mapping.ts';
import { groupsProtected } from './nested-groups.ts';
import { baseIdOf, type EntryKind, onLine, provedScopes, type Reading } from './reading.ts';
import { scan } from './scan.ts';

export interface LdapReaderOptions extends LdapConnectionOptions, ReadMapping {
  /** That of the directory, so that a refused password is tried once and not by each. */
  readonly gate?: BindGate;
}

/** Asked for together by their ids. */
const IDS_TOGETHER = 100;

/**
 * Reads a whole directory by LDAP, each time on a connection of its own, which is closed at the end. ldapts binds and asks the
 * small questions; what is read in bulk is read by ourselves on the same connection.
 */
export function openLdapReader(options: LdapReaderOptions): DirectoryReader {
  const { clock, readTimeoutMs } = options;
  const opener = sessionOpener({
    ...options,
    endpoints: parseEndpoints(options.url, options.startTls),
    gate: options.gate ?? directoryGate(options),
    openSocket: options.openSocket ?? bulkSockets(clock),
    ...trustOf(options),
  });
  /** Which server told changes last. */
  let toldChanges: string | null = null;
  let known: { readonly from: string; readonly schema: Schema } | null = null;

  /** Opens a connection, learns what is there, works, and proves that we were who we thought to the end. */
  const read = async <T>(work: (reading: Reading) => Promise<T>, signal: AbortSignal): Promise<T> => {
    const session = await opener.open(signal);
    try {
      const landscape = await learnLandscape(session, options);
      const from = `${landscape.vendor} ${landscape.version ?? ''}`;
      // Read once: it is large on some servers, and classes that come later are those of nobody's groups yet.
      if (known?.from !== from) known = { from, schema: await landscape.schema() };
      const place = { session, landscape, mapping: options };
      const [usersScopes, groupsScopes, baseId] = await Promise.all([
        provedScopes(place, landscape.usersScope, signal),
        provedScopes(place, landscape.groupsScope, signal),
        baseIdOf(place, signal),
      ]);
      const { schema } = known;
      const done = await work({ ...place, schema, clock, readTimeoutMs, baseId, usersScopes, groupsScopes });
      await Promise.all([
        provedStill(session, options),
        provedScopes(place, [...landscape.usersScope, ...landscape.groupsScope], signal),
      ]);
      return done;
    } finally {
      await session.close();
    }
  };
  const byIds = async (asked: { kind: EntryKind; ids: readonly EntryId[]; sink: ReadSink }, signal: AbortSignal) => {
    const { kind, ids, sink } = asked;
    if (ids.length === 0) return undefined;
    return await read(
      async (reading) =>
        await onLine(reading, async (line): Promise<FullNeeded | undefined> => {
          if (toldChanges !== null && toldChanges !== serverOf(reading))
            return {
              told: 'full_needed',
              reason: 'another server of the directory answers now than the one that told what has changed',
            };
          for (const some of chunksOf(ids, IDS_TOGETHER)) {
            const narrowed = or(...some.map((id) => hasId(id, reading.landscape.flavour.id)));
            await scan(reading, { line, kind, sink, narrowed }, signal);
          }
          return undefined;
        }),
      signal,
    );
  };

  return {
    means: async (signal) =>
      await read(async (reading) => {
        const { name, reason } = await deltaWay(reading, signal);
        return { name, reason };
      }, signal),
    readAll: async (sink, signal) =>
      await read(async (reading) => {
        // Before anything is read: what changes meanwhile is in the next delta.
        const way = await deltaWay(reading, signal);
        await onLine(reading, async (line) => {
          for (const kind of ['user', 'group'] as const) await scan(reading, { line, kind, sink }, signal);
        });
        return { cursor: way.name === null ? null : cursorOf(reading, way, way.state), told: 'all' };
      }, signal),
    readChanges: async (cursor, sink, signal) =>
      await read(async (reading) => {
        const way = await deltaWay(reading, signal);
        const state = stateOf(cursor, reading, way);
        if (typeof state !== 'string' || way.name === null)
          return { told: 'full_needed', reason: typeof state === 'string' ? way.reason : state.reason };
        const end = await way.changes(state, sink, signal);
        toldChanges = serverOf(reading);
        if (end.told === 'full_needed') return end;
        return { told: end.told, cursor: cursorOf(reading, way, end.state) };
      }, signal),
    readUsers: async (ids, sink, signal) => await byIds({ kind: 'user', ids, sink }, signal),
    readGroups: async (ids, sink, signal) => await byIds({ kind: 'group', ids, sink }, signal),
    protectedGroups: async (rules, signal) =>
      await read(async (reading) => await groupsProtected(reading, rules, signal), signal),
  };
}

/** Which server is read; one name may stand for several. */
function serverOf({ session, landscape }: Reading): string {
  return `${shownAddress(session.endpoint)} ${landscape.server ?? ''}`;
}

/** Rejects where the server does not take us for our account any more. */
async function provedStill(session: Session, { bind }: LdapReaderOptions): Promise<void> {
  const identity = await proveIdentity(session, bind.name);
  if (!identity.proved)
    throw new DirectoryError('unavailable', `At the end of the read the directory ${identity.why}. Nothing of it is used.`);
}

function cursorOf(reading: Reading, { name, server }: DeltaWay, state: string): string {
  return formatCursor({ means: name, server, reading: readingHash(reading), state });
}

/** The state that a cursor holds; a reason, where it is not of this very way to read. */
function stateOf(
  text: string,
  reading: Reading,
  way: Awaited<ReturnType<typeof deltaWay>>,
): string | { readonly reason: string } {
  const cursor = readCursor(text);
  if (cursor === null) return { reason: 'the cursor cannot be read' };
  if (cursor.reading !== readingHash(reading)) return { reason: 'base, scopes, filters or attributes are others than then' };
  if (way.name === null) return { reason: way.reason };
  if (cursor.means !== way.name) return { reason: `changes are now found by ${way.name}, and were by ${cursor.means} then` };
  if (cursor.server !== way.server) return { reason: 'the directory, or the server of it that is asked, is another than then' };
  return cursor.state;
}
