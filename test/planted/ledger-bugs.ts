import type { PlantedBug } from './planted-bug.ts';

const CONTRACT = ['ledger/ledger-contract.test.ts', 'ledger/sqlite-ledger.test.ts', 'ledger/ledger-alike.test.ts'];
const DAMAGE = ['ledger/damage.live.ts'];

/** Faults of the ledger: its commits, its file, and the space that is set aside for endings. */
export const LEDGER_BUGS: readonly PlantedBug[] = [
  {
    fault: 'a commit is reported before it is on disk',
    file: 'src/ledger/sqlite/ledger-database.ts',
    find: 'PRAGMA synchronous = FULL',
    replace: 'PRAGMA synchronous = OFF',
    tests: ['ledger/sqlite-ledger.test.ts'],
  },
  {
    fault: 'a work is reported as written before its commit: ack before commit',
    file: 'src/ledger/sqlite/commit-queue.ts',
    find: 'hooks.sealing();',
    replace: 'for (const settle of settlements) settle();\n        hooks.sealing();',
    tests: ['ledger/commit-queue.test.ts'],
  },
  {
    fault: 'a work is reported as written although its commit failed',
    file: 'src/ledger/sqlite/commit-queue.ts',
    find: 'if (failure !== null) queued.reject(failure);',
    replace: 'void failure;',
    tests: ['ledger/commit-queue.test.ts', 'ledger/sqlite-ledger.test.ts'],
  },
  {
    fault: 'an acknowledgement deletes events that nobody was told',
    file: 'src/ledger/sqlite/events.ts',
    find: "database.run('DELETE FROM events WHERE seq <= :seq', { seq });",
    replace: "database.run('DELETE FROM events WHERE seq <= :seq + 1', { seq });",
    tests: CONTRACT,
  },
  {
    fault: 'a grant that is over may become active again',
    file: 'src/ledger/sqlite/grants.ts',
    find: '  ended: [],',
    replace: "  ended: ['active', 'ending'],",
    tests: CONTRACT,
  },
  {
    fault: 'the high-water mark of time goes back',
    file: 'src/ledger/sqlite/identity.ts',
    find: "'UPDATE identity SET clock_mark = :mark WHERE clock_mark <= :mark'",
    replace: "'UPDATE identity SET clock_mark = :mark'",
    tests: CONTRACT,
  },
  {
    fault: 'under the permission model, which takes fsync away, what must be durable is only written',
    file: 'src/ledger/sqlite/durable.ts',
    find: 'flags | constants.O_DSYNC',
    replace: 'flags',
    tests: ['ledger/durable.live.ts'],
  },
  {
    fault: 'two processes own one ledger',
    file: 'src/ledger/sqlite/owner-lock.ts',
    find: 'PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE',
    replace: 'PRAGMA journal_mode = MEMORY',
    tests: ['ledger/sqlite-ledger.test.ts'],
  },
  {
    fault: 'the reserve of the disk is never made again',
    file: 'src/ledger/sqlite/reserve.ts',
    find: 'space() {\n      refill();',
    replace: 'space() {',
    tests: ['ledger/reserve.test.ts'],
  },
  {
    fault: 'all of the reserve is given to endings, and nothing is left for a start on a full disk',
    file: 'src/ledger/sqlite/reserve.ts',
    find: 'giveDownTo((FOR_OPENING * bytes) / PORTIONS)',
    replace: 'giveDownTo(0)',
    tests: ['ledger/reserve.test.ts'],
  },
  {
    fault: 'a ledger that lost its latest commits is believed',
    file: 'src/ledger/sqlite/open-sqlite-ledger.ts',
    find: 'if (known.commits > commits) return',
    replace: 'if (known.commits < 0) return',
    tests: DAMAGE,
    only: 'a missing file is told',
  },
  {
    fault: 'a copy that was put back without its checksums is believed',
    file: 'src/ledger/sqlite/open-sqlite-ledger.ts',
    find: 'if (known === null) return',
    replace: 'if (known === undefined) return',
    also: { find: 'if (known.commits > commits)', replace: 'if (known !== null && known.commits > commits)' },
    tests: DAMAGE,
    only: 'a missing file is told',
  },
  {
    fault: 'a page of which a bit flipped is believed',
    file: 'src/ledger/sqlite/page-sums.ts',
    find: 'if (!possible.settled && !possible.latest) throw',
    replace: 'if (page < 0) throw',
    tests: DAMAGE,
    only: 'ledger.db: a byte flipped|random bits',
  },
  {
    fault: 'a ledger whose file is missing beside its log is taken for a new one',
    file: 'src/ledger/sqlite/ledger-database.ts',
    find: 'if (!isThere && known !== null && known.commits > 0 &&',
    replace: 'if (!isThere && known === null &&',
    tests: DAMAGE,
    only: 'a missing file is told',
  },
];
