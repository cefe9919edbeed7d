import type { GrantView } from './event.ts';
import type { EndCause, EndedMembership } from './grant.ts';
import type { EntryId, GrantId } from './ids.ts';
import type { Instant } from './instant.ts';
import type { JobError, JobErrorCode, Outcome } from './outcome.ts';
import type { EntryRef } from './reference.ts';
import type { SyncMode, ToldSync } from './sync.ts';

/**
 * Which grants a person on the machine means. `named` is a DN, a stable id or a name, as typed; `id` is what that was found to mean,
 * so that asking again means the same.
 */
export type GrantChoice =
  | { readonly by: 'grant'; readonly grantId: GrantId }
  | { readonly by: 'user' | 'group'; readonly named: string; readonly id?: EntryId }
  | { readonly by: 'all' };

/** Who asks and why, for the audit trail: as the command says it. */
export interface Asker {
  readonly by: string;
  readonly reason: string | null;
}

/** A grant that nobody has asked for: a user and a group as typed, and for how long. */
export interface AskedGrant {
  readonly user: string;
  readonly group: string;
  readonly durationMs: number;
  readonly requestedBy: string | null;
}

/** What would become of it, and why. */
export interface ExplainedGrant {
  /** The outcome of its job, or the code of its error. */
  readonly result: Outcome | JobErrorCode;
  readonly isGranted: boolean;
  /** The rule that decides; of what is granted, the one that bounds its end. */
  readonly rule: string | null;
  readonly message: string;
  readonly user: EntryRef | null;
  readonly group: EntryRef | null;
  readonly expiresAt: Instant | null;
  /** Every rule that binds grants of the group. */
  readonly binds: readonly { readonly rule: string; readonly says: string }[];
}

/** What a person on the machine may ask of a connector. */
export type OperatorRequest =
  | { readonly request: 'sync'; readonly mode: SyncMode; readonly acceptRemovals: string | null }
  /** Whether it can do its work, as `/readyz` says it. */
  | { readonly request: 'health' }
  | { readonly request: 'grants'; readonly isEndedToo: boolean }
  | { readonly request: 'show'; readonly grantId: GrantId }
  /** What a revoke of these would end. */
  | { readonly request: 'choose'; readonly choice: GrantChoice }
  /** `waitMs`: for how long none may end before it is told what is left. */
  | ({ readonly request: 'revoke'; readonly choice: GrantChoice; readonly waitMs: number } & Asker)
  | ({ readonly request: 'adopt'; readonly grantId: GrantId; readonly isStanding: boolean } & Asker)
  | ({ readonly request: 'pause' | 'resume' } & Asker)
  | ({ readonly request: 'accept_clock' } & Asker)
  /** What would become of such a grant. */
  | { readonly request: 'explain'; readonly asked: AskedGrant };

/** A grant as it is shown to a person: more than the control plane is told. */
export interface ShownGrant extends GrantView {
  /** What asked for its ending. */
  readonly cause?: EndCause;
  /** What became of the membership. */
  readonly membership?: EndedMembership;
  /** Why it never became one. */
  readonly code?: JobErrorCode;
  /** How its job names the user and the group, while they have not been looked up. */
  readonly asked?: { readonly user: string; readonly group: string };
  /** Why it is not done yet. */
  readonly trouble?: Pick<JobError, 'code' | 'message'>;
}

/** One sentence of the story of a grant. */
export interface ToldLine {
  readonly seq: number;
  readonly at: Instant;
  readonly kind: string;
  readonly text: string;
}

/** What is told on the way to an answer. */
export type OperatorNews =
  /** Records of a sync so far. */
  | { readonly answer: 'progress'; readonly records: number }
  | { readonly answer: 'grant'; readonly grant: ShownGrant }
  | { readonly answer: 'told'; readonly line: ToldLine }
  /** So many grants are to end, and the ledger has it: they end whatever happens now. */
  | { readonly answer: 'accepted'; readonly grants: number }
  | { readonly answer: 'ended'; readonly grant: ShownGrant }
  | { readonly answer: 'left'; readonly grant: ShownGrant };

/** What ends an answer. */
export type OperatorResult =
  /** Done, or it was so already: then `message` says so. `sync`: what the control plane was told. */
  | { readonly answer: 'done'; readonly message?: string; readonly sync?: ToldSync }
  /** `parts`: of those that are not ready, what each says. */
  | { readonly answer: 'health'; readonly isReady: boolean; readonly parts: Readonly<Record<string, string>> }
  /** What the person means exactly, with all of its grants told before. */
  | { readonly answer: 'chosen'; readonly choice: GrantChoice }
  | { readonly answer: 'explained'; readonly explained: ExplainedGrant }
  | { readonly answer: 'failed'; readonly error: Pick<JobError, 'code' | 'message'> }
  /** Nothing could be told: there is no connection to the control plane. */
  | { readonly answer: 'unlinked' }
  /** It is not done, and why. */
  | { readonly answer: 'refused'; readonly message: string };
