// A process that migrates a ledger and kills itself at a place in it, for the tests of migrations. It prints "done" where
// it was not killed.
import { openLedgerDatabase } from '../../src/ledger/sqlite/ledger-database.ts';
import { MIGRATION_PLACES } from '../../src/ledger/sqlite/migrations.ts';
import { NO_RESERVE } from './ledgers-under-test.ts';
import { NEXT_MIGRATIONS } from './next-migrations.ts';

const [stateDir, place, count = '1'] = process.argv.slice(2);
if (stateDir === undefined || !MIGRATION_PLACES.some((one) => one === place)) {
  throw new Error('usage: migrating-owner.ts STATE_DIR PLACE COUNT');
}
let left = Number(count);
const opened = openLedgerDatabase({
  stateDir,
  reserve: NO_RESERVE,
  migrations: NEXT_MIGRATIONS,
  passed(passed) {
    if (passed !== place) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, 'SIGKILL');
  },
});
opened.begin();
opened.close();
process.stdout.write('done\n');
