import type { SyncFrame, WireFrameFromControlPlane } from '../protocol/frames.ts';
import { MAX_OUTSTANDING_PAGES, MAX_SYNC_PAGE_BYTES } from '../protocol/limits.ts';
import type { Desk } from './desk.ts';
import type { Staging } from './picture-file.ts';
import type { ToldStream } from './pictures.ts';
import type { Broken } from './rules.ts';
import { openStream, type Stream } from './stream.ts';
import { timestamp } from './system-clock.ts';

type Begin = Extract<SyncFrame, { type: 'sync.begin' }>;
type Page = Extract<SyncFrame, { type: 'sync.page' }>;
type End = Extract<SyncFrame, { type: 'sync.end' }>;
type Abort = Extract<SyncFrame, { type: 'sync.abort' }>;

interface Open {
  readonly stream: Stream;
  readonly staging: Staging;
  readonly told: ToldStream;
  /** The last page whose acknowledgement was sent. */
  ackedPage: number;
  ended: boolean;
  /** What is being written, in order. */
  written: Promise<void>;
}

/** The sync streams of one connection. */
export interface StreamIntake {
  take(frame: SyncFrame, text: string): void;
  /** A frame that could not be read, and has been refused: what it was of cannot be whole. */
  unreadable(ref: string): void;
}

/**
 * Takes streams one at a time: their pages go to the disk beside the picture, are acknowledged as they are written, and replace
 * or change it when the stream has ended and is stored. One that breaks a rule is refused and thrown away, as is one whose connection is lost.
 */
