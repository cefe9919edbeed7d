import type { Instant } from '../access/instant.ts';
import { judgeRate, type Rate } from '../access/rate.ts';
import type { PolicyNote } from '../ledger/ledger.ts';

/** One bucket: `subject` says whose it is, `rule` which rule has made it. */
export interface Bucket {
  readonly subject: string;
  readonly rate: Rate;
  readonly rule: string;
}

export type Taken =
  /** What the ledger is to remember of it, in the transaction of what it was taken for. */
  | { readonly ok: true; readonly notes: readonly PolicyNote[] }
  | { readonly ok: false; readonly bucket: Bucket; readonly freeAt: Instant };

/** How fast new grants may come. */
export interface Rates {
  /** Takes one of each bucket, or nothing of any where one of them is empty. */
  take(buckets: readonly Bucket[], at: Instant): Taken;
  /** What `take` would say; nothing is taken. */
  look(buckets: readonly Bucket[], at: Instant): Taken;
}

const PREFIX = 'rate/';

/** Buckets that are full again are forgotten whenever there are so many more of them. */
const FORGET_EVERY = 1_000;

/**
 * The buckets that are not full. The ledger keeps of each when it will be, so that a new process begins with what the one before has
 * left: a crash fills no bucket. Bounded by the users and groups of the directory, and by what is admitted while one fills.
 */
export function rates(notes: readonly PolicyNote[]): Rates {
  const fullAtMs = new Map<string, number>();
  for (const { subject, note } of notes) if (subject.startsWith(PREFIX)) fullAtMs.set(subject.slice(PREFIX.length), Number(note));
  let forgetAt = fullAtMs.size + FORGET_EVERY;

  function forgetFull(at: Instant): void {
    if (fullAtMs.size < forgetAt) return;
    for (const [subject, ms] of fullAtMs) if (ms <= at) fullAtMs.delete(subject);
    forgetAt = fullAtMs.size + FORGET_EVERY;
  }

  function judged(buckets: readonly Bucket[], at: Instant): Taken & { readonly next: readonly (readonly [string, number])[] } {
    const next: [string, number][] = [];
    for (const bucket of buckets) {
      const verdict = judgeRate(bucket.rate, { fullAtMs: fullAtMs.get(bucket.subject) ?? 0, at });
      // After a step back of the clock, this is where it begins to fill.
      if (!verdict.allowed) return { ok: false, bucket, freeAt: verdict.freeAt, next: [[bucket.subject, verdict.fullAtMs]] };
      next.push([bucket.subject, verdict.fullAtMs]);
    }
    return { ok: true, notes: next.map(([subject, ms]) => ({ subject: `${PREFIX}${subject}`, note: String(ms) })), next };
  }

  return {
    take(buckets, at) {
      const taken = judged(buckets, at);
      for (const [subject, ms] of taken.next) fullAtMs.set(subject, ms);
      forgetFull(at);
      return taken;
    },
    look: judged,
  };
}
