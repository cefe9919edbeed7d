import type { Clock } from '../access/clock.ts';
import type { Logger } from '../observability/logger.ts';
import type { ErrorFrame, RefusedFrame } from '../protocol/frames.ts';
import { INVALID_FRAME_WINDOW_MS, MAX_INVALID_FRAMES } from '../protocol/limits.ts';
import { openFrameMeter } from './frame-meter.ts';

/** What either side thinks of the other's frames. */
export interface Refusals {
  /** A frame of the control plane was refused: it is told, logged and counted. `ref` is its job id or SHA-256. */
  refuse(message: string, ref: string, code?: RefusedFrame['code']): void;
  /** The control plane refused a frame of ours. */
  complaint(frame: ErrorFrame): void;
}

/** `abused` is called when 100 frames were refused within a minute. */
export function openRefusals(options: {
  clock: Clock;
  logger: Logger;
  shown: (text: string) => string;
  send: (frame: ErrorFrame) => void;
  abused: (reason: string) => void;
}): Refusals {
  const { clock, logger, shown, send, abused } = options;
  const limits = { limit: MAX_INVALID_FRAMES, windowMs: INVALID_FRAME_WINDOW_MS, clock };
  const refused = openFrameMeter(limits);
  const complaints = openFrameMeter(limits);
  return {
    refuse(message, ref, code = 'invalid_frame') {
      logger.warn(
        { event: 'link.frame-refused', code, ref, problem: shown(message) },
        'a frame of the control plane was refused',
      );
      send({ type: 'error', code, message, ref });
      if (refused.count()) abused(`${MAX_INVALID_FRAMES} refused frames within a minute`);
    },
    complaint({ code, message, ref = '' }) {
      // The log has room for so many a minute; the rest are dropped, since nothing hangs on them.
      if (complaints.count()) return;
      const fields = { event: 'link.peer-error', code: shown(code), problem: shown(message), ref: shown(ref) };
      logger.warn(fields, 'the control plane refused a frame of ours');
    },
  };
}
