import type { Book, StoredEvent } from './book.ts';

type Received = Omit<StoredEvent, 'index' | 'storedAt'>;

/** What became of an event: new, told before, or something a connector must never send. */
export type Judged =
  | { readonly kind: 'new'; readonly violation?: Broken }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'refused'; readonly violation: Broken };

export interface Broken {
  readonly rule: string;
  readonly detail: string;
}

/** Judges an event against what is stored (PROTOCOL, Sequence and Events). Pure. */
export function judgeEvent(book: Book, received: Received): Judged {
  const { ledgerId, seq, event } = received;
  const acked = book.ackedSeq(ledgerId) ?? 0;
  if (seq > acked) {
    const violation = breach(book, received);
    return violation === undefined ? { kind: 'new' } : { kind: 'new', violation };
  }
  const stored = book.event(ledgerId, seq);
  if (stored === undefined) {
    return refused('seq below what was acknowledged', `seq ${seq} of ledger ${ledgerId} was never stored, yet ${acked} was`);
  }
  // Both come from JSON.parse of what the same connector wrote, so the order of their members is the same too.
  if (JSON.stringify(stored.event) !== JSON.stringify(event)) {
    return refused('one seq, two events', `seq ${seq} of ledger ${ledgerId} was ${stored.event.kind}, now it is ${event.kind}`);
  }
  return { kind: 'duplicate' };
}

function refused(rule: string, detail: string): Judged {
  return { kind: 'refused', violation: { rule, detail } };
}

/** A rule that a new event breaks. It is stored all the same: what happened in a directory is never thrown away. */
function breach(book: Book, { connectorId, ledgerId, event }: Received): Broken | undefined {
  if ('jobId' in event) {
    const jobs = book.jobsById(event.jobId);
    if (!jobs.some((job) => job.connectorId === connectorId)) {
      return { rule: 'event for an unknown job', detail: `${event.kind} names job ${event.jobId}` };
    }
    if (event.kind === 'job.delayed' || event.repeat === true) return undefined;
    // Other content under a known id is answered as well: as a conflict, or as unreadable, which comes first.
    if (event.kind === 'job.failed' && event.error.code === 'job_conflict') return undefined;
    if (event.kind === 'job.failed' && event.error.code === 'invalid_job' && jobs.length > 1) return undefined;
    const before = book.eventsOfJob(event.jobId).find((stored) => stored.ledgerId === ledgerId && isFinal(stored));
    if (before === undefined) return undefined;
    return { rule: 'a second result', detail: `job ${event.jobId} had its ${before.event.kind} in seq ${before.seq}` };
  }
  if (event.kind !== 'grant.ended') return undefined;
  const { grantId } = event.grant;
  // A restored ledger (another ledgerId) may rightly live through the same ending again.
  const told = (events: readonly StoredEvent[]) => events.filter((stored) => stored.ledgerId === ledgerId);
  if (told(book.eventsOfGrant(grantId)).some((stored) => stored.event.kind === 'grant.ended')) {
    return { rule: 'a grant ended twice', detail: `grant ${grantId}` };
  }
  const revokes = book.jobsByGrant(grantId).filter(({ job }) => job['kind'] === 'revoke');
  const done = revokes.find(({ job }) => told(book.eventsOfJob(String(job['jobId']))).some(isSuccess));
  if (done === undefined) return undefined;
  return { rule: "grant.ended after its revoke's job.succeeded", detail: `grant ${grantId}, job ${String(done.job['jobId'])}` };
}

function isFinal({ event }: StoredEvent): boolean {
  return isSuccess({ event }) || (event.kind === 'job.failed' && event.error.code !== 'job_conflict');
}

function isSuccess({ event }: Pick<StoredEvent, 'event'>): boolean {
  return event.kind === 'job.succeeded';
}
