/** What the stub tells its console. The stub's answers are made of these types, and the page reads nothing else. */

/** An error as a person reads it. */
export interface ToldError {
  readonly code: string;
  readonly message: string;
}

/** How a grant stands, as far as the connector has told. Times are RFC 3339. */
export type GrantState =
  /** The connector does not have the job yet. */
  | { readonly kind: 'queued' }
  /** The connector has it, and has said nothing of its outcome. */
  | { readonly kind: 'taken' }
  | { readonly kind: 'delayed'; readonly error: ToldError; readonly nextAttemptAt: string }
  | {
      readonly kind: 'active';
      readonly since: string | null;
      readonly expiresAt: string | null;
      readonly standing: boolean | 'unknown';
    }
  | { readonly kind: 'ending'; readonly expiresAt: string | null; readonly overdue: Overdue | null }
  /** `cause` and `membership` are null where the end itself was not told, only that it is over. */
  | { readonly kind: 'ended'; readonly at: string | null; readonly cause: string | null; readonly membership: string | null }
  | { readonly kind: 'failed'; readonly error: ToldError };

export type GrantKind = GrantState['kind'];

/** An ending that is due and cannot be done. */
export interface Overdue {
  readonly since: string;
  readonly error: ToldError;
}

/** A user or a group of a grant: how it was asked for, and what is known of it since. */
export interface Named {
  readonly asked: string;
  readonly dn: string | null;
  /** As the last sync tells it. */
  readonly name: string | null;
}

export interface GrantRow {
  readonly grantId: string;
  readonly connectorId: string;
  readonly user: Named;
  readonly group: Named;
  readonly askedAt: string;
  readonly reason: string | null;
  readonly state: GrantState;
}

/** The directory behind a connector, by the last that it said. */
export type DirectoryState =
  | {
      readonly kind: 'up';
      readonly product: string;
      readonly flavour: string;
      readonly baseDn: string;
      readonly usersScope: readonly string[];
      readonly groupsScope: readonly string[];
    }
  | { readonly kind: 'down'; readonly error: ToldError | null };

/** A sync stream; `records` are so many as have come. */
export interface StreamRow {
  readonly syncId: string;
  readonly mode: 'full' | 'delta';
  readonly state: 'running' | 'stored' | 'aborted' | 'refused' | 'lost';
  readonly pages: number;
  readonly records: number;
  readonly problem: string | null;
}

export interface ConnectorRow {
  readonly connectorId: string;
  readonly name: string | null;
  readonly version: string;
  readonly connected: boolean;
  /** Since when it is connected, or when it was last heard. */
  readonly since: string;
  readonly directory: DirectoryState;
  /** What the last sync that was stored amounts to. */
  readonly picture: {
    readonly users: number;
    readonly groups: number;
    readonly memberships: number;
    readonly storedAt: string;
  } | null;
  /** The last stream since the stub was started. */
  readonly stream: StreamRow | null;
  /** Why the last sync failed, or is held; null where it did not. */
  readonly syncProblem: ToldError | null;
}

export interface EventRow {
  readonly index: number;
  readonly connectorId: string;
  readonly at: string;
  /** As the connector wrote it. */
  readonly event: { readonly kind: string; readonly [field: string]: unknown };
}

/** One message of the feed. What is missing has not changed. */
export interface News {
  /** The stub's clock. */
  readonly time: string;
  /** Everything that was told before is to be forgotten. */
  readonly whole: boolean;
  readonly connectors?: readonly ConnectorRow[];
  /** Of the first message: those that have not ended and the last of those that have. Then those that have changed. */
  readonly grants?: readonly GrantRow[];
  readonly totals?: Readonly<Record<GrantKind, number>>;
  readonly events?: readonly EventRow[];
  /** How many rules of the protocol a connector has broken. */
  readonly violations?: number;
}

/** Whether the stub wants a token of this browser, and has it. */
export interface Session {
  readonly token: 'not needed' | 'needed' | 'given';
}
