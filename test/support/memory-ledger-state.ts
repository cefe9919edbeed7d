import type { AuditEntry, AuditRecord } from '../../src/access/audit.ts';
import { CHAIN_START, type ChainPoint, chained } from '../../src/access/audit-chain.ts';
import { canonicalJsonOfDefined } from '../../src/access/canonical-json.ts';
import { type Event, type SequencedEvent, supersededSubject } from '../../src/access/event.ts';
import { type ActiveGrant, type EndedGrant, endGrant, type Grant, isLive, type LiveGrant } from '../../src/access/grant.ts';
import type { GrantId, JobId } from '../../src/access/ids.ts';
import { type Instant, instant } from '../../src/access/instant.ts';
import type { Intent, NewIntent } from '../../src/access/intent.ts';
import { isOurs, type Period, type Placeholder } from '../../src/access/membership.ts';
import type { Absence } from '../../src/access/pair-history.ts';
import { type EntryRef, type Pair, pairKey, samePair } from '../../src/access/reference.ts';
import {
  type ActiveMembership,
  type BindRefusal,
  type Consequence,
  type Doubts,
  type EndingToBegin,
  type HeldMembership,
  LedgerError,
  type LedgerIdentity,
  type PairState,
  type PlaceholderChange,
  type ReplacedIntent,
  type StoredJob,
} from '../../src/ledger/ledger.ts';

interface KeptIntent {
  readonly intent: Intent;
  readonly closedAt: Instant | null;
  readonly isReplaced: boolean;
}

/** Everything that survives a crash. Replaced as a whole by each call, so that a call that fails leaves no trace. */
export interface State {
  ledgerId: string;
  replacedAt: Instant | null;
  connectorId: string;
  nextSeq: number;
  nextIntentId: number;
  clockMark: Instant;
  pausedSince: Instant | null;
  bindRefusal: BindRefusal | null;
  base: EntryRef | null;
  /** The directory server in use, since when, when it was last known to be, and how often there was another. */
  server: { readonly name: string | null; readonly since: Instant; readonly used: Instant | null; readonly change: number };
  /** By intent. */
  doubts: Map<number, { readonly isDecided: boolean }>;
  /** In order of receipt. */
  jobs: Map<JobId, StoredJob>;
  grants: Map<GrantId, Grant>;
  revokes: Map<GrantId, Instant>;
  periods: Map<string, Period>;
  /** Of each period: when the values that it has met last became others. */
  metAt: Map<string, Instant>;
  /** What was seen absent as a grant ended. */
  absences: Map<GrantId, Absence>;
  intents: Map<number, KeptIntent>;
  placeholders: Map<string, Placeholder>;
  policyNotes: Map<string, { readonly note: string; readonly at: Instant }>;
  events: readonly SequencedEvent[];
  audit: readonly AuditEntry[];
  auditHead: ChainPoint;
}

/** The state of a ledger that has just been created. */
export function emptyState({ ledgerId, connectorId }: { ledgerId: string; connectorId: string }): State {
  return {
    ledgerId,
    replacedAt: null,
    connectorId,
    nextSeq: 1,
    nextIntentId: 1,
    clockMark: instant(0),
    pausedSince: null,
    bindRefusal: null,
    base: null,
    server: { name: null, since: instant(0), used: null, change: 0 },
    doubts: new Map(),
    jobs: new Map(),
    grants: new Map(),
    revokes: new Map(),
    periods: new Map(),
    metAt: new Map(),
    absences: new Map(),
    intents: new Map(),
    placeholders: new Map(),
    policyNotes: new Map(),
    events: [],
    audit: [],
    auditHead: CHAIN_START,
  };
}

/** A copy that shares nothing: what `structuredClone` does for plain records, at a tenth of its price. */
export function cloned<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(cloned) as T;
  const copy: Record<string, unknown> = {};
  for (const [key, one] of Object.entries(value)) copy[key] = cloned(one);
  return copy as T;
}

