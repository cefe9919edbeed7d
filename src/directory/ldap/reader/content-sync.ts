import { BER, type BerElement, berInteger, readBerElement } from '../ber.ts';
import { elementsOf } from '../ldap-message.ts';
import { berElement, berNumber } from './ber-writer.ts';
import { refused } from './refused.ts';
import type { RequestControl } from './requests.ts';

/** RFC 4533 §2.2 to §2.5. */
export const SYNC_REQUEST = '1.3.6.1.4.1.4203.1.9.1.1';
export const SYNC_STATE = '1.3.6.1.4.1.4203.1.9.1.2';
export const SYNC_DONE = '1.3.6.1.4.1.4203.1.9.1.3';
export const SYNC_INFO = '1.3.6.1.4.1.4203.1.9.1.4';
/** e-syncRefreshRequired (RFC 4533 §2.6). */
export const SYNC_REFRESH_REQUIRED = 4096;

const REFRESH_ONLY = 1;
const STATES = ['present', 'add', 'modify', 'delete'] as const;

/** What a Sync State control says of its entry. */
export interface SyncState {
  readonly state: (typeof STATES)[number];
  /** The 16 bytes of its entryUUID. */
  readonly uuid: Buffer;
}

export interface SyncDone {
  readonly cookie: Buffer | null;
  /** True where what was deleted has been told; else what was not told is gone. */
  readonly refreshDeletes: boolean;
}

/** A Sync Info message. */
export type SyncInfo =
  | { readonly kind: 'cookie' }
  /** The end of a phase: of what is deleted, or of what is present. */
  | { readonly kind: 'phase'; readonly told: 'deletes' | 'presents' }
  | { readonly kind: 'ids'; readonly told: 'deletes' | 'presents'; readonly uuids: readonly Buffer[] };

/** Asks for what has changed since the cookie, once (refreshOnly). */
export function syncRequest(cookie: Buffer | null): RequestControl {
  const parts = [berNumber(BER.enumerated, REFRESH_ONLY), ...(cookie === null ? [] : [berElement(BER.octetString, cookie)])];
  return { type: SYNC_REQUEST, critical: true, value: berElement(BER.sequence, ...parts) };
}

export function readSyncState(value: Buffer): SyncState {
  const [state, uuid] = partsOf(value);
  const number = state?.tag === BER.enumerated ? berInteger(value, state) : undefined;
  const name = number === undefined ? undefined : STATES[number];
  if (name === undefined || uuid?.tag !== BER.octetString) throw refused('a sync state that is none');
  return { state: name, uuid: uuidIn(value, uuid) };
}

export function readSyncDone(value: Buffer): SyncDone {
  const parts = partsOf(value);
  const cookie = parts.find(({ tag }) => tag === BER.octetString);
  return {
    cookie: cookie === undefined ? null : Buffer.from(value.subarray(cookie.start, cookie.end)),
    refreshDeletes: isTrue(value, parts) ?? false,
  };
}

export function readSyncInfo(value: Buffer): SyncInfo {
  const info = readBerElement(value, 0, value.length);
  if (info === undefined) throw refused('a sync information that is none');
  const kind = INFO_TAGS[info.tag];
  if (kind === undefined) throw refused('a sync information that is none');
  if (kind !== 'ids') return kind === 'cookie' ? { kind } : { kind: 'phase', told: kind };
  const parts = elementsOf(value, info);
  const ids = parts.find(({ tag }) => tag === BER.set);
  if (ids === undefined) throw refused('a set of ids that is none');
  const told = isTrue(value, parts) === true ? 'deletes' : 'presents';
  return { kind, told, uuids: elementsOf(value, ids).map((id) => uuidIn(value, id)) };
}

/** The choices of a syncInfoValue (RFC 4533 §2.5). */
const INFO_TAGS: Readonly<Record<number, 'cookie' | 'deletes' | 'presents' | 'ids'>> = {
  0x80: 'cookie',
  0xa1: 'deletes',
  0xa2: 'presents',
  0xa3: 'ids',
};

function partsOf(value: Buffer): readonly BerElement[] {
  const outer = readBerElement(value, 0, value.length);
  if (outer?.tag !== BER.sequence || outer.end !== value.length) throw refused('a control that is malformed');
  return elementsOf(value, outer);
}

function isTrue(value: Buffer, parts: readonly BerElement[]): boolean | undefined {
  const boolean = parts.find(({ tag }) => tag === BER.boolean);
  return boolean === undefined ? undefined : value[boolean.start] !== 0;
}

function uuidIn(value: Buffer, { start, end }: BerElement): Buffer {
  if (end - start !== 16) throw refused('an id that is none');
  return Buffer.from(value.subarray(start, end));
}
