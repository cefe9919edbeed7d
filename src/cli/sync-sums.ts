import type { SyncCounts, SyncMode, SyncRecord, ToldSync } from '../access/sync.ts';

/** What the records of a stream say, in numbers. */
export interface SyncSums {
  readonly add: (record: SyncRecord) => void;
  /** What a sync would do, as a clause. */
  readonly wouldDo: (mode: SyncMode) => string;
}

export function syncSums(): SyncSums {
  const told = { users: 0, groups: 0, memberships: 0 };
  const removed = { users: 0, groups: 0, memberships: 0 };
  return {
    add(record) {
      switch (record.record) {
        case 'user':
          told.users += 1;
          return;
        case 'group':
          told.groups += 1;
          return;
        case 'members':
          told.memberships += record.add.length;
          removed.memberships += record.remove.length;
          return;
        case 'gone':
          if (record.entity === 'user') removed.users += 1;
          else removed.groups += 1;
          return;
        default:
          record satisfies never;
      }
    },
    wouldDo: (mode) =>
      mode === 'full' ? `tell everything: ${counted(told)}` : `add or change ${counted(told)}, and remove ${counted(removed)}`,
  };
}

/** What is in the directory, as a sentence of numbers. */
export function counts(there: SyncCounts): string {
  return `${counted(there)}; ${number(there.membersOutOfScope, 'member')} out of scope`;
}

/** What the control plane was told, for a person. */
export function toldSync({ syncId, mode, counts: scope, changed, removed }: ToldSync): string {
  const did = `${changed === 0 ? 'nothing' : changed} added or changed, ${removed === 0 ? 'nothing' : removed} removed`;
  return `${mode} ${syncId}: ${did}; the control plane has ${counted(scope)}`;
}

function counted({ users, groups, memberships }: { users: number; groups: number; memberships: number }): string {
  return `${number(users, 'user')}, ${number(groups, 'group')} and ${number(memberships, 'membership')}`;
}

function number(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
