import type { EntryId } from '../access/ids.ts';
import type { EntryRef } from '../access/reference.ts';
import type { Directory } from '../directory/directory.ts';
import type { Logger } from '../observability/logger.ts';
import type { KeptMeanings } from './kept-meanings.ts';
import { foldName, nameKind } from './named-groups.ts';

/** What a group is judged by. */
export interface JudgedGroup {
  readonly id: EntryId;
  readonly dn: string;
  readonly name: string;
  readonly builtIn: string | null;
}

/** The groups that are never granted (LATCHKEY_PROTECTED_GROUPS, and those that rule over a directory). */
export interface ProtectedGroups {
  /** Resolves what is not resolved yet to stable ids; rejects where the directory cannot be asked. */
  resolve(signal: AbortSignal): Promise<void>;
  /** Resolves everything again: a name may mean another group by now. What was protected before stays so. */
  resolveAnew(signal: AbortSignal): Promise<void>;
  /** True where the group is protected by its id, its name now, or its DN now. Only meaningful after a `resolve`. */
  protects(group: Omit<JudgedGroup, 'builtIn'>): boolean;
  /** True where the group rules over its directory and LATCHKEY_UNPROTECTED_GROUPS does not name it. */
  protectsBuiltIn(group: JudgedGroup): boolean;
  /** True where LATCHKEY_UNPROTECTED_GROUPS names it. */
  releases(group: Omit<JudgedGroup, 'builtIn'>): boolean;
  /** True where nothing is configured. */
  readonly onlyByNature: boolean;
  /** Everything that was resolved. */
  ids(): readonly EntryId[];
  /** What was configured and means no group in the directory; null before the first look. */
  unresolved(): readonly string[] | null;
}

/**
 * Each configured DN, name or id is resolved to stable ids, and the ids stay protected through renames. One that means nothing
 * stays refused by its spelling, and is reported.
 */
export function protectedGroups({
  configured,
  unprotected,
  directory,
  kept,
  log,
}: {
  configured: readonly string[];
  unprotected: readonly string[];
  directory: Pick<Directory, 'groupsNamed' | 'locateGroup'>;
  kept: KeptMeanings;
  log: Logger;
}): ProtectedGroups {
  const idsOf = new Map<string, Set<EntryId>>(configured.map((one) => [one, new Set(kept.of(one))]));
  const ids = new Set<EntryId>([...idsOf.values()].flatMap((some) => [...some]));
  const spelled = protectedBySpelling({ configured, unprotected });
  let missing: readonly string[] = [...idsOf.keys()];
  /** Whose absence was told, so that it is told once. */
  let told: ReadonlySet<string> = new Set();
  let asked = false;

  async function look(some: Iterable<string>, signal: AbortSignal): Promise<void> {
    const still: string[] = [];
    for (const one of some) if (!(await isThere(one, signal))) still.push(one);
    missing = still;
    asked = true;
    kept.keep(idsOf);
    for (const one of still) {
      if (told.has(one)) continue;
      log.error(
        { event: 'policy.protected-group-missing', protectedGroup: one },
        `LATCHKEY_PROTECTED_GROUPS names "${one}", which is no group that this account can see; its name stays refused. Correct the name, or give the account the right to read it`,
      );
    }
    told = new Set(still);
  }

  async function isThere(one: string, signal: AbortSignal): Promise<boolean> {
    const groups: readonly EntryRef[] = await directory.groupsNamed(one, signal);
    for (const { id } of groups) {
      ids.add(id);
      idsOf.get(one)?.add(id);
    }
    if (groups.length > 0) return true;
    // Renamed since it was resolved: it is protected by its id.
    for (const id of idsOf.get(one) ?? []) if ((await directory.locateGroup(id, signal)) !== null) return true;
    return false;
  }

  return {
    ...spelled,
    async resolve(signal) {
      if (!asked || missing.length > 0) await look(missing, signal);
    },
    resolveAnew: (signal) => look(idsOf.keys(), signal),
    protects: (group) => ids.has(group.id) || spelled.protects(group),
    ids: () => [...ids],
    unresolved: () => (asked ? missing : null),
  };
}

/**
 * Which groups are protected by the very id, name or DN that the configuration names, or since they rule over the directory: what can
 * be told without asking it.
 */
export function protectedBySpelling({
  configured,
  unprotected,
}: {
  configured: readonly string[];
  unprotected: readonly string[];
}): Pick<ProtectedGroups, 'protects' | 'protectsBuiltIn' | 'releases' | 'onlyByNature'> {
  const names = new Set(configured.map(foldName));
  const released = new Map(unprotected.map((text) => [foldName(text), nameKind(text)]));
  // A name may be any text, so what a group is called releases it only where a name is configured, and no id or DN.
  const releases: ProtectedGroups['releases'] = (group) =>
    (['id', 'dn', 'name'] as const).some((kind) => released.get(foldName(group[kind])) === kind);
  return {
    protects: ({ id, dn, name }) => [id, dn, name].some((one) => names.has(foldName(one))),
    // By what it is called now: whoever renames one of these rules over the directory already.
    protectsBuiltIn: (group) => group.builtIn !== null && !releases(group),
    releases,
    onlyByNature: configured.length === 0,
  };
}
