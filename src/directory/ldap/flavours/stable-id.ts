import type { FilterValue } from '../../../access/filter.ts';
import { type EntryId, parseEntryId } from '../../../access/ids.ts';

/** Where a server keeps an entry's stable id, and how that is read and asserted. */
export interface StableId {
  readonly attribute: string;
  /** From a value as it comes on the wire; undefined where it is none. */
  read(value: Uint8Array): EntryId | undefined;
  /** The assertion value of an equality filter (RFC 4511 §4.5.1.7). */
  assertion(id: EntryId): FilterValue;
}

/** A UUID in its text form, which is the canonical one (RFC 4530 §2.1). */
export function uuidText(attribute: string): StableId {
  return { attribute, read: (value) => entryId(textOf(value)), assertion: (id) => id };
}

/** 389 Directory Server's own spelling of 16 bytes: `3b138622-e61611f1-9421ad98-05e876b4`. */
export function nsUniqueId(attribute: string): StableId {
  return {
    attribute,
    read: (value) => {
      const text = textOf(value);
      return /^(?:[0-9a-f]{8}-){3}[0-9a-f]{8}$/i.test(text) ? entryId(hyphened(text.replaceAll('-', ''))) : undefined;
    },
    assertion: (id) => id.replaceAll('-', '').replace(/^(.{8})(.{8})(.{8})/, '$1-$2-$3-'),
  };
}

/**
 * A GUID of 16 bytes on the wire, whose text has the first three fields turned round: Microsoft writes those numbers with
 * the least byte first ([MS-DTYP] §2.3.4.2).
 */
export function guidBytes(attribute: string): StableId {
  return {
    attribute,
    read: (value) => (value.length === 16 ? entryId(hyphened(Buffer.from(mixed(value)).toString('hex'))) : undefined),
    assertion: (id) => mixed(Buffer.from(id.replaceAll('-', ''), 'hex')),
  };
}

/** Turning the fields round twice gives the same bytes again. */
function mixed(bytes: Uint8Array): Uint8Array {
  const [first, second, third] = [bytes.slice(0, 4), bytes.slice(4, 6), bytes.slice(6, 8)];
  return Uint8Array.from([...first.toReversed(), ...second.toReversed(), ...third.toReversed(), ...bytes.slice(8)]);
}

function hyphened(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

function textOf(value: Uint8Array): string {
  return Buffer.from(value).toString('latin1');
}

function entryId(text: string): EntryId | undefined {
  const id = parseEntryId(text);
  return id.ok ? id.value : undefined;
}
