import type { FailPoints } from '../access/fail-point.ts';
import type { SignatureFault } from '../access/signature-fault.ts';
import type { Logger } from '../observability/logger.ts';
import type { ReceivedJob, RefusedFrame } from '../protocol/frames.ts';
import { MAX_UNSTORED_JOBS } from '../protocol/limits.ts';
import type { VerifyJob } from './job-signatures.ts';
import type { LinkListener } from './link.ts';
import type { Outgoing } from './outgoing.ts';

/** Reading goes on once so few are left; the gap keeps the socket from being stopped and started at every job. */
const RESUME_BELOW = MAX_UNSTORED_JOBS / 2;

/** Characters of a signed job that count as much as a job that is stored: those that wait take 8 MB at most. */
const JWS_WEIGHT = 8_192;

/** What was received and goes to the disk. No method rejects. */
export interface Intake {
  store(received: ReceivedJob): Promise<void>;
  /** Verifies a job and stores it, after all that came before it. `ref` names the frame where it has to be refused. */
  storeSigned(jws: string, ref: string): Promise<void>;
  /** `ref` names the frame where it has to be refused. */
  acknowledge(seq: number, ref: string): Promise<void>;
}

/**
 * Hands jobs and acknowledgements to the owner of the link, and confirms a job once it is stored. Both wait for the same disk,
 * so they are counted together: `full` is called when 1,000 wait, `drained` when fewer than 500 do.
 *
 * Signed jobs are verified one at a time, in the order in which they came: a revoke must not be overtaken by its grant. A job
 * without a signature has no such queue, since either all jobs are signed or none is taken that is.
 */
export function openIntake(options: {
  listener: LinkListener;
  logger: Logger;
  failPoints: FailPoints | undefined;
  takesJobs: () => boolean;
  /** Null where no signed job can be verified. */
  verifyJob: VerifyJob | null;
  /** The connection is of no use any more: what is not verified yet will be delivered again. */
  isLost: () => boolean;
  outgoing: Outgoing;
  refuse: (message: string, ref: string, code?: RefusedFrame['code']) => void;
  full: () => void;
  drained: () => void;
}): Intake {
  const { listener, logger, failPoints, takesJobs, verifyJob, isLost, outgoing, refuse, full, drained } = options;
  let waiting = 0;
  let verifying: Promise<void> = Promise.resolve();

  function begin(weight = 1): void {
    waiting += weight;
    if (waiting >= MAX_UNSTORED_JOBS) full();
  }

  function finish(weight = 1): void {
    waiting -= weight;
    if (waiting < RESUME_BELOW) drained();
  }

  function refuseSignature(fault: SignatureFault, message: string, ref: string): void {
    listener.unverified(fault);
    refuse(message, ref, 'signature_invalid');
  }

  async function storeVerified(jws: string, ref: string): Promise<void> {
    if (verifyJob === null || isLost() || !takesJobs()) return;
    const verified = await verifyJob(jws);
    if (isLost()) return;
    if (verified.ok) void storeReceived(verified.received);
    else if (verified.fault === null) refuse(verified.message, ref);
    else refuseSignature(verified.fault, verified.message, ref);
  }

  async function storeReceived(received: ReceivedJob): Promise<void> {
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
  }

  return {
    async store(received) {
      if (verifyJob === null) return await storeReceived(received);
      const message = 'only signed jobs are taken (LATCHKEY_JOB_KEYS_FILE is set)';
      refuseSignature('unsigned', message, received.jobId);
    },
    async storeSigned(jws, ref) {
      if (verifyJob === null) {
        const message = 'a signed job cannot be verified: no keys are configured (LATCHKEY_JOB_KEYS_FILE)';
        return refuseSignature('no_keys', message, ref);
      }
      const weight = 1 + Math.floor(jws.length / JWS_WEIGHT);
      begin(weight);
      verifying = verifying.then(() => storeVerified(jws, ref)).finally(() => finish(weight));
      await verifying;
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