export function takeStreams(of: {
  connectorId: string;
  desk: Desk;
  send: (frame: WireFrameFromControlPlane) => string;
  violated: (rule: string, detail: string) => void;
  fail: (error: unknown) => void;
  closed: AbortSignal;
}): StreamIntake {
  const { connectorId, desk, send, violated, fail, closed } = of;
  const { clock, pictures, faults } = desk;
  const kept = pictures.of(connectorId);
  let open: Open | null = null;
  /** What is still under way of a stream that was refused is no further fault. */
  let refusedId: string | null = null;
  closed.addEventListener('abort', () => discard('lost', 'the connection was lost'));

  function begin(frame: Begin, text: string): void {
    const { syncId, mode, baseCursor } = frame;
    if (open !== null) return reject(syncId, { rule: 'a second stream', detail: `${syncId} beside ${open.told.syncId}` });
    if (pictures.told.some((told) => told.connectorId === connectorId && told.syncId === syncId))
      return reject(syncId, { rule: 'a syncId used again', detail: syncId });
    const told: ToldStream = {
      syncId,
      connectorId,
      mode,
      beganAt: timestamp(clock),
      state: 'running',
      pages: 0,
      records: 0,
      endedAt: null,
      counts: null,
      problem: null,
    };
    pictures.tell(told);
    const state = kept.picture?.state ?? null;
    if (mode === 'delta' && (state === null || baseCursor !== state.cursor)) {
      const isOurs = state !== null && baseCursor !== state.previousCursor;
      return refuse(told, 'unknown_cursor', {
        rule: isOurs ? 'a delta on an unknown cursor' : null,
        detail: `${syncId} builds on ${baseCursor ?? 'nothing'}, stored is ${state?.cursor ?? 'nothing'}`,
      });
    }
    const staging = kept.file.stage(frame, text, state?.cursor ?? null);
    open = { stream: openStream(frame, kept.picture), staging, told, ackedPage: 0, ended: false, written: Promise.resolve() };
  }

  function page(frame: Page, text: string): void {
    const current = ofStream(frame.syncId, 'sync.page');
    if (current === null) return;
    const bytes = Buffer.byteLength(text);
    if (bytes > MAX_SYNC_PAGE_BYTES) return reject(frame.syncId, { rule: 'a page too large', detail: `${bytes} bytes` });
    const outstanding = frame.page - current.ackedPage;
    if (outstanding > MAX_OUTSTANDING_PAGES)
      return reject(frame.syncId, {
        rule: 'too many outstanding pages',
        detail: `${outstanding}; at most ${MAX_OUTSTANDING_PAGES}`,
      });
    const broken = current.stream.takePage(frame);
    if (broken !== null) return reject(frame.syncId, broken);
    current.told.pages = frame.page;
    current.told.records += frame.records.length;
    inTurn(current, async () => {
      await current.staging.write(text);
      if (open !== current || faults.loses('page')) return;
      current.ackedPage = frame.page;
      send({ type: 'sync.ack', syncId: frame.syncId, page: frame.page });
    });
  }

  function end(frame: End, text: string): void {
    const current = ofStream(frame.syncId, 'sync.end');
    if (current === null) return;
    const judged = current.stream.end(frame);
    if (judged.broken !== null) return reject(frame.syncId, judged.broken);
    current.ended = true;
    const storedAt = timestamp(clock);
    inTurn(current, async () => {
      await current.staging.store(text, storedAt);
      kept.picture = judged.store(storedAt);
      Object.assign(current.told, { state: 'stored', endedAt: storedAt, counts: kept.picture.state.counts });
      open = null;
      desk.note(`stored the ${current.told.mode} sync ${frame.syncId} of ${connectorId}: ${JSON.stringify(frame.counts)}`);
      desk.changes.tell();
      if (!closed.aborted && !faults.loses('end')) send({ type: 'sync.ack', syncId: frame.syncId, end: true });
    });
    // The connection may be lost meanwhile, and the next one must find it stored.
    kept.storing = current.written.catch(() => undefined);
  }

  function abort({ syncId, error }: Abort): void {
    if (ofStream(syncId, 'sync.abort') === null) return;
    desk.note(`${connectorId} aborted the sync ${syncId}: ${error.code}: ${error.message}`);
    discard('aborted', `${error.code}: ${error.message}`);
  }

  /** Null where the frame is not of the stream that is open, which has then been told. */
  function ofStream(syncId: string, type: SyncFrame['type']): Open | null {
    if (open !== null && open.told.syncId === syncId && !open.ended) return open;
    if (syncId !== refusedId) reject(syncId, { rule: `${type} of no stream`, detail: syncId });
    return null;
  }

  function inTurn(current: Open, work: () => Promise<void>): void {
    current.written = current.written.then(work);
    current.written.catch((error: unknown) => {
      current.ended = false;
      fail(error);
    });
  }

  function reject(syncId: string, { rule, detail }: Broken): void {
    if (open?.told.syncId === syncId && !open.ended) return refuse(open.told, 'sync_refused', { rule, detail });
    violated(rule, detail);
    refusedId = syncId;
    send({ type: 'error', code: 'sync_refused', message: `${rule}: ${detail}`, ref: syncId });
  }

  function refuse(told: ToldStream, code: string, { rule, detail }: { rule: string | null; detail: string }): void {
    if (rule !== null) violated(rule, detail);
    refusedId = told.syncId;
    const message = rule === null ? detail : `${rule}: ${detail}`;
    if (open?.told === told) discard('refused', message);
    else Object.assign(told, { state: 'refused', endedAt: timestamp(clock), problem: message });
    send({ type: 'error', code, message, ref: told.syncId });
  }

  function discard(state: 'aborted' | 'refused' | 'lost', problem: string): void {
    // One that has ended is being stored, and is whole.
    if (open === null || open.ended) return;
    const { staging, told, written } = open;
    open = null;
    Object.assign(told, { state, endedAt: timestamp(clock), problem });
    desk.changes.tell();
    kept.storing = written.catch(() => undefined).then(() => staging.discard().catch(desk.unsaved));
  }

  return {
    take(frame, text) {
      switch (frame.type) {
        case 'sync.begin':
          return begin(frame, text);
        case 'sync.page':
          return page(frame, text);
        case 'sync.end':
          return end(frame, text);
        case 'sync.abort':
          return abort(frame);
        default:
          return frame satisfies never;
      }
    },
    unreadable(ref) {
      if (open?.told.syncId !== ref) return;
      refusedId = ref;
      discard('refused', 'a frame of it could not be read');
    },
  };
}
