import { ACCESS_BUGS } from './access-bugs.ts';
import { AUDIT_BUGS } from './audit-bugs.ts';
import { BATCH_BUGS } from './batch-bugs.ts';
import { CHECK_BUGS } from './check-bugs.ts';
import { CONSOLE_BUGS } from './console-bugs.ts';
import { DEPLOYMENT_BUGS } from './deployment-bugs.ts';
import { DRIFT_BUGS } from './drift-bugs.ts';
import { EDGE_BUGS } from './edge-bugs.ts';
import { ENGINE_BUGS } from './engine-bugs.ts';
import { LEDGER_BUGS } from './ledger-bugs.ts';
import { METRICS_BUGS } from './metrics-bugs.ts';
import { NAMESAKE_BUGS } from './namesake-bugs.ts';
import { OPERATOR_BUGS } from './operator-bugs.ts';
import type { PlantedBug } from './planted-bug.ts';
import { POLICY_BUGS } from './policy-bugs.ts';
import { PROTECTION_BUGS } from './protection-bugs.ts';
import { SERVER_BUGS } from './server-bugs.ts';
import { SIGNATURE_BUGS } from './signature-bugs.ts';
import { SYNC_BUGS } from './sync-bugs.ts';

/** Deliberate faults in the product: what each is, where, and which tests must notice it. */
export const BUGS: readonly PlantedBug[] = [
  ...ACCESS_BUGS,
  ...ENGINE_BUGS,
  ...BATCH_BUGS,
  ...LEDGER_BUGS,
  ...AUDIT_BUGS,
  ...EDGE_BUGS,
  ...SERVER_BUGS,
  ...NAMESAKE_BUGS,
  ...CHECK_BUGS,
  ...METRICS_BUGS,
  ...OPERATOR_BUGS,
  ...SYNC_BUGS,
  ...DRIFT_BUGS,
  ...PROTECTION_BUGS,
  ...CONSOLE_BUGS,
  ...POLICY_BUGS,
  ...SIGNATURE_BUGS,
  ...DEPLOYMENT_BUGS,
];
