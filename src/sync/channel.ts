import type { JobError } from '../access/outcome.ts';
import type { SyncCounts, SyncMode } from '../access/sync.ts';

/** Why a stream did not come to its end: the connection was lost, or the control plane refused a frame of it. */
export type ChannelFault = 'lost' | 'refused';

/** The only error that a channel throws. */
export class SyncChannelError extends Error {
  readonly fault: ChannelFault;

  constructor(fault: ChannelFault, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'SyncChannelError';
    this.fault = fault;
  }
}

/**
 * One stream of records (PROTOCOL, Sync stream). After {@link SyncStream.abort}, or once a method has rejected with a
 * {@link SyncChannelError}, nothing more is sent of it. Pages are counted by the channel.
 */
export interface SyncStream {
  /** Sends one page of records, each JSON text. Resolves when another page may be sent: at most 8 are unacknowledged. */
  page(records: readonly string[]): Promise<void>;
  /** Resolves when the control plane has stored the picture. */
  end(end: { readonly counts: SyncCounts; readonly cursor: string }): Promise<void>;
  /** Tells that the stream failed, where it still can be told, and lets go whoever waits for an acknowledgement of it. */
  abort(error: JobError): void;
}

/** Where records go: to the control plane, or into a file. Rejects with a {@link SyncChannelError} where there is no connection. */
export interface SyncChannel {
  begin(begin: { readonly syncId: string; readonly mode: SyncMode; readonly baseCursor: string | null }): Promise<SyncStream>;
}
