import type { FailPoints } from '../access/fail-point.ts';
import type { Logger } from '../observability/logger.ts';
import type { ReceivedJob } from '../protocol/frames.ts';
import { MAX_UNSTORED_JOBS } from '../protocol/limits.ts';
import type { LinkListener } from './link.ts';
import type { Outgoing } from './outgoing.ts';

/** Reading goes on once so few are left; the gap keeps the socket from being stopped and started at every job. */
const RESUME_BELOW = MAX_UNSTORED_JOBS / 2;

/** What was received and goes to the disk. Neither method rejects. */
export interface Intake {
  store(received: ReceivedJob): Promise<void>;
  /** `ref` names the frame where it has to be refused. */
  acknowledge(seq: number, ref: string): Promise<void>;
}

/**
 * Hands jobs and acknowledgements to the owner of the link, and confirms a job once it is stored. Both wait for the same disk,
 * so they are counted together: `full` is called when 1,000 wait, `drained` when fewer than 500 do.
 */
export function openIntake(options: {
  listener: LinkListener;
  logger: Logger;
  failPoints: FailPoints | undefined;
  takesJobs: () => boolean;
  outgoing: Outgoing;
  refuse: (message: string, ref: string) => void;
  full: () => void;
  drained: () => void;
}): Intake {
  const { listener, logger, failPoints, takesJobs, outgoing, refuse, full, drained } = options;
  let waiting = 0;

  function begin(): void {
    waiting += 1;
    if (waiting >= MAX_UNSTORED_JOBS) full();
  }

  function finish(): void {
    waiting -= 1;
    if (waiting < RESUME_BELOW) drained();
  }

  return {
    async store(received) {
      failPoints?.('job.received');
      const { jobId, traceparent } = received;
      if (!takesJobs()) return;
      begin();
      try {
        await listener.job(received);
        outgoing.send(JSON.stringify({ type: 'job.received', jobId }), () => failPoints?.('job.received.sent'));
      } catch (error) {
        const text = 'a job could not be stored; the control plane will send it again';
        logger.error({ event: 'link.job-not-stored', jobId, traceparent, problem: problemOf(error) }, text);
      } finally {
        finish();
      }
    },
    async acknowledge(seq, ref) {
      begin();
      try {
        if (!(await listener.acknowledged(seq))) refuse(`ack of seq ${seq}, which was never sent`, ref);
      } catch (error) {
        const text = 'an acknowledgement could not be stored; its events will be sent again';
        logger.error({ event: 'link.ack-not-stored', seq, problem: problemOf(error) }, text);
      } finally {
        finish();
      }
    },
  };
}

/** What an error of our own side says. */
export function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
