import type { PlantedBug } from './planted-bug.ts';

const ATTACKS = ['ledger/audit-verify.test.ts', 'access/audit-chain.test.ts'];
const CONTRACT = ['ledger/ledger-contract.test.ts', 'ledger/ledger-alike.test.ts'];
const COMMITS = ['ledger/audit-commits.test.ts'];

/** Faults of the audit trail: its chain, what verifies it, and what is told of it. */
export const AUDIT_BUGS: readonly PlantedBug[] = [
  {
    fault: 'the hash of an audit record does not cover its number',
    file: 'src/access/audit-chain.ts',
    find: '"record":${record},"seq":${seq}}`',
    replace: '"record":${record}}`',
    also: { find: '.update(`,"seq":${seq}}`)', replace: '.update(`}`)' },
    tests: ['access/audit-chain.test.ts'],
  },
  {
    fault: 'the hash of an audit record does not cover the one before it',
    file: 'src/access/audit-chain.ts',
    find: 'return hash(\'sha256\', `{"previous":"${previous}",',
    replace: 'return hash(\'sha256\', `{"previous":"${previous.slice(64)}",',
    also: {
      find: '.update(`{"previous":"${previous}","record":`)',
      replace: '.update(`{"previous":"${previous.slice(64)}","record":`)',
    },
    tests: ['access/audit-chain.test.ts'],
  },
  {
    fault: 'a column of an audit record may say what its record does not',
    file: 'src/access/audit-chain.ts',
    find: "    ['job_id', row.jobId, read['jobId'] ?? null],\n",
    replace: '',
    tests: ATTACKS,
  },
  {
    fault: 'records that were cut off at the end are not missed',
    file: 'src/access/audit-chain.ts',
    find: 'if (head.count !== ends.head.count || head.hash !== ends.head.hash) return',
    replace: 'if (head.count > ends.head.count) return',
    tests: ATTACKS,
  },
  {
    fault: 'a checkpoint of a record that is no longer there is passed over',
    file: 'src/access/audit-chain.ts',
    find: 'if (checkpoint.count > head.count && !isOfReplaced(checkpoint)) return tailCut(head, checkpoint);',
    replace: 'if (checkpoint.count < 0) return tailCut(head, checkpoint);',
    tests: ATTACKS,
  },
  {
    fault: 'the oldest records may be cut off by anybody, not only by their retention',
    file: 'src/access/audit-chain.ts',
    find: 'if (toldPruned.count !== pruned.count || toldPruned.hash !== pruned.hash) return',
    replace: 'if (toldPruned.count > pruned.count) return',
    tests: ATTACKS,
  },
  {
    fault: 'the verification stops at the first page of the trail, and its end is believed',
    file: 'src/ledger/sqlite/audit-trail.ts',
    find: '    yield* page;\n    after = last.seq;',
    replace: '    yield* page;\n    if (last.seq > 0) return;\n    after = last.seq;',
    tests: ATTACKS,
  },
  {
    fault: 'the chain, and with it a checkpoint, goes on from a record that was never committed',
    file: 'src/ledger/sqlite/audit.ts',
    find: '  let head = readAuditHead(database);',
    replace: '  let head = heads.get(database) ?? readAuditHead(database);',
    also: {
      find: '  writeHead(database, head);\n}',
      replace:
        '  writeHead(database, head);\n  heads.set(database, head);\n}\n\nconst heads = new WeakMap<Database, ChainPoint>();',
    },
    tests: COMMITS,
  },
  {
    fault: 'the retention leaves a gap in the trail',
    file: 'src/ledger/sqlite/audit.ts',
    find: "database.run('DELETE FROM audit WHERE audit_id <= :count', { count });",
    replace: "database.run('DELETE FROM audit WHERE at < :before AND :count > 0', { before, count });",
    tests: CONTRACT,
  },
  {
    fault: 'where the audit trail ends is not told at a stop',
    file: 'src/engine/engine.ts',
    find: "      await safely('audit-checkpoint', checkpoints.tell());\n",
    replace: '',
    tests: ['engine/audit-checkpoints.test.ts'],
  },
  {
    fault: 'the end of the audit trail is told although it has not moved',
    file: 'src/engine/audit-checkpoints.ts',
    find: 'if (count === last) return;',
    replace: 'if (count < last) return;',
    tests: ['engine/audit-checkpoints.test.ts'],
  },
  {
    fault: 'an exported cell is taken for a formula by a spreadsheet',
    file: 'src/cli/audit-lines.ts',
    find: "`'${cell}` : cell",
    replace: 'cell : cell',
    tests: ['cli/audit.test.ts'],
  },
  {
    fault: 'the audit trail is told a secret of the configuration',
    file: 'src/config/told-config.ts',
    find: 'credentials: proxy.credentials === null ? null : SECRET,',
    replace: 'credentials: proxy.credentials,',
    tests: ['config/told-config.test.ts'],
  },
];
