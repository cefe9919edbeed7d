import { foldDn, parseDn } from '../access/dn.ts';
import { type EntryId, parseEntryId } from '../access/ids.ts';
import type { GroupRef } from '../access/reference.ts';
import type { Directory } from '../directory/directory.ts';
import type { KeptMeanings } from './kept-meanings.ts';

/** A group as it is known now. */
export interface KnownGroup {
  readonly id: EntryId;
  readonly dn: string;
  readonly name: string;
}

/** Groups that a configuration names: a DN, a name or an id, each of which may mean several. */
export interface NamedGroups {
  /** Looks up what is not known yet; rejects where the directory cannot be asked. */
  resolve(signal: AbortSignal): Promise<void>;
  /** Looks up everything: a name may mean another group by now, too. */
  resolveAnew(signal: AbortSignal): Promise<void>;
  /**
   * Of the texts, those that mean the group: `found` by the stable id that they were found to mean once, whatever it is called now;
   * `spelled` by its name or DN of now. Each in the order of the configuration.
   */
  meaning(group: KnownGroup): { readonly found: readonly string[]; readonly spelled: readonly string[] };
  /** Every group that a text was found to mean, with those texts. */
  found(): ReadonlyMap<EntryId, readonly string[]>;
  /** Those that mean no group; null before the first look. */
  unresolved(): readonly string[] | null;
}

/** Each text is looked up until it means something, and from then on means those groups, through renames. */
export function namedGroups({
  configured,
  directory,
  kept,
  onMissing,
}: {
  configured: readonly string[];
  directory: Pick<Directory, 'groupsNamed'>;
  kept: KeptMeanings;
  /** Told once, after the first look, of each that means no group. */
  onMissing: (text: string) => void;
}): NamedGroups {
  const found = new Map<EntryId, string[]>();
  const idsOf = new Map<string, EntryId[]>();
  const spelled = new Map<string, string[]>();
  for (const text of configured) {
    add(spelled, foldName(text), text);
    for (const id of kept.of(text)) meet(id, text);
  }
  let missing = [...configured];
  let asked = false;

  function meet(id: EntryId, text: string): void {
    add(found, id, text);
    add(idsOf, text, id);
  }

  /** Renamed since it was found: it is known by its id. */
  async function isThere(text: string, signal: AbortSignal): Promise<boolean> {
    for (const id of idsOf.get(text) ?? []) if ((await directory.groupsNamed(id, signal)).length > 0) return true;
    return false;
  }

  async function look(texts: readonly string[], signal: AbortSignal): Promise<void> {
    const still: string[] = [];
    for (const text of texts) {
      const groups = await directory.groupsNamed(text, signal);
      for (const { id } of groups) meet(id, text);
      if (groups.length === 0 && !(await isThere(text, signal))) still.push(text);
    }
    kept.keep(texts.map((text) => [text, idsOf.get(text) ?? []]));
    if (!asked) for (const text of still) onMissing(text);
    missing = still;
    asked = true;
  }

  return {
    async resolve(signal) {
      if (!asked || missing.length > 0) await look(missing, signal);
    },
    resolveAnew: (signal) => look(configured, signal),
    meaning: ({ id, dn, name }) => ({
      found: found.get(id) ?? [],
      spelled: [...new Set([id, dn, name].flatMap((one) => spelled.get(foldName(one)) ?? []))],
    }),
    found: () => found,
    unresolved: () => (asked ? missing : null),
  };
}

/** Two looks at one time may find the same. */
function add<K, V>(lists: Map<K, V[]>, key: K, one: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [one]);
  else if (!list.includes(one)) list.push(one);
}

/** Names and DNs compare without case and spelling; a text with `=` that reads as a DN is one. */
export function foldName(text: string): string {
  const dn = text.includes('=') ? parseDn(text) : undefined;
  return dn?.ok === true ? foldDn(dn.value) : text.trim().toLowerCase();
}

/** How a configured text names a group. */
export function nameKind(text: string): GroupRef['by'] {
  if (parseEntryId(text).ok) return 'id';
  return text.includes('=') && parseDn(text).ok ? 'dn' : 'name';
}
