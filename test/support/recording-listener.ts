import type { SignatureFault } from '../../src/access/signature-fault.ts';
import type { LinkConnection, LinkListener, SyncAnswer } from '../../src/link/link.ts';
import type { ReceivedJob, WelcomeFrame } from '../../src/protocol/frames.ts';
import { type Arrivals, arrivals } from './arrivals.ts';

/** The owner of a link, who answers as told and remembers what came. */
export interface RecordingListener extends LinkListener {
  readonly welcomes: Arrivals<{ readonly welcome: WelcomeFrame; readonly connection: LinkConnection }>;
  readonly jobs: Arrivals<ReceivedJob>;
  readonly unverifieds: Arrivals<SignatureFault>;
  readonly acks: Arrivals<number>;
  readonly syncAnswers: Arrivals<SyncAnswer>;
  readonly losses: Arrivals<true>;
  /** How many times hello was asked for. */
  hellos: number;
  /** What `job` waits for; replaced by tests that hold the disk back, or break it. */
  store: (job: ReceivedJob) => Promise<void>;
  /** The answer of `acknowledged` and `syncAnswered`. */
  wasSent: boolean;
  answer: 'accepted' | 'replaced';
}

export const LEDGER_ID = '6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b';

export function recordingListener(): RecordingListener {
  const listener: RecordingListener = {
    welcomes: arrivals(),
    jobs: arrivals(),
    unverifieds: arrivals(),
    acks: arrivals(),
    syncAnswers: arrivals(),
    losses: arrivals(),
    hellos: 0,
    store: () => Promise.resolve(),
    wasSent: true,
    answer: 'accepted',
    hello() {
      listener.hellos += 1;
      return Promise.resolve({
        type: 'hello' as const,
        connectorId: 'connector-1',
        instanceId: 'instance-1',
        ledgerId: LEDGER_ID,
        nextSeq: listener.hellos,
        version: '0.0.0',
        startedAt: '2026-01-01T00:00:00.000Z',
        capabilities: [],
        directory: null,
      });
    },
    welcomed(welcome, connection) {
      listener.welcomes.push({ welcome, connection });
      return Promise.resolve(listener.answer);
    },
    async job(received) {
      await listener.store(received);
      listener.jobs.push(received);
    },
    unverified(fault) {
      listener.unverifieds.push(fault);
    },
    acknowledged(seq) {
      listener.acks.push(seq);
      return Promise.resolve(listener.wasSent);
    },
    syncAnswered(answer) {
      listener.syncAnswers.push(answer);
      return listener.wasSent;
    },
    lost() {
      listener.losses.push(true);
    },
  };
  return listener;
}