export function copyOf(state: State): State {
  return {
    ...state,
    jobs: new Map(state.jobs),
    grants: new Map(state.grants),
    revokes: new Map(state.revokes),
    periods: new Map(state.periods),
    metAt: new Map(state.metAt),
    absences: new Map(state.absences),
    intents: new Map(state.intents),
    doubts: new Map(state.doubts),
    placeholders: new Map(state.placeholders),
    policyNotes: new Map(state.policyNotes),
  };
}

export function identityOf({ ledgerId, connectorId, nextSeq, replacedAt }: State): LedgerIdentity {
  return { ledgerId, connectorId, nextSeq, replacedAt };
}

export function raiseClockMark(draft: State, mark: Instant): void {
  if (mark > draft.clockMark) draft.clockMark = mark;
}

export function writeConsequence(draft: State, { at, notes, events, results, audit }: Consequence): void {
  raiseClockMark(draft, at);
  for (const { subject, note } of notes ?? []) draft.policyNotes.set(subject, { note, at });
  for (const event of events ?? []) appendEvent(draft, at, event);
  for (const result of results ?? []) {
    const job = openJob(draft, result.jobId);
    draft.jobs.set(job.jobId, { ...job, result: cloned(result) });
    appendEvent(draft, at, result);
  }
  for (const record of audit) appendAudit(draft, record);
}

function appendEvent(draft: State, at: Instant, event: Event): void {
  const subject = supersededSubject(event);
  const kept = draft.events.filter((earlier) => subject === null || supersededSubject(earlier.event) !== subject);
  draft.events = [...kept, { seq: draft.nextSeq, at, event: cloned(event) }];
  draft.nextSeq += 1;
}

export function appendAudit(draft: State, record: AuditRecord): void {
  const text = canonicalJsonOfDefined(record);
  draft.auditHead = chained(draft.auditHead, text);
  const { count: seq, hash } = draft.auditHead;
  // As it is read back from text: what is undefined is left out.
  draft.audit = [...draft.audit, { seq, hash, record: JSON.parse(text) as AuditRecord }];
}

/** The unsent events are numbered again after `ledger.replaced`; the numbers go on from the old ones. */
export function renewLedger(draft: State, ledgerId: string, at: Instant): void {
  const first = draft.nextSeq;
  const replaced: Event = { kind: 'ledger.replaced', previousLedgerId: draft.ledgerId };
  draft.events = [{ seq: first, at, event: replaced }, ...draft.events].map((event, index) => ({
    ...event,
    seq: first + index,
  }));
  draft.nextSeq = first + draft.events.length;
  draft.ledgerId = ledgerId;
  draft.replacedAt = at;
}

function openJob({ jobs }: State, jobId: JobId): StoredJob {
  const job = jobs.get(jobId);
  if (job === undefined || job.result !== null) {
    throw new LedgerError('conflict', `job ${jobId} is unknown or settled already`);
  }
  return job;
}

export function openJobs({ jobs }: State): readonly StoredJob[] {
  return [...jobs.values()].filter(({ result }) => result === null);
}

export function attachedJobs(state: State, grantId: GrantId): readonly StoredJob[] {
  return openJobs(state).filter((job) => job.grantId === grantId);
}

export function attachJobs(draft: State, jobIds: readonly JobId[], grantId: GrantId): void {
  for (const jobId of jobIds) draft.jobs.set(jobId, { ...openJob(draft, jobId), grantId });
}

const ORDER: Record<Grant['state'], number> = { pending: 0, active: 1, ending: 2, ended: 3, failed: 3 };

