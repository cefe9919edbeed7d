import type { AuditEntry, AuditRecord } from '../access/audit.ts';
import type { ChainPoint } from '../access/audit-chain.ts';
import type { Event, SequencedEvent } from '../access/event.ts';
import type {
  ActiveGrant,
  EndedGrant,
  EndingGrant,
  FailedGrant,
  Grant,
  Known,
  LiveGrant,
  PendingGrant,
} from '../access/grant.ts';
import type { EntryId, GrantId, JobId } from '../access/ids.ts';
import type { Instant } from '../access/instant.ts';
import type { Intent, NewIntent } from '../access/intent.ts';
import type { Job } from '../access/job.ts';
import type { Period, Placeholder } from '../access/membership.ts';
import type { Absence, PairHistory } from '../access/pair-history.ts';
import type { EntryRef, Pair } from '../access/reference.ts';

/** An event that is a job's stored result. */
export type JobResult = Extract<Event, { kind: 'job.succeeded' | 'job.failed' }>;

/** A job as the ledger keeps it; `job` is null where its content was invalid. */
export interface StoredJob {
  readonly jobId: JobId;
  /** SHA-256 of the RFC 8785 form of the received object, hex. */
  readonly hash: string;
  readonly job: Job | null;
  readonly receivedAt: Instant;
  readonly traceparent: string | null;
  /** The grant that the job is attached to, whose outcome it shares. */
  readonly grantId: GrantId | null;
  readonly attempts: number;
  /** What it came to; null while open. */
  readonly result: JobResult | null;
}

/** What the local policy remembers across restarts: one text of each subject, the last that was written. */
export interface PolicyNote {
  readonly subject: string;
  readonly note: string;
}

/** What is written together with a change of state, in its transaction. */
export interface Consequence {
  readonly at: Instant;
  readonly notes?: readonly PolicyNote[];
  /** Told before the results. */
  readonly events?: readonly Event[];
  /** Told last; each settles its job, whose stored result it becomes. */
  readonly results?: readonly JobResult[];
  readonly audit: readonly AuditRecord[];
}

/** Everything that is known about one user in one group. */
export interface PairState {
  readonly period: Period | null;
  /** Active and ending grants of the pair. */
  readonly grants: readonly LiveGrant[];
  readonly intent: Intent | null;
  readonly placeholder: Placeholder | null;
}

/** An ending grant with everything that an attempt to end it needs to know. */
export interface EndingState {
  readonly grant: EndingGrant;
  /** Open jobs attached to it, in order of receipt. */
  readonly jobs: readonly StoredJob[];
  readonly pair: PairState;
}

/** The ending of one grant, and what is written with it. */
export interface EndingToBegin {
  readonly grant: EndingGrant;
  readonly consequence: Consequence;
}

/** A change of what we placed in a group: the value that stands there now, or null where it has left. */
export interface PlaceholderChange {
  readonly groupId: EntryId;
  readonly value: string | null;
}

export interface LedgerIdentity {
  /** A UUID, new whenever a ledger is created or restored. */
  readonly ledgerId: string;
  readonly connectorId: string;
  readonly nextSeq: number;
  /** When it was found to be an older copy and took a new id; null where it never was. */
  readonly replacedAt: Instant | null;
}

/** When the directory last refused our bind (result 49), and a check value of what was refused. */
export interface BindRefusal {
  readonly at: Instant;
  readonly fingerprint: string;
}

/** A membership that is there by a grant of ours: of several, by the one that became active first. */
export interface HeldMembership {
  readonly userId: EntryId;
  readonly groupId: EntryId;
  readonly grantId: GrantId;
}

/** An active grant of a pair, and whether its membership is believed to be there: false once it was seen absent and that was told. */
export interface ActiveMembership {
  readonly grantId: GrantId;
  readonly pair: Pair;
  readonly isBelieved: boolean;
}

/** An intent whose outcome was still unknown when another took its place: its write may have taken effect after that. */
export interface ReplacedIntent extends Pick<Intent, 'kind' | 'pair'> {
  readonly replacedAt: Instant;
}

/** What the directory server in use may not have: replication is asynchronous. */
export interface Doubts {
  /** How often another server has taken over. */
  readonly change: number;
  /**
   * Of each pair the newest intent, where that is doubted: of those that are open and those of a grant that came to hold a
   * membership; in the order in which they were opened.
   */
  readonly intents: readonly { readonly intent: Intent; readonly isDecided: boolean }[];
  /** Pairs with an addition among what is doubted, whatever came after it: a removal may be lost, and the addition come yet. */
  readonly additions: readonly Pair[];
  /** Doubted intents that are not the newest of their pair, so that there is nothing to do for them; not decided. */
  readonly moot: readonly number[];
}

/** How much there is that is not over. */
export interface Census {
  readonly pending: number;
  readonly active: number;
  readonly ending: number;
  /** When the earliest of the endings fell due; null where nothing is ending. */
  readonly endingSince: Instant | null;
  readonly openJobs: number;
}

