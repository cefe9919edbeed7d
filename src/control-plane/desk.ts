import type { Clock } from '../access/clock.ts';
import type { Book } from './book.ts';
import type { Changes } from './changes.ts';
import type { Faults } from './faults.ts';
import type { JobSigner } from './job-signer.ts';
import type { Pictures } from './pictures.ts';
import type { StateFile } from './state-file.ts';

/** What the sessions share. */
export interface Desk {
  readonly book: Book;
  readonly stateFile: StateFile;
  readonly clock: Clock;
  readonly heartbeatSeconds: number;
  /** A connector broke a rule. */
  readonly violated: (connectorId: string | null, rule: string, detail: string) => void;
  /** Something a developer at the terminal wants to see. */
  readonly note: (text: string) => void;
  /** The state file could not be written. */
  readonly unsaved: (error: unknown) => void;
  /** Told when events or a sync stream were stored. */
  readonly changes: Changes;
  /** The `grants.page` frames of each list job. */
  readonly pages: Map<string, unknown[]>;
  /** What the connectors have told of their directories. */
  readonly pictures: Pictures;
  readonly faults: Faults;
  readonly signer: JobSigner;
  /** The session that holds a connectorId; it decides about a newcomer. */
  readonly sessions: Map<string, Session>;
}

/** One connection of a connector. */
export interface Session {
  readonly instanceId: string;
  /** Sends what waits: called when a job was added. */
  sendJobs(): void;
  /** Resolves with whether the connector answered a ping within the time. */
  isAlive(withinMs: number): Promise<boolean>;
  readonly close: (code: number, reason: string) => void;
  terminate(): void;
}
