import type { LedgerFault } from '../ledger/ledger.ts';
import { EXIT } from './exit-code.ts';

const EXIT_OF_FAULT: Record<LedgerFault, number> = {
  locked: EXIT.unavailable,
  damaged: EXIT.unavailable,
  no_space: EXIT.unavailable,
  newer_schema: EXIT.unavailable,
  wrong_connector: EXIT.configuration,
  conflict: EXIT.internal,
  closed: EXIT.internal,
  failed: EXIT.unavailable,
};

/** The exit code of a command that needs the ledger and cannot have it. */
export function exitOfFault(fault: LedgerFault): number {
  return EXIT_OF_FAULT[fault];
}
