import * as values from '../values.ts';
import type { VariableRow } from './row.ts';

/** When the control plane is told what is in the directory. */
export const SYNC = {
  SYNC_SCHEDULE: {
    value: values.schedule,
    default: 'hourly',
    example: '*/15 * * * *',
    meaning:
      'when changes are told: `off`, `hourly`, `daily`, or a cron expression of five fields (six: seconds first). A run begins up to a twentieth of its interval later, and never while one lasts',
  },
  SYNC_FULL_SCHEDULE: {
    value: values.schedule,
    default: 'daily',
    example: '30 2 * * *',
    meaning: 'when everything is read and told; likewise',
  },
  SYNC_TIMEZONE: {
    value: values.timezone,
    default: 'UTC',
    example: 'Europe/Berlin',
    meaning: 'of both schedules',
  },
  SYNC_MAX_REMOVED: {
    value: values.percentage,
    default: '30%',
    example: '10%',
    meaning:
      'a sync that would remove more of the users, groups or memberships that were told last, and more than 10, is held, and makes `/readyz` red; so is one in which nobody has a username, full name, e-mail address, manager, uid, description or owner any more that at least 5 had, whatever the share',
  },
} as const satisfies Record<string, VariableRow<unknown>>;
