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
  {
    fault: 'a group that was renamed is no longer protected, nor bound by its rule, after a restart',
    file: 'src/engine/engine.ts',
    find: 'keptMeanings({ notes,',
    replace: 'keptMeanings({ notes: [],',
    tests: ['engine/nested-groups.test.ts', 'engine/policy.test.ts'],
  },
  {
    fault: 'an extension is held to its notAfter when its attempt begins, and not when it is made',
    file: 'src/engine/update-grant.ts',
    find: 'expired(parts, attempt) ?? pausedRefusal(parts)',
    replace: 'pausedRefusal(parts)',
    tests: ['engine/extensions.test.ts'],
  },
  {
    fault: 'the folder of the groups passes for a protected group, and protects none',
    file: 'src/directory/ldap/locate.ts',
    find: 'classes.length === 0 ||',
    replace: 'classes.length >= 0 ||',
    tests: ['directory/ldap/groups-named.test.ts'],
  },
  {
    fault: 'a value of .env is cut at a # without a word',
    file: 'src/config/dotenv.ts',
    find: '!QUOTED.test(value) && CUT.test(value)',
    replace: 'false',
    tests: ['config/load-config.test.ts'],
  },
  {
    fault: 'what an open quote of .env takes out of other lines is a value',
    file: 'src/config/dotenv.ts',
    find: 'Reflect.deleteProperty(variables, name);',
    replace: '',
    tests: ['config/dotenv.test.ts'],
  },
  {
    fault: 'a quote of .env that is left open is a part of the name of a protected group',
    file: 'src/config/dotenv.ts',
    find: 'OPENING.test(value) && !QUOTED.test(value)',
    replace: 'false',
    tests: ['config/dotenv.test.ts'],
  },
];
