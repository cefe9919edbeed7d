import type { PlantedBug } from './planted-bug.ts';

const NESTED = ['engine/nested-groups.test.ts'];

/** Faults in what is made of groups that are nested in protected ones, and of groups that become protected. */
export const PROTECTION_BUGS: readonly PlantedBug[] = [
  {
    fault: 'a group is granted that is nested in a group which the configuration protects',
    file: 'src/engine/protection.ts',
    find: 'protectedGroups.protects(above) || (!isReleased',
    replace: '(!isReleased',
    tests: NESTED,
  },
  {
    fault: 'a group is granted that is nested in a group which rules over the directory',
    file: 'src/engine/protection.ts',
    find: '(!isReleased && protectedGroups.protectsBuiltIn(above))',
    replace: 'isReleased',
    tests: NESTED,
  },
  {
    fault: 'a group is granted though whether it is nested in a protected one cannot be told',
    file: 'src/engine/protection.ts',
    find: 'await directory.protectorOf(asked, signal);',
    replace: 'await directory.protectorOf(asked, signal).catch(() => null);',
    tests: NESTED,
  },
  {
    fault: 'whether a grant is in a protected group that hides its members is taken for no',
    file: 'src/engine/protection.ts',
    find: 'mustBeTold: protectedGroups.ids()',
    replace: 'mustBeTold: []',
    tests: NESTED,
  },
  {
    fault: 'a group that has become protected is told again with each grant of it that ends',
    file: 'src/engine/protection-watch.ts',
    find: '!told.has(group.id);\n',
    replace: 'told.size >= 0;\n',
    tests: NESTED,
  },
  {
    fault: 'grants of a group that cannot be judged end as if it had become protected',
    file: 'src/engine/protection-watch.ts',
    find: 'await protectionOf(parts, group);',
    replace: "await protectionOf(parts, group).catch(() => 'unknown');",
    tests: NESTED,
  },
  {
    fault: 'a name that means another group since protects only the one that it meant first',
    file: 'src/engine/protected-groups.ts',
    find: 'resolveAnew: (signal) => look(idsOf.keys(), signal),',
    replace: 'resolveAnew: (signal) => look(missing, signal),',
    tests: ['engine/parts.test.ts'],
  },
  {
    fault: 'a nesting is walked as far up as it goes and no further than one level',
    file: 'src/directory/ldap/nesting.ts',
    find: 'rising = [...fresh, ...named.filter((one) => !stale.includes(one))];',
    replace: 'rising = [];',
    tests: ['directory/ldap/nesting.test.ts'],
  },
  {
    fault: 'a group above that says nothing of itself is taken for none',
    file: 'src/directory/ldap/nesting.ts',
    find: "if (presences.some((presence) => presence !== 'absent'))",
    replace: "if (presences.some((presence) => presence === 'member'))",
    tests: ['directory/ldap/nesting.test.ts'],
  },
  {
    fault: 'of the groups that are nested in protected ones a sync tells the first level alone',
    file: 'src/directory/ldap/reader/nested-groups.ts',
    find: 'for (const upper of found) for',
    replace: 'for (const upper of uppers) for',
    tests: ['directory/ldap/nesting.test.ts'],
  },
  {
    fault: 'every group counts as not protected where it cannot be told which are nested',
    file: 'src/sync/protection.ts',
    find: 'told.unknown !== null || told.ids.has(group.id)',
    replace: 'told.ids.has(group.id)',
    tests: ['sync/protection.test.ts'],
  },
  {
    fault: 'a delta tells nothing of groups that are protected since, or no longer, without a change of their own',
    file: 'src/sync/changes.ts',
    find: 'affected.add(id);',
    replace: 'void id;',
    tests: ['sync/protection.test.ts'],
  },
  {
    fault: 'the way up through nested groups may take as long as it likes, and an ending waits for it',
    file: 'src/directory/ldap/nesting.ts',
    find: 'AbortSignal.any([signal, late.signal])',
    replace: 'signal',
    tests: ['engine/liveness.test.ts', 'directory/ldap/nesting.test.ts'],
  },
];
