/** The named places at which a crash test kills the process. */
export const FAIL_POINTS = [
  'job.received',
  'job.stored',
  'job.received.sent',
  'grant.resolved',
  'grant.probed-before',
  'grant.intent-stored',
  'grant.modify-answered',
  'grant.probed-after',
  'grant.claimed',
  'end.stored',
  'end.probed-before',
  'end.intent-stored',
  'end.modify-answered',
  'end.probed-after',
  'end.claimed',
  'batch.refused',
  'batch.split',
  'recovery.probed',
  'event.sent',
  'event.acknowledged',
] as const;
export type FailPoint = (typeof FAIL_POINTS)[number];

/** Called as execution passes a named place. `main.ts` passes none; a test entry passes one that kills. */
export type FailPoints = (point: FailPoint) => void;
