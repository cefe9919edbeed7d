import { MAX_UNSTORED_JOBS } from '../protocol/limits.ts';

/** Reading goes on once so few are left; the gap keeps the socket from being stopped and started at every job. */
const RESUME_BELOW = MAX_UNSTORED_JOBS / 2;

/** What was received and waits for the disk: jobs, and acknowledgements, which wait for the same one. */
export interface Backlog {
  begin(): void;
  finish(): void;
}

/** Counts; `full` is called at 1,000, `drained` below 500. */
export function openBacklog({ full, drained }: { full: () => void; drained: () => void }): Backlog {
  let unstored = 0;
  return {
    begin() {
      unstored += 1;
      if (unstored >= MAX_UNSTORED_JOBS) full();
    },
    finish() {
      unstored -= 1;
      if (unstored < RESUME_BELOW) drained();
    },
  };
}
