import type { PlantedBug } from './planted-bug.ts';

/** Faults in the rules of the local policy: who may ask, how long, how many, how fast. */
export const POLICY_BUGS: readonly PlantedBug[] = [
  {
    fault: 'a restart fills every bucket: who makes us crash gets as many grants as they like',
    file: 'src/engine/engine.ts',
    find: 'rates: rates(notes)',
    replace: 'rates: rates([])',
    tests: ['engine/policy.test.ts'],
  },
  {
    fault: 'after a step back of the clock, a bucket is empty until the time of before has come',
    file: 'src/access/rate.ts',
    find: 'Math.min(Math.max(fullAtMs, at), at + perMs)',
    replace: 'Math.max(fullAtMs, at)',
    tests: ['access/rate.test.ts'],
  },
  {
    fault: 'many that come at one time all find room in a group that has room for one',
    file: 'src/engine/admission.ts',
    find: '`room:${pair.group.id}`',
    replace: '`room:${pair.user.id}`',
    tests: ['engine/policy.test.ts'],
  },
  {
    fault: 'a rule lets go of its group once that is renamed',
    file: 'src/engine/named-groups.ts',
    find: 'found: found.get(id) ?? []',
    replace: 'found: []',
    tests: ['engine/group-rules.test.ts', 'engine/policy.test.ts'],
  },
  {
    fault: 'whoever may not ask for a grant may extend one',
    file: 'src/engine/update-grant.ts',
    find: '?? requesterRefusal(parts, { group: entries.group, job: update.job })',
    replace: '?? null',
    tests: ['engine/policy.test.ts'],
  },
  {
    fault: 'a JSON name that stands twice in the policy file is taken as whoever reads it last reads it',
    file: 'src/config/read-policy-file.ts',
    find: 'if (!shape.ok) return',
    replace: 'if (!shape.ok && written === null) return',
    tests: ['config/policy-file.test.ts'],
  },
];
