import type { PlantedBug } from './planted-bug.ts';

const LOOKS = ['engine/drift.test.ts'];
const SUSPICIONS = ['sync/suspicions.test.ts'];

/** Faults in what is made of a membership that a sync read to be otherwise than the ledger believes. */
export const DRIFT_BUGS: readonly PlantedBug[] = [
  {
    fault: 'a membership that vanished is told again at each sync while it stays away',
    file: 'src/engine/drift-report.ts',
    find: 'const isNews = !isKnownAbsent(period);',
    replace: 'const isNews = true;',
    tests: LOOKS,
  },
  {
    fault: 'what a sync suspects is told without a look at the directory',
    file: 'src/engine/drift-look.ts',
    find: 'if (found.isThere) return met(parts, found);',
    replace: '',
    tests: LOOKS,
  },
  {
    fault: 'a membership that vanished is restored though its grant is ending',
    file: 'src/engine/drift-look.ts',
    find: "if (grant?.state !== 'active' || grant.expiresAt <= time.now()) return DONE;",
    replace: "if (grant?.state !== 'active' && grant?.state !== 'ending') return DONE;",
    tests: LOOKS,
  },
  {
    fault: 'a membership that vanished is restored whatever scope and policy say by now',
    file: 'src/engine/drift-restore.ts',
    find: 'const denied = (await refusal(parts, { user, group })) ?? (',
    replace: 'const denied = (null as Awaited<ReturnType<typeof refusal>>) ?? (',
    tests: LOOKS,
  },
  {
    fault: 'a membership that was restored counts as standing access, and stays',
    file: 'src/engine/drift-restore.ts',
    find: '{ grant: active, period, intentId, placeholder },',
    replace: '{ grant: { ...active, standing: true }, period: { ...period, standing: true }, intentId, placeholder },',
    tests: LOOKS,
  },
  {
    fault: 'a user whom one session did not find counts as gone, and the grant ends',
    file: 'src/engine/drift-look.ts',
    find: 'return { done: false, afterMs: verdict.againInMs };',
    replace: 'return await whileActive(parts, grantId, (grant) => endGone(parts, grant, { cause: looked.cause, steps }));',
    tests: LOOKS,
  },
  {
    fault: 'the value that a renamed user left behind is forgotten when the new name is followed',
    file: 'src/engine/drift-report.ts',
    find: 'if (found.isNamedBefore) {',
    replace: 'if (found.isNamedBefore && state.grants.length > 99) {',
    tests: LOOKS,
  },
  {
    fault: 'a link to another who took the earlier name counts as the membership of a renamed user',
    file: 'src/engine/drift-look.ts',
    find: 'isNamedBefore ||= occupant === user.id;',
    replace: 'isNamedBefore = true;',
    tests: LOOKS,
  },
  {
    fault: 'what is not in another group, which has the name of one that was renamed meanwhile, counts as vanished',
    file: 'src/engine/drift-look.ts',
    find: 'if ((await directory.locateGroup(group.id, signal))?.dn !== group.dn) return null;',
    replace: '',
    tests: LOOKS,
  },
  {
    fault: 'whoever came back by somebody else is taken out when the grant ends',
    file: 'src/engine/drift-report.ts',
    find: 'standing: isBack ? true : period.standing',
    replace: 'standing: period.standing',
    tests: LOOKS,
  },
  {
    fault: 'all grants that drifted are looked at at once, and the directory has no room for anything else',
    file: 'src/engine/drift.ts',
    find: 'const LOOKS_AT_A_TIME = 4;',
    replace: 'const LOOKS_AT_A_TIME = 100_000;',
    tests: LOOKS,
  },
  {
    fault: 'a delta does not notice that a group of grants has another name',
    file: 'src/sync/changed-groups.ts',
    find: 'run.noteName(group);',
    replace: '',
    tests: SUSPICIONS,
  },
  {
    fault: 'only what was published as a member before is suspected, and not who has come back',
    file: 'src/sync/suspicions.ts',
    find: 'if (there.has(user) !== isExpected) suspected.push(grantId);',
    replace: 'if (!there.has(user) && isExpected) suspected.push(grantId);',
    tests: SUSPICIONS,
  },
];
