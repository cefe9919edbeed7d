import assert from 'node:assert/strict';
import type { SyncCounts, SyncMode, SyncRecord } from '../../src/access/sync.ts';
import { type SyncChannel, SyncChannelError } from '../../src/sync/channel.ts';

/** What a control plane knows of a directory: records by id, and of each group its members with their source. */
export interface ReceivedPicture {
  readonly users: ReadonlyMap<string, string>;
  readonly groups: ReadonlyMap<string, string>;
  readonly members: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

interface Draft {
  readonly users: Map<string, string>;
  readonly groups: Map<string, string>;
  readonly members: Map<string, Map<string, string>>;
}

/** A control plane in memory: it takes streams as PROTOCOL says, and breaks as it is told to. */
export interface SyncedReceiver {
  readonly channel: SyncChannel;
  picture(): ReceivedPicture;
  counts(): SyncCounts | null;
  /** How the last stream began. */
  last(): { mode: SyncMode; records: number } | null;
  /** The connection of the next stream is lost at that page, or (`end`) before or after the end was stored. */
  loseNext(at: number | 'before_end' | 'after_end'): void;
  aborted(): readonly string[];
  /** It has lost its picture. */
  forget(): void;
}

const ORDER: Record<SyncRecord['record'], number> = { user: 0, group: 1, members: 2, gone: 3 };

export function syncedReceiver(): SyncedReceiver {
  let picture: Draft = { users: new Map(), groups: new Map(), members: new Map() };
  let cursor: string | null = null;
  let counts: SyncCounts | null = null;
  let last: { mode: SyncMode; records: number } | null = null;
  let loss: number | 'before_end' | 'after_end' | null = null;
  const aborted: string[] = [];

  const lost = (): SyncChannelError => {
    loss = null;
    return new SyncChannelError('lost', 'the connection was lost');
  };

  return {
    picture: () => picture,
    counts: () => counts,
    last: () => last,
    loseNext(at) {
      loss = at;
    },
    aborted: () => aborted,
    forget() {
      picture = emptyDraft();
      cursor = null;
      counts = null;
    },
    channel: {
      async begin({ mode, baseCursor }) {
        if (mode === 'delta' && baseCursor !== cursor) throw new SyncChannelError('refused', 'another base is known');
        const draft: Draft = mode === 'full' ? emptyDraft() : copied(picture);
        const told = { mode, records: 0 };
        let order = 0;
        let pages = 0;
        return {
          async page(records) {
            pages += 1;
            assert.ok(records.length > 0 && records.length <= 500);
            if (loss === pages) throw lost();
            for (const text of records) {
              const record = JSON.parse(text) as SyncRecord;
              assert.ok(ORDER[record.record] >= order, 'the order of a stream');
              order = ORDER[record.record];
              told.records += 1;
              apply(draft, record);
            }
          },
          async end(end) {
            if (loss === 'before_end') throw lost();
            picture = draft;
            cursor = end.cursor;
            counts = end.counts;
            last = told;
            if (loss === 'after_end') throw lost();
          },
          abort: (error) => void aborted.push(error.code),
        };
      },
    },
  };
}

function apply(draft: Draft, record: SyncRecord): void {
  switch (record.record) {
    case 'user':
      draft.users.set(record.id, JSON.stringify(record));
      return;
    case 'group':
      draft.groups.set(record.id, JSON.stringify(record));
      if (!draft.members.has(record.id)) draft.members.set(record.id, new Map());
      return;
    case 'members': {
      const members = draft.members.get(record.groupId);
      assert.ok(members !== undefined, 'members of a group that is not known');
      for (const id of record.remove) assert.ok(members.delete(id), 'a member leaves who was none');
      for (const member of record.add) {
        assert.ok(draft.users.has(member.userId), 'a member who is no user');
        members.set(member.userId, member.source === 'grant' ? member.grantId : 'standing');
      }
      return;
    }
    case 'gone': {
      const entries = record.entity === 'user' ? draft.users : draft.groups;
      assert.ok(entries.delete(record.id), 'an entry goes that was not known');
      if (record.entity === 'group') draft.members.delete(record.id);
      else for (const members of draft.members.values()) assert.ok(!members.has(record.id), 'a user goes who is a member still');
      return;
    }
    default:
      record satisfies never;
  }
}

function emptyDraft(): Draft {
  return { users: new Map(), groups: new Map(), members: new Map() };
}

function copied({ users, groups, members }: ReceivedPicture): Draft {
  return {
    users: new Map(users),
    groups: new Map(groups),
    members: new Map([...members].map(([id, those]) => [id, new Map(those)])),
  };
}