/** A grant never goes back, what is over stays as it is, and only a pending one fails. */
export function saveGrant({ grants }: State, grant: Grant): void {
  const before = grants.get(grant.grantId);
  if (before !== undefined) {
    const over = before.state === 'ended' || before.state === 'failed';
    const back = ORDER[grant.state] < ORDER[before.state];
    if (over || back || (grant.state === 'failed' && before.state !== 'pending')) {
      throw new LedgerError('conflict', `grant ${grant.grantId} is ${before.state}; it cannot become ${grant.state}`);
    }
  }
  grants.set(grant.grantId, cloned(grant));
}

/** False where the grant is left as it is: not active any more, or with another end. */
export function beginEnding(draft: State, { grant, consequence }: EndingToBegin): boolean {
  const before = draft.grants.get(grant.grantId);
  if (before?.state !== 'active' || before.expiresAt !== grant.expiresAt) return false;
  draft.grants.set(grant.grantId, endGrant(before, grant.cause, grant.since));
  writeConsequence(draft, consequence);
  return true;
}

export function grantsById({ grants }: State): readonly Grant[] {
  return [...grants.values()].toSorted((one, other) => (one.grantId < other.grantId ? -1 : 1));
}

export function activeByExpiry(draft: State): readonly ActiveGrant[] {
  return grantsById(draft)
    .filter((grant) => grant.state === 'active')
    .toSorted((one, other) => one.expiresAt - other.expiresAt);
}

export function heldMemberships(draft: State): readonly HeldMembership[] {
  const first = new Map<string, LiveGrant>();
  const held = grantsById(draft)
    .filter(isLive)
    .filter(({ standing }) => standing === false);
  for (const grant of held.toSorted((one, other) => one.activatedAt - other.activatedAt)) {
    const key = pairKey(grant.pair);
    if (!first.has(key)) first.set(key, grant);
  }
  return [...first]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([, { pair, grantId }]) => ({ userId: pair.user.id, groupId: pair.group.id, grantId }));
}

export function activeMemberships(draft: State): readonly ActiveMembership[] {
  return grantsById(draft)
    .filter((grant) => grant.state === 'active')
    .flatMap(({ grantId, pair }) => {
      const period = draft.periods.get(pairKey(pair));
      return period === undefined ? [] : [{ grantId, pair, isBelieved: period.standing !== false || isOurs(period) }];
    });
}

export function isListed(grant: Grant, endedSince: Instant | null): boolean {
  if (grant.state === 'failed') return false;
  return grant.state !== 'ended' || (endedSince !== null && grant.endedAt >= endedSince);
}

export function pairState(draft: State, pair: Pair): PairState {
  return {
    period: draft.periods.get(pairKey(pair)) ?? null,
    grants: grantsById(draft)
      .filter(isLive)
      .filter((grant) => samePair(grant.pair, pair)),
    intent: openIntents(draft).find((intent) => samePair(intent.pair, pair)) ?? null,
    placeholder: draft.placeholders.get(pair.group.id) ?? null,
  };
}

export function lastEnded(draft: State, pair: Pair): EndedGrant | null {
  const isOfPair = (grant: Grant): grant is EndedGrant =>
    grant.state === 'ended' && grant.membership !== 'kept_by_grant' && samePair(grant.pair, pair);
  const ended = [...draft.grants.values()].filter(isOfPair);
  return ended.toSorted((one, other) => one.endedAt - other.endedAt).at(-1) ?? null;
}

export function deletePeriod({ periods, metAt }: State, pair: Pair): void {
  periods.delete(pairKey(pair));
  metAt.delete(pairKey(pair));
}

export function savePeriod(draft: State, period: Period, at: Instant): void {
  const key = pairKey(period.pair);
  if (JSON.stringify(draft.periods.get(key)?.metValues) !== JSON.stringify(period.metValues)) draft.metAt.set(key, at);
  draft.periods.set(key, cloned(period));
  for (const grant of draft.grants.values()) {
    if (isLive(grant) && samePair(grant.pair, period.pair)) {
      draft.grants.set(grant.grantId, { ...grant, standing: period.standing });
    }
  }
}