/** What a start finds unfinished. */
export interface Unfinished {
  /** Every open job, attached to a grant or not, in order of receipt. */
  readonly jobs: readonly StoredJob[];
  readonly pending: readonly PendingGrant[];
  readonly ending: readonly EndingGrant[];
  readonly intents: readonly Intent[];
}

/**
 * How much the ledger can still write. `low`: the disk is full and a reserve is in use, which is for what was begun and for
 * what ends; `endings_only`: half of that is used up too.
 */
export type Space = 'ok' | 'low' | 'endings_only';

/**
 * PORT: the durable record. Every method is one transaction, durable when its promise resolves; rejects with a
 * `LedgerError`. Methods that change state take the consequence that is written with it, and take effect in the order in which
 * they were called, but those of endings before others; those that only read see what was committed when they were called.
 */
export interface Ledger {
  /** Whether something new may be begun; asking is how a ledger notices that there is room again. */
  space(): Promise<Space>;
  identity(): Promise<LedgerIdentity>;
  /** Takes a new ledger id and appends `ledger.replaced`, before anything else that is still unsent. */
  renew(consequence: Consequence): Promise<LedgerIdentity>;

  job(jobId: JobId): Promise<StoredJob | null>;
  /** Stores a new job; a known id is a `conflict` fault. */
  storeJob(job: Omit<StoredJob, 'result' | 'attempts'>, consequence: Consequence): Promise<void>;
  /** Counts one more attempt of each job. */
  countAttempts(jobIds: readonly JobId[]): Promise<void>;
  /** Open jobs attached to a grant, in order of receipt. */
  attachedJobs(grantId: GrantId): Promise<readonly StoredJob[]>;
  /** Nothing but the consequence. */
  tell(consequence: Consequence): Promise<void>;

  known(grantId: GrantId): Promise<Known>;
  /** Remembers a revoke whose grant has not been seen. */
  rememberRevoke(grantId: GrantId, consequence: Consequence): Promise<void>;
  /** Creates or replaces a pending grant; `attach` names jobs that from now on share its outcome. */
  savePending(grant: PendingGrant, attach: readonly JobId[], consequence: Consequence): Promise<void>;
  /** The grant never became a membership; its open intent, if any, is closed. */
  failGrant(grant: FailedGrant, consequence: Consequence): Promise<void>;
  /** Attaches a job to a grant without changing it: an update that waits for the directory. */
  attach(jobId: JobId, grantId: GrantId, consequence: Consequence): Promise<void>;

  pairState(pair: Pair): Promise<PairState>;
  /** What is remembered of the values of a pair, also of what is over. */
  pairHistory(pair: Pair): Promise<PairHistory>;
  /**
   * Opens an intent; a second open one for the same pair is a `conflict` fault, but for the one that it `replaces`,
   * which is closed. A period, where given, is saved with it, and so is a pending grant whose pair has just been found.
   */
  openIntent(
    intent: NewIntent,
    change: { readonly period: Period | null; readonly replaces: number | null; readonly grant?: PendingGrant },
    consequence: Consequence,
  ): Promise<Intent>;
  /** A probe showed that the intent's write did not take effect. */
  closeIntent(intentId: number, consequence: Consequence): Promise<void>;
  /** Saves the period, and with it the standing of its live grants. */
  savePeriod(period: Period, consequence: Consequence): Promise<void>;
  /** The membership is there: the grant is active (or updated; or ending, if it was cancelled meanwhile), the period saved, the intent closed. */
  activate(
    change: {
      readonly grant: ActiveGrant | EndingGrant;
      readonly period: Period;
      readonly intentId: number | null;
      readonly placeholder: PlaceholderChange | null;
    },
    consequence: Consequence,
  ): Promise<void>;
  beginEnding(grant: EndingGrant, attach: readonly JobId[], consequence: Consequence): Promise<void>;
  /**
   * The same for many that are due. One that is no longer active, or has another end than it is given here, is left as it is
   * and its consequence unwritten. Returns the ids of those that have begun to end.
   */
  beginEndings(endings: readonly EndingToBegin[]): Promise<readonly GrantId[]>;
  /** What there is to know of an ending grant, whose pair is given; null where it is not ending. */
  endingState(ending: Pick<LiveGrant, 'grantId' | 'pair'>): Promise<EndingState | null>;
  /**
   * The grant is over, its open intent closed; `period` is what remains of the period, null where it ended too; `absence` is what
   * was seen absent.
   */
  end(
    change: {
      readonly grant: EndedGrant;
      readonly period: Period | null;
      readonly placeholder: PlaceholderChange | null;
      readonly absence?: Absence | null;
    },
    consequence: Consequence,
  ): Promise<void>;

  /**
   * An ended grant whose membership is there again: it is ending once more, and its pair has this period. A grant that has not
   * ended is a `conflict` fault.
   */
  endAgain(change: { readonly grant: EndingGrant; readonly period: Period }, consequence: Consequence): Promise<void>;

