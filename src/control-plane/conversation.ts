import type { WireEvent } from '../protocol/event-frame.ts';
import { frameHash } from '../protocol/frame-hash.ts';
import type { FrameFromConnector, WireFrameFromControlPlane } from '../protocol/frames.ts';
import { MAX_UNACKNOWLEDGED_EVENTS } from '../protocol/limits.ts';
import type { StoredJob } from './book.ts';
import type { Desk } from './desk.ts';
import { judgeEvent } from './rules.ts';
import { takeStreams } from './stream-intake.ts';
import { timestamp } from './system-clock.ts';

/** A job not yet received is sent again after this time. */
const RESEND_MS = 5_000;
/** Jobs sent and not yet received, at most; beyond it a slow connector would only be sent the same again. */
const MAX_UNRECEIVED = 500;
/** Lists whose pages are kept. */
const MAX_PAGES_KEPT = 200;

/**
 * Everything after `welcome`: jobs are sent, and sent again until `job.received` or an event about them; events are stored,
 * and acknowledged once they are on the disk.
 */
export function converse(of: {
  connectorId: string;
  ledgerId: string;
  /** The connector takes signed jobs, and no others. */
  signs: boolean;
  desk: Desk;
  send: (frame: WireFrameFromControlPlane) => string;
  violated: (rule: string, detail: string) => void;
  fail: (error: unknown) => void;
  closed: AbortSignal;
}) {
  const { connectorId, ledgerId, signs, desk, send, violated, fail, closed } = of;
  const { book, clock, stateFile } = desk;
  const sent = new Map<StoredJob, { readonly atMs: number; readonly frameHash: string }>();
  let highestSeq = 0;
  let unacknowledged: number[] = [];
  let ackUpTo = 0;
  let acking = false;
  let cancelResend = () => {};
  closed.addEventListener('abort', () => cancelResend());
  const streams = takeStreams({ connectorId, desk, send, violated, fail, closed });

  function sendJobs(): void {
    if (closed.aborted) return;
    cancelResend();
    cancelResend = clock.timer(RESEND_MS, sendJobs);
    const now = clock.monotonicMs();
    const granting = new Set<unknown>();
    let underway = 0;
    for (const job of book.unreceived(connectorId)) {
      if (underway >= MAX_UNRECEIVED) return;
      // The next grant of a grantId waits for job.received of the one before; a revoke may come at any time.
      const isGrant = job.job['kind'] === 'grant';
      if (isGrant && granting.has(job.job['grantId'])) continue;
      if (isGrant) granting.add(job.job['grantId']);
      underway += 1;
      const before = sent.get(job);
      if (before !== undefined && now - before.atMs < RESEND_MS) continue;
      sent.set(job, { atMs: now, frameHash: frameHash(send(jobFrame(job))) });
    }
  }

  /** Signed anew each time, since a signature holds for minutes only. */
  function jobFrame({ job }: StoredJob): WireFrameFromControlPlane {
    return signs ? { type: 'job', jws: desk.signer.sign(job, { connectorId, nowMs: clock.wall() }) } : { type: 'job', job };
  }

  function received(job: StoredJob): void {
    sent.delete(job);
    book.received(job, timestamp(clock));
  }

  function jobReceived(jobId: string): void {
    const jobs = book.jobsById(jobId).filter((job) => job.connectorId === connectorId);
    if (jobs.length === 0) return violated('job.received for an unknown job', jobId);
    const waiting = jobs.find((job) => sent.has(job));
    if (waiting !== undefined) received(waiting);
    stateFile.save().catch(fail);
    sendJobs();
  }

  function takeEvent(frame: Extract<FrameFromConnector, { type: 'event' }>, raw: Record<string, unknown>): void {
    const { seq } = frame;
    if (seq <= highestSeq) return violated('seq not increasing', `${seq} after ${highestSeq}`);
    highestSeq = seq;
    unacknowledged.push(seq);
    if (unacknowledged.length === MAX_UNACKNOWLEDGED_EVENTS + 1) {
      violated('too many unacknowledged events', `${unacknowledged.length}; at most ${MAX_UNACKNOWLEDGED_EVENTS}`);
    }
    // As the connector wrote it; the schema has just accepted it.
    const { at, event } = raw as { at: string; event: WireEvent };
    const told = { connectorId, ledgerId, seq, at, event };
    const judged = judgeEvent(book, told);
    if (judged.kind !== 'duplicate' && judged.violation !== undefined) violated(judged.violation.rule, judged.violation.detail);
    if (judged.kind === 'refused') return;
    if (judged.kind === 'new') book.addEvent({ ...told, storedAt: timestamp(clock) });
    // One that is told again was caused before this connection, and says nothing of a job that was sent on it.
    if (judged.kind === 'new' && 'jobId' in event) {
      for (const job of book.jobsById(event.jobId)) if (sent.has(job)) received(job);
    }
    ackUpTo = Math.max(ackUpTo, seq);
    acknowledge().catch(fail);
  }

  /** One ack for all that one write has stored. Ends when there is nothing left to acknowledge or the connection is gone. */
  async function acknowledge(): Promise<void> {
    if (acking) return;
    acking = true;
    try {
      for (let told = 0; told < ackUpTo; ) {
        const upTo = ackUpTo;
        await stateFile.save();
        desk.changes.tell();
        if (closed.aborted) return;
        if (!desk.faults.loses('event')) send({ type: 'ack', seq: upTo });
        unacknowledged = unacknowledged.filter((seq) => seq > upTo);
        told = upTo;
      }
      sendJobs();
    } finally {
      acking = false;
    }
  }

  function jobRefused(frame: Extract<FrameFromConnector, { type: 'error' }>): void {
    const { code, message, ref } = frame;
    desk.note(`error frame of ${connectorId}: ${code}: ${message}`);
    for (const [job, { frameHash: hash }] of sent) {
      if (ref !== hash && ref !== job.job['jobId']) continue;
      book.refuse(job, { code, message });
      sent.delete(job);
    }
    stateFile.save().catch(fail);
  }

  function takePage(frame: Extract<FrameFromConnector, { type: 'grants.page' }>, raw: unknown): void {
    const jobs = book.jobsById(frame.jobId);
    if (!jobs.some(({ job }) => job['kind'] === 'list')) violated('grants.page for no list job', frame.jobId);
    const pages = frame.page === 1 ? [] : (desk.pages.get(frame.jobId) ?? []);
    if (frame.page !== pages.length + 1) violated('grants.page out of order', `page ${frame.page} of job ${frame.jobId}`);
    pages.push(raw);
    desk.pages.set(frame.jobId, pages);
    // Pages are not durable, so the oldest may go.
    for (const jobId of desk.pages.keys()) if (desk.pages.size > MAX_PAGES_KEPT) desk.pages.delete(jobId);
  }

  function take(
    frame: FrameFromConnector,
    raw: () => Record<string, unknown>,
    text: string,
    refuseFrame: (message: string, ref: string) => void,
  ): void {
    switch (frame.type) {
      case 'hello':
        return refuseFrame('a second hello', frameHash(text));
      case 'job.received':
        return jobReceived(frame.jobId);
      case 'event':
        return takeEvent(frame, raw());
      case 'grants.page':
        return takePage(frame, raw());
      case 'sync.begin':
      case 'sync.page':
      case 'sync.end':
      case 'sync.abort':
        return streams.take(frame, text);
      case 'error':
        return jobRefused(frame);
      default:
        return frame satisfies never;
    }
  }

  return { sendJobs, take, unreadable: streams.unreadable };
}
