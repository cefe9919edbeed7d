import type { CheckStep } from '../access/event.ts';
import type { JobKeysFile } from '../config/config.ts';

/** A step on the keys that jobs must be signed for; none where they need no signature. */
export function jobKeySteps(jobKeys: JobKeysFile | null): readonly CheckStep[] {
  if (jobKeys === null) return [];
  const kids = jobKeys.keys.map(({ kid, alg }) => `${kid} (${alg})`).join(', ');
  const count = jobKeys.keys.length === 1 ? '1 key' : `${jobKeys.keys.length} keys`;
  return [
    {
      step: 'job keys',
      status: 'ok',
      detail: `${count} in ${jobKeys.path}: ${kids}; only jobs signed by one of them are taken (by a connector that runs, once it was sent SIGHUP after a change)`,
    },
  ];
}
