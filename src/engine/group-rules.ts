import type { Clock } from '../access/clock.ts';
import {
  type GroupLimits,
  type Limit,
  limitsOf,
  type NamedGroupRule,
  type PolicyRules,
  ruleName,
} from '../access/group-rules.ts';
import type { EntryId } from '../access/ids.ts';
import type { Rate } from '../access/rate.ts';
import { type GroupRef, shownRef } from '../access/reference.ts';
import type { Directory } from '../directory/directory.ts';
import type { Logger } from '../observability/logger.ts';
import type { KeptMeanings } from './kept-meanings.ts';
import { foldName, type KnownGroup, namedGroups } from './named-groups.ts';

/** The rules of the policy file, by the groups that they mean. */
export interface GroupRules {
  /** Resolves what is not resolved yet to stable ids; rejects where the directory cannot be asked. */
  resolve(signal: AbortSignal): Promise<void>;
  /** Resolves everything again, as each sync does. */
  resolveAnew(signal: AbortSignal): Promise<void>;
  /** What binds grants of the group. Only meaningful after a `resolve`. */
  limitsOf(group: KnownGroup): GroupLimits;
  /** Groups that nobody but who has a grant may be in, each with the rule that says so. */
  exclusive(): ReadonlyMap<EntryId, string>;
  /** Of one user, of whatever groups. */
  readonly userRate: Limit<Rate> | null;
  /** The groups of rules that mean no group in the directory; null before the first look. */
  unresolved(): readonly string[] | null;
}

/** A name that means nothing is looked up again, but not with each grant: there may be a thousand of them. */
const LOOK_AGAIN_MS = 60_000;

/** The most specific first: an id means one group for ever, a DN one group at a time, a name whoever has it. */
const ORDER: Record<GroupRef['by'], number> = { id: 0, dn: 1, name: 2 };

/**
 * A rule binds the groups that its reference was found to mean, through renames, and whoever goes by it now. Where several rules bind
 * a group, those of what was found go before those of what it is called, an id before a DN before a name; then comes the default.
 */
export function groupRules({
  rules,
  directory,
  kept,
  clock,
  log,
}: {
  rules: PolicyRules;
  directory: Pick<Directory, 'groupsNamed'>;
  kept: KeptMeanings;
  clock: Clock;
  log: Logger;
}): GroupRules {
  const ordered = rules.groups.toSorted((one, other) => ORDER[one.group.by] - ORDER[other.group.by]);
  const byText = new Map<string, NamedGroupRule[]>();
  for (const rule of ordered) byText.set(shownRef(rule.group), [...(byText.get(shownRef(rule.group)) ?? []), rule]);
  const named = namedGroups({
    configured: [...byText.keys()],
    directory,
    kept,
    onMissing(text) {
      const places = byText.get(text)?.map(({ place }) => ruleName(place)) ?? [];
      log.error(
        { event: 'policy.rule-group-missing', group: text, rules: places },
        `${places.join(', ')} names "${text}", which is no group that this account can see; the rule binds whoever goes by that name. Correct it, or give the account the right to read the group`,
      );
    },
  });
  const rulesOf = (texts: readonly string[]): readonly NamedGroupRule[] =>
    texts.length === 0 ? [] : ordered.filter((rule) => texts.includes(shownRef(rule.group)));
  const byDefault = limitsOf(rules.default === null ? [] : [rules.default]);
  let lookAgainMs = Number.NEGATIVE_INFINITY;

  return {
    async resolve(signal) {
      const nowMs = clock.monotonicMs();
      if (named.unresolved() !== null && nowMs < lookAgainMs) return;
      await named.resolve(signal);
      lookAgainMs = nowMs + LOOK_AGAIN_MS;
    },
    resolveAnew: named.resolveAnew,
    limitsOf(group) {
      if (ordered.length === 0) return byDefault;
      const { found, spelled } = named.meaning(group);
      const goingBy = rulesOf(spelled).filter(({ group: ref }) => goesBy(group, ref));
      return limitsOf([...rulesOf(found), ...goingBy, ...(rules.default === null ? [] : [rules.default])]);
    },
    exclusive: () =>
      new Map(
        [...named.found()].flatMap(([id, texts]): [EntryId, string][] => {
          const { exclusive } = limitsOf(rulesOf(texts));
          return exclusive?.value === true ? [[id, exclusive.rule]] : [];
        }),
      ),
    userRate: rules.userRate,
    unresolved: named.unresolved,
  };
}

/** A name may be any text: one that reads as the id or the DN of another group is not that group. */
function goesBy(group: KnownGroup, ref: GroupRef): boolean {
  return foldName(shownRef(ref)) === foldName(group[ref.by]);
}
