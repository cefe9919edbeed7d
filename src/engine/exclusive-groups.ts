import { contentHash } from '../access/canonical-json.ts';
import type { EntryId } from '../access/ids.ts';
import type { Others } from '../access/sync.ts';
import { DirectoryError } from '../directory/directory.ts';
import type { EngineParts } from './engine-parts.ts';
import { logTrip, type PolicyTrip, tripRecords } from './policy-trips.ts';

/** Reports who is in a group that a rule calls exclusive, and has no grant. Nobody is taken out. */
export interface ExclusiveGroups {
  /** Those that are known now; rejects where the directory cannot be asked. */
  groups(): Promise<readonly EntryId[]>;
  /** Told once each time that they are others than before, also over restarts. */
  found(others: Others): Promise<void>;
}

const PREFIX = 'exclusive/';
/** Of many, so many are named. */
const NAMED = 10;

export function exclusiveGroups(
  parts: EngineParts,
  { notes, onTold }: { notes: readonly { readonly subject: string; readonly note: string }[]; onTold: () => void },
): ExclusiveGroups {
  const { ledger, time, log, groupRules } = parts;
  const told = new Map(notes.filter(({ subject }) => subject.startsWith(PREFIX)).map(({ subject, note }) => [subject, note]));

  return {
    async groups() {
      await groupRules.resolveAnew(parts.signal);
      return [...groupRules.exclusive().keys()];
    },
    async found(others) {
      const { groupId, userIds, users, outside } = others;
      const rule = groupRules.exclusive().get(groupId);
      if (rule === undefined) return;
      const subject = `${PREFIX}${groupId}`;
      const note = users + outside === 0 ? 'nobody' : contentHash({ userIds, users, outside });
      const before = told.get(subject) ?? 'nobody';
      if (note === before) return;
      const group = await nameOf(() => parts.directory.locateGroup(groupId, parts.signal), groupId);
      const at = time.now();
      if (note === 'nobody') {
        await ledger.tell({ at, notes: [{ subject, note }], audit: [] });
        log.info({ event: 'policy.exclusive-again', groupId }, `${group} has nobody any more who has no grant`);
      } else {
        const trip: PolicyTrip = {
          rule: 'exclusive',
          subject: groupId,
          detail: await detailOf(parts, { ...others, group, rule }),
        };
        const { events, audit } = tripRecords(trip, at);
        const [record] = audit;
        const facts = { ...record.facts, groupId, users, outside, userIds: userIds.slice(0, NAMED) };
        await ledger.tell({ at, notes: [{ subject, note }], events, audit: [{ ...record, facts }] });
        logTrip(log, trip);
        onTold();
      }
      told.set(subject, note);
    },
  };
}

async function detailOf(
  parts: EngineParts,
  { group, rule, userIds, users, outside }: Others & { group: string; rule: string },
): Promise<string> {
  const { directory, signal } = parts;
  const named: string[] = [];
  for (const id of userIds.slice(0, NAMED)) named.push(await nameOf(() => directory.locateUser(id, signal), id));
  const more = users > named.length ? ` and ${users - named.length} more` : '';
  const who = users === 0 ? [] : [`${users} without a grant (${named.join(', ')}${more})`];
  const beyond = outside === 0 ? [] : [`${outside} member values that mean no user in scope`];
  return `${rule} says that nobody but who has a grant may be in ${group}; in it are ${[...who, ...beyond].join(', and ')}. Nobody is taken out: look at each`;
}

/** By its DN where the directory can say it. */
async function nameOf(locate: () => Promise<{ readonly dn: string } | null>, id: EntryId): Promise<string> {
  try {
    const entry = await locate();
    return entry === null ? id : `"${entry.dn}"`;
  } catch (error) {
    if (error instanceof DirectoryError) return id;
    throw error;
  }
}
