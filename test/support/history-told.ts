import { isDeepStrictEqual } from 'node:util';
import type { EngineUnderTest, WireEvent } from './engine-under-test.ts';

/** Judges what the control plane was told, event by event. */
export interface Told {
  readonly wrongs: readonly string[];
  /** Reads what was told since the last call. */
  read(): void;
  /** The ledger is an older copy: what was told before may be told again. */
  restored(): void;
  hasOutcome(jobId: string): boolean;
  /** How often the end of a grant was told since the ledger was last restored. */
  endings(grantId: string): number;
}

export function toldTo(rig: EngineUnderTest): Told {
  const wrongs: string[] = [];
  const settled = new Set<string>();
  let outcomes = new Map<string, string>();
  let ended = new Map<string, number>();
  let highest = new Map<string, number>();
  let events = new Map<string, WireEvent>();
  let readFrames = 0;
  let readEvents = 0;

  function readFrame(frame: EngineUnderTest['frames'][number]): void {
    if (frame.type !== 'event') return;
    const { ledgerId } = rig.ledger.peek();
    const key = `${ledgerId}/${frame.seq}`;
    const before = events.get(key);
    if (before !== undefined) {
      if (!isDeepStrictEqual(before, frame.event)) wrongs.push(`event ${frame.seq} was sent again as another`);
      return;
    }
    const last = highest.get(ledgerId) ?? 0;
    if (frame.seq <= last) wrongs.push(`event ${frame.seq} came after ${last}`);
    events.set(key, frame.event);
    highest.set(ledgerId, frame.seq);
  }

  function readResult(event: Extract<WireEvent, { kind: 'job.succeeded' | 'job.failed' }>): void {
    const said = event.kind === 'job.succeeded' ? event.outcome : event.error.code;
    if (said === 'job_conflict') return;
    const known = outcomes.get(event.jobId);
    if (event.repeat === true) {
      if (known !== undefined && known !== said) wrongs.push(`job ${event.jobId} was ${known}, and is repeated as ${said}`);
      return;
    }
    if (known !== undefined) wrongs.push(`job ${event.jobId} has the outcomes ${known} and ${said}`);
    outcomes.set(event.jobId, said);
    settled.add(event.jobId);
    const { grant } = event;
    if (event.kind === 'job.succeeded' && said !== 'already_ended' && grant?.state === 'ended' && !ended.has(grant.grantId))
      wrongs.push(`job ${event.jobId} was told before the end of ${grant.grantId}`);
  }

  return {
    wrongs,
    read() {
      for (; readFrames < rig.frames.length; readFrames += 1) {
        const frame = rig.frames[readFrames];
        if (frame !== undefined) readFrame(frame);
      }
      for (; readEvents < rig.told.length; readEvents += 1) {
        const event = rig.told[readEvents];
        if (event?.kind === 'grant.ended') {
          const { grantId } = event.grant;
          ended.set(grantId, (ended.get(grantId) ?? 0) + 1);
          if (ended.get(grantId) !== 1) wrongs.push(`the end of ${grantId} was told twice`);
        }
        if (event?.kind === 'job.succeeded' || event?.kind === 'job.failed') readResult(event);
      }
    },
    restored() {
      outcomes = new Map();
      ended = new Map();
      highest = new Map();
      events = new Map();
    },
    hasOutcome: (jobId) => settled.has(jobId),
    endings: (grantId) => ended.get(grantId) ?? 0,
  };
}