export function savePlaceholder(draft: State, { groupId, value }: PlaceholderChange): void {
  if (value === null) draft.placeholders.delete(groupId);
  else draft.placeholders.set(groupId, { groupId, value });
}

export function openIntents({ intents }: State): readonly Intent[] {
  return [...intents.values()].filter(({ closedAt }) => closedAt === null).map(({ intent }) => intent);
}

export function doubts(state: State, since: Instant): Doubts {
  const { intents, grants, server } = state;
  const cameToHold = ({ grantId }: Intent): boolean => !['pending', 'failed', undefined].includes(grants.get(grantId)?.state);
  const counted = [...intents.values()].filter(({ intent, closedAt }) => closedAt === null || cameToHold(intent));
  const newest = new Map(counted.map(({ intent }) => [pairKey(intent.pair), intent]));
  const doubted = [...newest.values()].flatMap((intent) => {
    const doubt = state.doubts.get(intent.intentId);
    return doubt === undefined || (doubt.isDecided && server.since < since) ? [] : [{ intent, ...doubt }];
  });
  const isNewest = new Set([...newest.values()].map(({ intentId }) => intentId));
  const moot = [...state.doubts].flatMap(([id, { isDecided }]) => (isDecided || isNewest.has(id) ? [] : [id]));
  const additions = new Map(
    counted.flatMap(({ intent: { intentId, kind, pair } }) => {
      const doubt = state.doubts.get(intentId);
      return kind !== 'add' || doubt === undefined || (doubt.isDecided && server.since < since) ? [] : [[pairKey(pair), pair]];
    }),
  );
  return {
    change: server.change,
    additions: [...additions.values()],
    intents: doubted.toSorted((one, other) => one.intent.intentId - other.intent.intentId),
    moot,
  };
}

export function keepServer(
  draft: State,
  { server: name, at, lookBackMs }: { server: string; at: Instant; lookBackMs: number },
): Instant {
  const { server: before, intents, grants } = draft;
  if (before.name === name) return before.since;
  const isFirst = before.name === null && intents.size === 0;
  const now = instant(Math.max(draft.clockMark, at));
  const since = isFirst ? instant(0) : now;
  draft.server = { name, since, used: now, change: before.change + 1 };
  const from = Math.min(since, before.used ?? now) - lookBackMs;
  const over = [...grants.values()].filter(
    (grant) => (grant.state === 'ended' && grant.endedAt >= from) || (grant.state === 'failed' && grant.failedAt >= from),
  );
  const isOver = ({ pair }: Intent): boolean => over.some((grant) => grant.pair !== null && samePair(grant.pair, pair));
  const lately = [...intents.values()].filter(({ intent, closedAt }) => closedAt === null || closedAt >= from || isOver(intent));
  const undecided = [...draft.doubts].filter(([, { isDecided }]) => !isDecided);
  draft.doubts = new Map([...undecided, ...lately.map(({ intent }) => [intent.intentId, { isDecided: false }] as const)]);
  return since;
}

export function useServer(draft: State, at: Instant): void {
  const { name, used } = draft.server;
  if (name !== null && used !== null && used < at) draft.server = { ...draft.server, used: at };
}

export function replacedIntents({ intents }: State, since: Instant): readonly ReplacedIntent[] {
  return [...intents.values()]
    .flatMap(({ intent: { kind, pair }, closedAt, isReplaced }) =>
      isReplaced && closedAt !== null && closedAt >= since ? [{ kind, pair, replacedAt: closedAt }] : [],
    )
    .toSorted((one, other) => one.replacedAt - other.replacedAt);
}

