import { DRIFT_ACTIONS } from '../../access/policy.ts';
import * as values from '../values.ts';
import type { VariableRow } from './row.ts';

/** What is refused, whoever asks. Ending a grant never is. */
export const POLICY = {
  LATCHKEY_MAX_GRANT: {
    value: values.duration('1s', '3650d'),
    default: '7d',
    example: '8h',
    meaning:
      'longest time that one user is kept in one group without a break, over all grants; a job beyond is refused, not shortened',
  },
  LATCHKEY_MAX_PENDING: {
    value: values.duration('1s', '7d'),
    default: '15m',
    example: '5m',
    meaning: 'how long a grant may wait for the directory',
  },
  LATCHKEY_PROTECTED_GROUPS: {
    value: values.groupList,
    unset: 'none',
    example: 'cn=domain-admins,ou=groups,dc=example,dc=com',
    meaning:
      'DNs, names or ids of groups that are never granted, nor any group that is nested in them. One that does not exist makes `/readyz` red',
  },
  LATCHKEY_UNPROTECTED_GROUPS: {
    value: values.groupList,
    unset: 'none',
    example: 'Print Operators',
    meaning:
      'of the groups that rule over an Active Directory (Domain Admins and its like), which are never granted, those that may be all the same',
  },
  LATCHKEY_MAX_GRANTS_PER_MINUTE: {
    value: values.grantsPerMinute,
    default: '600',
    example: '60',
    meaning:
      'new grants and extensions within a minute; a job beyond is refused and says when it may be asked again. Endings never are',
  },
  LATCHKEY_POLICY_FILE: {
    value: values.file,
    unset: 'none',
    example: '/etc/latchkey/policy.json',
    meaning: 'a JSON file with rules for single groups and users: who may ask, how long, how many, how fast (docs/policy.md)',
  },
  LATCHKEY_DRIFT: {
    value: values.oneOf(DRIFT_ACTIONS),
    default: 'report',
    example: 'restore',
    meaning: '`restore`: a membership that vanished under an active grant is written again, and not only told',
  },
} as const satisfies Record<string, VariableRow<unknown>>;
