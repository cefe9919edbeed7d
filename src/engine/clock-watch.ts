import type { Logger } from '../observability/logger.ts';
import type { TrustedClock } from './trusted-clock.ts';

/**
 * Says once when the clock of this machine is not believed any more, and once when it is again. A person who sees every new grant
 * refused finds here since when, and what to do.
 */
export function clockWatch({ time, log }: { time: TrustedClock; log: Logger }): { look(): void } {
  let wasTrusted = true;
  return {
    look() {
      const isTrusted = time.trusted();
      if (isTrusted === wasTrusted) return;
      wasTrusted = isTrusted;
      const aheadMs = time.aheadMs();
      if (isTrusted) log.info({ event: 'clock.trusted', aheadMs }, 'the clock of this machine is believed again');
      else
        log.error(
          { event: 'clock.untrusted', aheadMs },
          'the clock of this machine was set back, or had been ahead: time goes on from the latest that was seen, endings go on, and new grants are refused as "clock_untrusted". Set the clock right, then wait until it has caught up, or say "latchkey clock accept"',
        );
    },
  };
}
