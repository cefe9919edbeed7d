import type { EntryId } from '../../src/access/ids.ts';
import type { MemberAttribute } from '../../src/access/membership.ts';
import type {
  DeltaMeans,
  DirectoryReader,
  FullNeeded,
  ReadEnd,
  ReadGroup,
  ReadSink,
  ReadUser,
} from '../../src/directory/directory-reader.ts';

/** A user of the tree; `container` says whether it is in scope. */
export interface TreeUser {
  readonly id: EntryId;
  name: string;
  container: 'people' | 'elsewhere';
  mail: string;
  uids: string[];
  /** A user's id, which the value follows where values are links; or a text. */
  manager: TreeValue | null;
  enabled: boolean;
  primary: string | null;
}

export interface TreeGroup {
  readonly id: EntryId;
  name: string;
  container: 'groups' | 'elsewhere';
  attribute: MemberAttribute;
  values: TreeValue[];
  owners: TreeValue[];
  primaryName: string | null;
}

/** `to`: whom it names, for servers whose values are links. `text`: as it was written. */
export interface TreeValue {
  readonly to: EntryId | null;
  readonly text: string;
}

/** How a directory of the kind finds changes. `links`: its values follow whom they name, and nothing tells. */
export interface TreeKind {
  readonly told: 'changes' | 'present' | 'all' | 'full_needed';
  readonly links: boolean;
}

/** A directory in memory with a change number for each entry, and the reader of it. */
export interface SyncedTree {
  readonly users: Map<EntryId, TreeUser>;
  readonly groups: Map<EntryId, TreeGroup>;
  /** The entry was changed now. */
  changed(id: EntryId): void;
  dnOf(entry: TreeUser | TreeGroup): string;
  /** As a reader tells the value: null where the link is gone with whom it named. */
  shown(value: TreeValue): string | null;
  readUserOf(user: TreeUser): ReadUser;
  readGroupOf(group: TreeGroup): ReadGroup;
  valuesOf(group: TreeGroup): readonly string[];
  isInScope(id: EntryId): boolean;
  /** Why it cannot be told which groups are nested in protected ones; null where it can. */
  nestingUnknown: string | null;
  readonly reader: DirectoryReader;
}

export function syncedTree(kind: TreeKind): SyncedTree {
  const users = new Map<EntryId, TreeUser>();
  const groups = new Map<EntryId, TreeGroup>();
  const changedAt = new Map<EntryId, number>();
  let number = 0;

  const dnOf = (entry: TreeUser | TreeGroup): string =>
    'uids' in entry ? `uid=${entry.name},ou=${entry.container},dc=example` : `cn=${entry.name},ou=${entry.container},dc=example`;
  const shown = ({ to, text }: TreeValue): string | null => {
    if (!kind.links || to === null) return text;
    const entry = users.get(to) ?? groups.get(to);
    return entry === undefined ? null : dnOf(entry);
  };
  const shownAll = (values: readonly TreeValue[]): string[] => values.flatMap((value) => shown(value) ?? []);
  const isInScope = (id: EntryId): boolean => users.get(id)?.container === 'people' || groups.get(id)?.container === 'groups';
  const readUserOf = (user: TreeUser): ReadUser => ({
    id: user.id,
    dn: dnOf(user),
    username: user.name,
    namedBy: 'attribute',
    fullName: null,
    emails: [user.mail],
    managerDn: user.manager === null ? null : shown(user.manager),
    enabled: user.enabled,
    uids: user.uids,
    primaryGroup: user.primary,
  });
  const readGroupOf = (group: TreeGroup): ReadGroup => ({
    id: group.id,
    dn: dnOf(group),
    name: group.name,
    description: null,
    memberAttribute: group.attribute,
    ownerDns: shownAll(group.owners),
    builtIn: null,
    primaryName: group.primaryName,
  });
  const valuesOf = (group: TreeGroup): readonly string[] =>
    group.attribute === 'memberUid' ? group.values.map(({ text }) => text) : shownAll(group.values);

  async function tell(ids: Iterable<EntryId>, sink: ReadSink): Promise<void> {
    const inScope = [...ids].filter(isInScope);
    for (const id of inScope) {
      const user = users.get(id);
      if (user === undefined) continue;
      sink.user(readUserOf(user));
      await (sink.room() ?? undefined);
    }
    for (const id of inScope) {
      const group = groups.get(id);
      if (group === undefined) continue;
      const values = valuesOf(group);
      for (let from = 0; from < values.length; from += 2) sink.members(values.slice(from, from + 2));
      sink.group(readGroupOf(group));
      await (sink.room() ?? undefined);
    }
  }

  const cursor = (): string | null => (kind.told === 'all' ? null : String(number));
  const means: DeltaMeans = { name: kind.links ? 'uSNChanged' : 'entryCSN', reason: 'a test' };
  const tree: SyncedTree = {
    users,
    groups,
    nestingUnknown: null,
    changed(id) {
      number += 1;
      changedAt.set(id, number);
    },
    dnOf,
    shown,
    readUserOf,
    readGroupOf,
    valuesOf,
    isInScope,
    reader: {
      means: async () => means,
      async readAll(sink) {
        const began = cursor();
        await tell([...users.keys(), ...groups.keys()], sink);
        return { cursor: began, told: 'all' };
      },
      async readChanges(since, sink): Promise<ReadEnd | FullNeeded> {
        if (kind.told === 'full_needed') return { told: 'full_needed', reason: 'the cursor is lost' };
        if (kind.told === 'all') throw new Error('there is no cursor');
        const began = cursor();
        const changed = [...changedAt].filter(([, at]) => at > Number(since)).map(([id]) => id);
        await tell(changed, sink);
        const others = [...users.keys(), ...groups.keys()].filter((id) => isInScope(id) && !changed.includes(id));
        if (kind.told === 'present') for (const id of others) sink.present(id);
        else for (const id of changed) if (!isInScope(id)) sink.gone(id);
        return { cursor: began, told: kind.told };
      },
      async readUsers(ids, sink) {
        await tell(
          ids.filter((id) => users.has(id)),
          sink,
        );
        return undefined;
      },
      async readGroups(ids, sink) {
        await tell(
          ids.filter((id) => groups.has(id)),
          sink,
        );
        return undefined;
      },
      async protectedGroups(rules) {
        const found = new Set([...groups.values()].filter((group) => rules.protects(readGroupOf(group))));
        for (const upper of found)
          for (const { to } of upper.values) {
            const lower = to === null ? undefined : groups.get(to);
            if (lower !== undefined) found.add(lower);
          }
        return { ids: new Set([...found].map(({ id }) => id)), unknown: tree.nestingUnknown };
      },
    },
  };
  return tree;
}

/** The id of an entry that has a number. */
export function treeId(number: number): EntryId {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}` as EntryId;
}

/** A person like any other. */
export function addPerson(tree: SyncedTree, { id, name }: { id: EntryId; name: string }): void {
  tree.users.set(id, {
    id,
    name,
    container: 'people',
    mail: `${name}@example`,
    uids: [name],
    manager: null,
    enabled: true,
    primary: null,
  });
  tree.changed(id);
}