  /** Active grants whose end has come, earliest first. */
  dueGrants(now: Instant, limit: number): Promise<readonly ActiveGrant[]>;
  /** The earliest end of an active grant. */
  nextExpiry(): Promise<Instant | null>;
  unfinished(): Promise<Unfinished>;
  /** Counted when it is asked, which with 100,000 active grants takes a few milliseconds. */
  census(): Promise<Census>;
  /** Intents that were replaced at or after that instant, the earliest first. */
  replacedIntents(since: Instant): Promise<readonly ReplacedIntent[]>;
  /**
   * What the directory server in use may not have of what was written before; what was decided only where that server took over at
   * or after that instant.
   */
  doubts(since: Instant): Promise<Doubts>;
  /** They were decided, for good until another server is in use; those of an earlier change of servers are left as they are. */
  decideDoubts(doubts: { readonly intentIds: readonly number[]; readonly change: number }): Promise<void>;
  /** Of the grants of a pair that have ended, the one that its membership ended with: no other held it then. */
  lastEnded(pair: Pair): Promise<EndedGrant | null>;
  /** How many live grants are of a period whose standing is unknown. */
  countOwnershipUnknown(): Promise<number>;
  /** How many grants of a group have not ended, at most `limit`; of those that are pending, the ones whose pair is known. */
  countOpenGrants(query: { readonly groupId: EntryId; readonly limit: number }): Promise<number>;
  /** The groups of those grants, in order of id. */
  groupsOfOpenGrants(): Promise<readonly EntryId[]>;
  /**
   * Memberships that live grants hold and that are ours (standing access is not, and one of which that is unknown may not be), in
   * order of user and group, from after `after`.
   */
  heldMemberships(query: {
    readonly after: Pick<HeldMembership, 'userId' | 'groupId'> | null;
    readonly limit: number;
  }): Promise<readonly HeldMembership[]>;
  /** What active grants stand for, standing access included, in order of id, from after `after`. */
  activeMemberships(query: { readonly after: GrantId | null; readonly limit: number }): Promise<readonly ActiveMembership[]>;
  /** Every grant that has not ended, and those ended at or after `endedSince`, in order of id, from after `after`. */
  listGrants(query: {
    readonly endedSince: Instant | null;
    readonly after: GrantId | null;
    readonly limit: number;
  }): Promise<readonly Grant[]>;

  /** Events with a sequence number above `after`, in order. */
  events(query: { readonly after: number; readonly limit: number }): Promise<readonly SequencedEvent[]>;
  /** The control plane has stored every event up to `seq`. */
  acknowledge(seq: number): Promise<void>;

  /** Where the audit trail ends: of committed records, each chained to the one before it. */
  auditHead(): Promise<ChainPoint>;
  /** The audit records of a grant, in order, with a number above `after`. */
  auditOf(query: { readonly grantId: GrantId; readonly after: number; readonly limit: number }): Promise<readonly AuditEntry[]>;

  /** The high-water mark of trusted time. */
  clockMark(): Promise<Instant>;
  /** Raises the high-water mark; a lower one changes nothing. */
  advanceClock(mark: Instant): Promise<void>;
  /** Sets the high-water mark, also to an earlier instant: a person says that the clock of the machine is right. */
  acceptClock(mark: Instant, consequence: Consequence): Promise<void>;
  /** Since when no new grants are made, as a person on the machine has asked; null where they are. */
  pausedSince(): Promise<Instant | null>;
  pause(since: Instant | null, consequence: Consequence): Promise<void>;
  /** Everything that the local policy remembers, in order of subject. */
  policyNotes(): Promise<readonly PolicyNote[]>;
  bindRefusal(): Promise<BindRefusal | null>;
  saveBindRefusal(refusal: BindRefusal | null): Promise<void>;
  /** The base entry of the directory that the open grants are of: the one that was known; where none is open, the one that was found. */
  keepBase(found: EntryRef): Promise<EntryRef>;
  /**
   * The directory server in use. Where it is another than the one that was known, every intent is doubted from now on that is open,
   * was closed within `lookBackMs` before that one was last in use, or is of a pair of which a grant ended within, and what was doubted and not
   * decided still is. Returns since when it has been used and no other; for the first one of a ledger that has written nothing yet,
   * that is for ever.
   */
  keepServer(used: { readonly server: string; readonly at: Instant; readonly lookBackMs: number }): Promise<Instant>;
  /** The server that is known is in use at that instant; an earlier one changes nothing. */
  useServer(at: Instant): Promise<void>;

  /**
   * Deletes settled jobs, ended and failed grants, remembered revokes, notes of the policy and audit records from before; returns how many rows. The
   * history of a group stays from the beginning of the oldest membership of ours in it that lasts. Of the trail only what is oldest
   * goes, without a gap; what is deleted of it is told by a record of its own, at or after `before`.
   */
  forget(before: Instant): Promise<number>;
  close(): Promise<void>;
}

/** Why a ledger could not do what it was asked. */
export type LedgerFault =
  | 'locked'
  | 'damaged'
  | 'no_space'
  | 'conflict'
  | 'wrong_connector'
  | 'newer_schema'
  | 'closed'
  | 'failed';

/** The only error that a ledger throws; `message` says what to do. */
export class LedgerError extends Error {
  readonly fault: LedgerFault;

  constructor(fault: LedgerFault, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'LedgerError';
    this.fault = fault;
  }
}
