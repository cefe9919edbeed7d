import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { GrantKind, GrantRow, News } from './console/answers.ts';
import { connectorRow, eventRow, grantRow } from './console-views.ts';
import type { Desk } from './desk.ts';
import { timestamp } from './system-clock.ts';

/** Of those that have ended; a page that shows more is no help to anyone. */
const ENDED_SHOWN = 100;
const LIVE_SHOWN = 500;
const EVENTS_SHOWN = 200;
/**
 * Jobs, connections and pages of a sync announce themselves to nobody, so that a console costs them nothing: it looks, as often
 * as a person can tell apart.
 */
const LOOK_MS = 250;
/** A page that hears nothing for three of these takes the stub for gone. */
const BEAT_MS = 5_000;

/**
 * Tells a console what there is, and from then on what changes, as server-sent events (HTML Living Standard §9.2), until the
 * signal aborts. Nothing is told that is not on the disk.
 */
export async function feedConsole(response: ServerResponse, desk: Desk, signal: AbortSignal): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  const watch = watchDesk(desk);
  let told: News | null = watch.whole();
  let toldAtMs = desk.clock.monotonicMs();
  // For as long as the page is open.
  while (!signal.aborted) {
    if (told !== null || desk.clock.monotonicMs() - toldAtMs >= BEAT_MS) {
      await desk.stateFile.save();
      const news: News = told ?? { time: timestamp(desk.clock), whole: false };
      toldAtMs = desk.clock.monotonicMs();
      // One that reads slowly is told less often, and is owed one message at most.
      if (!response.write(`data: ${JSON.stringify(news)}\n\n`)) await once(response, 'drain', { signal }).catch(() => undefined);
    }
    await desk.changes.next(LOOK_MS, signal);
    told = watch.changed();
  }
  response.end();
}

/** Sees what has changed since it last looked. */
function watchDesk(desk: Desk) {
  const { book } = desk;
  const kinds = new Map<string, GrantKind>();
  let revision = 0;
  let lastEvent = 0;
  const told = { connectors: '', totals: '', violations: '' };

  function look(rows: readonly GrantRow[]): Omit<News, 'time' | 'whole'> {
    for (const { grantId, state } of rows) kinds.set(grantId, state.kind);
    revision = book.revision();
    const events = book.lastEvents(EVENTS_SHOWN).filter(({ index }) => index > lastEvent);
    lastEvent = events.at(-1)?.index ?? lastEvent;
    return {
      ...(rows.length === 0 ? {} : { grants: rows }),
      ...(events.length === 0 ? {} : { events: events.map(eventRow) }),
      ...ifNew(
        'connectors',
        book.connectors().map((known) => connectorRow(desk, known)),
      ),
      ...ifNew('totals', totals()),
      ...ifNew('violations', book.violations().length),
    };
  }

  /** A part that was told before in the same words is left out. */
  function ifNew<Name extends keyof typeof told>(name: Name, value: News[Name]): Partial<Pick<News, Name>> {
    const text = JSON.stringify(value);
    const part: Partial<Pick<News, Name>> = {};
    if (text !== told[name]) part[name] = value;
    told[name] = text;
    return part;
  }

  function totals(): Record<GrantKind, number> {
    const counts = { queued: 0, taken: 0, delayed: 0, active: 0, ending: 0, ended: 0, failed: 0 };
    for (const kind of kinds.values()) counts[kind] += 1;
    return counts;
  }

  const rowsOf = (grantIds: readonly string[]) => grantIds.map((grantId) => grantRow(desk, grantId));

  return {
    whole(): News {
      const rows = rowsOf(book.grantIds());
      const found = look(rows);
      const isOver = ({ state }: GrantRow) => state.kind === 'ended' || state.kind === 'failed';
      const grants = [...rows.filter(isOver).slice(-ENDED_SHOWN), ...rows.filter((row) => !isOver(row)).slice(-LIVE_SHOWN)];
      return { time: timestamp(desk.clock), whole: true, ...found, grants };
    },
    /** Null where nothing has. */
    changed(): News | null {
      const found = look(rowsOf(book.grantsTouchedSince(revision)));
      return Object.keys(found).length === 0 ? null : { time: timestamp(desk.clock), whole: false, ...found };
    },
  };
}
