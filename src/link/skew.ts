import type { Logger } from '../observability/logger.ts';

/** Clocks further apart than this are worth a word, in milliseconds. */
export const MAX_SKEW_MS = 60_000;

/** Says that the control plane's clock is far ahead of ours, or behind it; nothing else is ever decided by its time. */
export function reportSkew(skewMs: number, logger: Logger): void {
  if (Math.abs(skewMs) <= MAX_SKEW_MS) return;
  const text = 'the clocks of control plane and connector are more than a minute apart; correct the wrong one (NTP)';
  logger.warn({ event: 'link.clock-skew', skewMs }, text);
}
