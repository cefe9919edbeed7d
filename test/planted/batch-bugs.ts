import type { PlantedBug } from './planted-bug.ts';

const LANES = 'src/directory/change-lanes.ts';
const GATHERED = ['directory/gathered-directory.test.ts'];

/** Faults of what is written and asked together. */
export const BATCH_BUGS: readonly PlantedBug[] = [
  {
    fault: 'a refused batch is taken for done',
    file: LANES,
    find: "failPoints('batch.refused');",
    replace:
      'for (const { asked, own } of answers) asked.resolve({ ...own, presences: own.presences.map(() => wanted(asked)) });\n    return;',
    tests: GATHERED,
  },
  {
    fault: 'a refused batch is not split, and its good values wait for ever on the bad one',
    file: LANES,
    find: "if (answer.result === 'ok' || others.length === 0) {",
    replace: 'if (others.length >= 0) {',
    tests: GATHERED,
  },
  {
    fault: 'in a batch each caller is told the presences of another',
    file: LANES,
    find: 'at += asked.probed.length;',
    replace: 'at += 0;',
    tests: GATHERED,
  },
  {
    fault: 'in a probe of many each caller is told the presences of another',
    file: 'src/directory/gathered-directory.ts',
    find: 'at += values.length;',
    replace: 'at += 0;',
    tests: GATHERED,
  },
  {
    fault: 'whoever looks for a group is told of the one that somebody else looked for',
    file: 'src/directory/gathered-directory.ts',
    find: 'keyOf: ({ ref, own }) => JSON.stringify([ref, own]),',
    replace: "keyOf: () => '',",
    tests: GATHERED,
  },
  {
    fault: 'a batch whose answer was lost is taken for not sent',
    file: LANES,
    find: 'limits.unanswered(group, add.length + remove.length);',
    replace: 'Object.assign(error as object, { sent: false });',
    tests: GATHERED,
  },
  {
    fault: 'a batch that was too much for a slow server is asked again as large as it was, for ever',
    file: LANES,
    find: 'limits.unanswered(group, add.length + remove.length);',
    replace: '',
    tests: GATHERED,
  },
  {
    fault: 'a part of a split that fails takes the other parts with it',
    file: LANES,
    find: 'for (const { reject } of part) reject(error);',
    replace: 'for (const { reject } of part) reject(error);\n      throw error;',
    tests: GATHERED,
  },
  {
    fault: 'additions go before the removals that wait',
    file: LANES,
    find: "lane.find(({ change }) => kindOf(change) === 'remove') ?? lane[0]",
    replace: "lane.find(({ change }) => kindOf(change) === 'add') ?? lane[0]",
    tests: GATHERED,
  },
  {
    fault: 'a member that takes the place of a placeholder goes into one modify with others',
    file: LANES,
    find: "if (add.length === 0) return 'remove';",
    replace: "if (add.length === 0 || remove.length > 0) return 'remove';",
    tests: GATHERED,
  },
  {
    fault: 'a modify has no bound, and the writer cuts what is too long for it',
    file: 'src/directory/batch.ts',
    find: 'bytes > MOST_BYTES',
    replace: 'bytes < 0',
    tests: GATHERED,
  },
  {
    fault: 'one name in two spellings comes twice in one modify',
    file: 'src/directory/ldap/probe.ts',
    find: 'const key = name?.ok ? foldDn(name.value) : value;',
    replace: "const key = name?.ok ? value : '';",
    tests: ['directory/openldap.live.ts'],
    only: 'a value that comes twice is written once',
  },
  {
    fault: 'a probe of many takes "unknown" for absent',
    file: 'src/directory/ldap/probe.ts',
    find: "return values.map(() => 'unknown');",
    replace: "return values.map(() => 'absent');",
    tests: ['directory/openldap.live.ts'],
    only: 'says nothing',
  },
  {
    fault: 'a probe of many asks only whether no value is absent, as an attribute that is hidden says too',
    file: 'src/directory/ldap/probe.ts',
    find: 'all: matching === 1 && against === 0',
    replace: 'all: against === 0',
    tests: ['directory/openldap.live.ts'],
    only: 'says nothing',
  },
  {
    fault: 'a modify whose probe was not answered is reported as never sent',
    file: 'src/directory/ldap/probe.ts',
    find: 'sent: result !== null',
    replace: 'sent: false',
    tests: ['directory/ldap/probe.test.ts'],
  },
];
