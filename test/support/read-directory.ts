import type { EntryId } from '../../src/access/ids.ts';
import type {
  DirectoryReader,
  FullNeeded,
  ReadEnd,
  ReadGroup,
  ReadSink,
  ReadUser,
} from '../../src/directory/directory-reader.ts';
import { type LdapReaderOptions, openLdapReader } from '../../src/directory/ldap/reader/open-ldap-reader.ts';
import { type DirectoryServer, type LdapDirectoryChanges, ldapDirectoryOptions } from './ldap-directory-under-test.ts';

export type LdapReaderChanges = LdapDirectoryChanges & Partial<LdapReaderOptions>;

/** A reader of a sandbox server, with what a test changes. */
export async function ldapReader(server: DirectoryServer, changes: LdapReaderChanges = {}): Promise<DirectoryReader> {
  const mapping = { fullNameAttribute: null, ownerAttribute: null, managerAttribute: 'manager', placeholder: '', pageSize: 1000 };
  return openLdapReader({ ...(await ldapDirectoryOptions(server, changes)), ...mapping, ...changes });
}

/** All that is known of a directory, as reads have told it. */
export interface Picture {
  readonly users: ReadonlyMap<EntryId, ReadUser>;
  readonly groups: ReadonlyMap<EntryId, ReadGroup & { readonly members: readonly string[] }>;
}

export const NOTHING: Picture = { users: new Map(), groups: new Map() };

/** What one read told, and in which order. */
export interface Heard {
  readonly picture: Picture;
  readonly gone: ReadonlySet<EntryId>;
  readonly present: ReadonlySet<EntryId>;
  readonly kinds: readonly ('user' | 'group' | 'gone')[];
  /** The most values that came at once. */
  readonly longestPart: number;
}

/** A sink that keeps everything; members are sorted, since a server has them in no order. */
export function hearing(room: ReadSink['room'] = () => null): { sink: ReadSink; heard: Heard } {
  const users = new Map<EntryId, ReadUser>();
  const groups = new Map<EntryId, ReadGroup & { members: readonly string[] }>();
  const gone = new Set<EntryId>();
  const present = new Set<EntryId>();
  const kinds: Heard['kinds'][number][] = [];
  let members: string[] = [];
  let longestPart = 0;
  const came = (kind: Heard['kinds'][number]) => void (kinds.at(-1) !== kind && kinds.push(kind));
  return {
    heard: {
      picture: { users, groups },
      gone,
      present,
      kinds,
      get longestPart() {
        return longestPart;
      },
    },
    sink: {
      user(user) {
        came('user');
        users.set(user.id, user);
      },
      members(values) {
        longestPart = Math.max(longestPart, values.length);
        members.push(...values);
      },
      group(group) {
        came('group');
        groups.set(group.id, { ...group, members: members.toSorted() });
        members = [];
      },
      gone(id) {
        came('gone');
        gone.add(id);
      },
      present: (id) => void present.add(id),
      room,
    },
  };
}

export interface Read {
  readonly end: ReadEnd;
  readonly heard: Heard;
  readonly picture: Picture;
}

const never = new AbortController().signal;

export async function readAll(reader: DirectoryReader, signal = never): Promise<Read> {
  const { sink, heard } = hearing();
  const end = await reader.readAll(sink, signal);
  return { end, heard, picture: heard.picture };
}

/** A delta applied to the picture that its cursor stands for; or why there is none. */
export async function readChanges(reader: DirectoryReader, earlier: Read): Promise<Read | FullNeeded> {
  const { sink, heard } = hearing();
  const end = await reader.readChanges(earlier.end.cursor ?? '', sink, never);
  if (end.told === 'full_needed') return end;
  const isThere = (id: EntryId) => (end.told === 'present' ? heard.present.has(id) : !heard.gone.has(id));
  const applied = <Entry>(before: ReadonlyMap<EntryId, Entry>, now: ReadonlyMap<EntryId, Entry>) =>
    new Map([...[...before].filter(([id]) => isThere(id)), ...now]);
  const picture = {
    users: applied(earlier.picture.users, heard.picture.users),
    groups: applied(earlier.picture.groups, heard.picture.groups),
  };
  return { end, heard, picture };
}

/** A picture in one order, to be compared. */
export function shownPicture({ users, groups }: Picture): unknown {
  const sorted = <Entry extends { readonly id: EntryId }>(entries: ReadonlyMap<EntryId, Entry>) =>
    [...entries.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return { users: sorted(users), groups: sorted(groups) };
}
