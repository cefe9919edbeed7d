import type { WireEvent } from '../../src/protocol/event-frame.ts';
import type { FakeLink } from './fake-link.ts';
import type { LinkPeer } from './link-contract.ts';

type Frame = Readonly<Record<string, unknown>>;

/** An event as it arrived. */
export interface ArrivedEvent {
  readonly ledgerId: string;
  readonly seq: number;
  readonly event: WireEvent;
}

/** A well-behaved control plane at the other end of a fake link: jobs are delivered until received, events acknowledged. */
export interface FakeControlPlane {
  /** Sends the job now or on the next connection, and again on each until it is received. */
  deliver(job: Frame & { readonly jobId: string }): void;
  /** Each event once, in the order of arrival. */
  readonly events: readonly ArrivedEvent[];
  /** Every frame but events, in the order of arrival. */
  readonly frames: readonly Frame[];
  /** The first event, past or future, that satisfies. */
  event(satisfies: (event: WireEvent) => boolean): Promise<ArrivedEvent>;
  /** Resolves when the job was received. */
  received(jobId: string): Promise<void>;
  /** Cuts the connection; the link makes another. */
  lose(): void;
  /** While true, events are stored but not acknowledged; what was withheld is acknowledged on release. */
  withholdAcks(withhold: boolean): void;
  /** While true, connections are made but not welcomed. */
  withholdWelcome(withhold: boolean): void;
}

export function fakeControlPlane(link: FakeLink): FakeControlPlane {
  const jobs = new Map<string, Frame>();
  const receivedJobs = new Set<string>();
  const events: ArrivedEvent[] = [];
  const frames: Frame[] = [];
  const acked = new Map<string, number>();
  const told = new Map<string, number>();
  const waiting = new Set<() => void>();
  let peer: LinkPeer | null = null;
  let welcomed = false;
  let ledgerId = '';
  let withholdsAcks = false;
  let withholdsWelcome = false;

  function changed(): void {
    for (const look of waiting) look();
  }

  /** Resolves with the first value that `look` finds, now or after a change. */
  function found<T>(look: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const again = () => {
        const value = look();
        if (value === undefined) return;
        waiting.delete(again);
        resolve(value);
      };
      waiting.add(again);
      again();
    });
  }

  function welcome(): void {
    if (peer === null || welcomed || withholdsWelcome || ledgerId === '') return;
    welcomed = true;
    const ackedSeq = acked.get(ledgerId);
    const time = new Date().toISOString();
    peer.send({ type: 'welcome', sessionId: 'fake', time, ...(ackedSeq === undefined ? {} : { ackedSeq }) });
    for (const job of jobs.values()) peer.send({ type: 'job', job });
  }

  function acknowledge(): void {
    const seq = told.get(ledgerId);
    if (withholdsAcks || seq === undefined || !welcomed) return;
    acked.set(ledgerId, seq);
    peer?.send({ type: 'ack', seq });
  }

  function take(frame: Frame): void {
    if (frame['type'] === 'event') {
      const { seq, event } = frame as { seq: number; event: WireEvent };
      if (seq > (told.get(ledgerId) ?? 0)) {
        told.set(ledgerId, seq);
        events.push({ ledgerId, seq, event });
      }
      if ('jobId' in event) jobs.delete(event.jobId);
      acknowledge();
    } else {
      frames.push(frame);
      if (frame['type'] === 'hello') ledgerId = String(frame['ledgerId']);
      if (frame['type'] === 'hello') welcome();
      if (frame['type'] === 'job.received') {
        jobs.delete(String(frame['jobId']));
        receivedJobs.add(String(frame['jobId']));
      }
    }
    changed();
  }

  async function serve(): Promise<void> {
    // For ever: the link makes connections until it is stopped, and then this waits for one that never comes.
    for (;;) {
      const current = await link.nextPeer();
      peer = current;
      welcomed = false;
      ledgerId = '';
      try {
        for (;;) take(await current.next());
      } catch {
        peer = null;
      }
    }
  }
  void serve();

  return {
    deliver(job) {
      jobs.set(job.jobId, job);
      if (welcomed) peer?.send({ type: 'job', job });
    },
    events,
    frames,
    event: (satisfies) => found(() => events.find(({ event }) => satisfies(event))),
    received: (jobId) => found(() => (receivedJobs.has(jobId) ? true : undefined)).then(() => undefined),
    lose() {
      peer?.lose();
    },
    withholdAcks(withhold) {
      withholdsAcks = withhold;
      acknowledge();
    },
    withholdWelcome(withhold) {
      withholdsWelcome = withhold;
      welcome();
    },
  };
}