export function openIntent(draft: State, intent: NewIntent, { replaces, at }: { replaces: number | null; at: Instant }): Intent {
  const open = openIntents(draft).find(({ pair }) => samePair(pair, intent.pair))?.intentId ?? null;
  if (open !== replaces) throw new LedgerError('conflict', `intent ${open ?? 'none'} is open, not ${replaces ?? 'none'}`);
  if (replaces !== null) {
    closeOpenIntent(draft, replaces, at);
    const replaced = draft.intents.get(replaces);
    if (replaced !== undefined) draft.intents.set(replaces, { ...replaced, isReplaced: true });
  }
  if (!draft.grants.has(intent.grantId)) throw new LedgerError('conflict', `grant ${intent.grantId} is unknown`);
  const numbered = { ...cloned(intent), intentId: draft.nextIntentId, epoch: 1 };
  draft.nextIntentId += 1;
  draft.intents.set(numbered.intentId, { intent: numbered, closedAt: null, isReplaced: false });
  return numbered;
}

export function closeOpenIntent({ intents }: State, intentId: number, at: Instant): void {
  const kept = intents.get(intentId);
  if (kept === undefined || kept.closedAt !== null) {
    throw new LedgerError('conflict', `intent ${intentId} is unknown or closed already`);
  }
  intents.set(intentId, { ...kept, closedAt: at });
}

export function closeIntentsOf(draft: State, grantId: GrantId, at: Instant): void {
  for (const intent of openIntents(draft)) {
    if (intent.grantId === grantId) closeOpenIntent(draft, intent.intentId, at);
  }
}

export function forget(draft: State, before: Instant): number {
  const toldJobs = new Set(draft.events.map(({ event }) => ('jobId' in event ? event.jobId : null)));
  const jobs = deleteWhere(draft.jobs, (job) => job.result !== null && job.receivedAt < before && !toldJobs.has(job.jobId));
  const isSince = (groupId: string, at: Instant): boolean =>
    [...draft.periods.values()].some(
      ({ pair, standing, heldSince }) => pair.group.id === groupId && standing === false && heldSince <= at,
    );
  const intents = deleteWhere(
    draft.intents,
    ({ intent: { pair }, closedAt }) => closedAt !== null && closedAt < before && !isSince(pair.group.id, closedAt),
  );
  const busyGrants = new Set<GrantId | null>([
    ...draft.events.map(({ event }) => ('grant' in event && event.grant !== undefined ? event.grant.grantId : null)),
    ...[...draft.jobs.values()].filter(({ result }) => result === null).map(({ grantId }) => grantId),
    ...[...draft.intents.values()].map(({ intent }) => intent.grantId),
  ]);
  const grants = deleteWhere(draft.grants, (grant) => {
    if (busyGrants.has(grant.grantId)) return false;
    if (grant.state === 'ended')
      return grant.endedAt < before && !(draft.absences.has(grant.grantId) && isSince(grant.pair.group.id, grant.endedAt));
    return grant.state === 'failed' && grant.failedAt < before;
  });
  deleteWhere(draft.absences, (_, grantId) => !draft.grants.has(grantId));
  const revokes = deleteWhere(draft.revokes, (at) => at < before);
  const notes = deleteWhere(draft.policyNotes, ({ at }) => at < before);
  return jobs + intents + grants + revokes + notes + pruneAudit(draft, before);
}

/** The oldest without a gap, and a record of it. */
function pruneAudit(draft: State, before: Instant): number {
  const kept = draft.audit.findIndex(({ record }) => record.at >= before);
  const deleted = kept === -1 ? draft.audit.length : kept;
  const last = draft.audit[deleted - 1];
  if (last === undefined) return 0;
  draft.audit = draft.audit.slice(deleted);
  const at = instant(Math.max(draft.clockMark, before));
  appendAudit(draft, { kind: 'audit.pruned', at, facts: { count: last.seq, hash: last.hash, before } });
  return deleted;
}

function deleteWhere<K, V>(map: Map<K, V>, isOld: (value: V, key: K) => boolean): number {
  let deleted = 0;
  for (const [key, value] of map) {
    if (isOld(value, key) && map.delete(key)) deleted += 1;
  }
  return deleted;
}
