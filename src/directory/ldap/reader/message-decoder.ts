import { DirectoryError } from '../../directory.ts';
import { BER, berInteger, readBerElement } from '../ber.ts';
import { countElements, countElementsBehind, type LdapEnvelope, OPERATION, readControls, readEnvelope } from '../ldap-message.ts';
import { type AttributePlaces, attributePlaces, type KnownType, type WantedAttribute } from './attribute-places.ts';
import { type DecodedEntry, emptyPlaces, NO_BYTES, NO_TEXTS, newEntry, type Places, withOne } from './decoded-entry.ts';
import { HeldBytes } from './held-bytes.ts';
import { refused } from './refused.ts';
import { TextReader } from './text.ts';

/** Who is told of messages as they are read. What it throws ends the reading. */
export interface MessageReceiver {
  /** Values of an attribute that is wanted in parts, before the entry itself is told. */
  values(entry: DecodedEntry, place: number, values: readonly string[]): void;
  entry(entry: DecodedEntry): void;
  /** Any other message, whole; a view like `bytes`. */
  other(message: Buffer, envelope: LdapEnvelope): void;
}

/** Largest message taken in: a group of a million members by names of sixty bytes. */
const MOST_MESSAGE_BYTES = 64 * 1024 * 1024;
/** Of a message that is not an entry. The largest in earnest are ids of entries (RFC 4533), a thousand or so a message. */
const MOST_OTHER_BYTES = 16 * 1024 * 1024;
/** Names and attribute types; RFC 4511 sets no limit, servers' own are far below. */
const MOST_NAME_BYTES = 64 * 1024;
const MOST_TYPE_BYTES = 1024;
const MOST_CONTROLS_BYTES = 1024 * 1024;
/** A text that is longer is read as if it were none: to take it apart would hold up everything else, and nobody is called that. */
const MOST_TEXT_BYTES = 1024 * 1024;
/** Of a value that is no name, so much tells it from another. */
const SHOWN_BYTES = 64;
/** Values of one entry that are kept until it is whole: addresses, object classes, owners. */
const MOST_KEPT_VALUES = 100_000;
/** Values of a part. */
const PART = 1_000;

type Step = 'message' | 'name' | 'attribute' | 'values' | 'unwanted' | 'tail' | 'whole';

/**
 * Reads LDAP messages (RFC 4511 §4.1.1) from bytes as they arrive, however they are cut. An entry is never held as a whole: its
 * values are read one by one, each once, so that a group costs what its members do and nothing is joined twice. Every element
 * must lie within what it is part of, to the last byte; what does not, or is larger than anything in earnest, throws.
 *
 * Nothing here recurses: an entry has four levels, and everything else is read by its own functions when it is whole.
 */
export class MessageDecoder {
  readonly #held = new HeldBytes();
  readonly #textReader = new TextReader();
  readonly #wanted: readonly WantedAttribute[];
  readonly #empty: Places;
  readonly #receiver: MessageReceiver;
  readonly #places: AttributePlaces;
  #step: Step = 'message';
  #messageId = 0;
  /** Ends of what is being read, as counted by the held bytes. */
  #messageEnd = 0;
  #listEnd = 0;
  #valuesEnd = 0;
  #entry: DecodedEntry = newEntry(0, '', emptyPlaces(0));
  #place = 0;
  #kept = 0;
  /** Values of the attribute that is being read; null where there are none yet. */
  #texts: string[] | null = null;
  #bytes: Buffer[] | null = null;

  constructor(wanted: readonly WantedAttribute[], receiver: MessageReceiver) {
    this.#wanted = wanted;
    this.#empty = emptyPlaces(wanted.length);
    this.#receiver = receiver;
    this.#places = attributePlaces(wanted);
  }

  /** True between two messages. */
  get isIdle(): boolean {
    return this.#step === 'message' && this.#held.isEmpty;
  }

  /** Reads all that can be read with these bytes, which must not be written to afterwards. */
  feed(chunk: Buffer): void {
    const isEnough = this.#held.add(chunk);
    const { moved } = this.#held;
    this.#messageEnd -= moved;
    this.#listEnd -= moved;
    this.#valuesEnd -= moved;
    if (!isEnough) return;
    // Each step takes bytes, or ends the loop until there are more.
    while (this.#take());
    this.#giveParts();
  }

  #take(): boolean {
    switch (this.#step) {
      case 'message':
        return this.#takeMessage();
      case 'name':
        return this.#takeName();
      case 'attribute':
        return this.#takeAttribute();
      case 'values':
        return this.#takeValues();
      case 'unwanted':
        return this.#skipValues();
      case 'tail':
        return this.#takeTail();
      case 'whole':
        return this.#takeWhole();
      default:
        return this.#step satisfies never;
    }
  }

  #takeMessage(): boolean {
    const held = this.#held;
    const start = held.at;
    if (held.isEmpty || !held.readHeader(start, Number.POSITIVE_INFINITY)) return false;
    if (!held.hasTag(BER.sequence)) throw refused('bytes that are not LDAP');
    if (held.length > MOST_MESSAGE_BYTES)
      throw refused(`a message of ${held.length} bytes, more than the 64 MiB that are taken in`);
    const messageEnd = held.contents + held.length;
    if (!held.readHeader(held.contents, messageEnd)) return false;
    if (!held.hasTag(BER.integer) || held.length < 1 || held.length > 4) throw refused('a message without a number');
    const id = { tag: held.tag, start: held.contents, end: held.contents + held.length };
    if (!held.readHeader(id.end, messageEnd)) return false;
    this.#messageEnd = messageEnd;
    if (!held.hasTag(OPERATION.searchResultEntry)) {
      if (messageEnd - start > MOST_OTHER_BYTES) throw refused(`an answer of ${messageEnd - start} bytes that is no entry`);
      this.#step = 'whole';
      return true;
    }
    this.#messageId = berInteger(held.bytes, id) ?? 0;
    this.#listEnd = held.contents + held.length;
    held.at = held.contents;
    this.#step = 'name';
    return true;
  }

  #takeName(): boolean {
    const held = this.#held;
    if (!held.readHeader(held.at, this.#listEnd)) return false;
    if (!held.hasTag(BER.octetString) || held.length > MOST_NAME_BYTES) throw refused('an entry without a name');
    const from = held.contents;
    const to = from + held.length;
    if (!held.readHeader(to, this.#listEnd)) return false;
    if (!held.hasTag(BER.sequence) || held.contents + held.length !== this.#listEnd) throw refused('an entry that is malformed');
    const dn = this.#textReader.read(held.bytes, { from, to, end: held.end });
    if (dn === null)
      throw new DirectoryError(
        'refused',
        `The directory gave an entry whose name is not UTF-8: ${held.bytes.toString('hex', from, Math.min(to, from + 80))}.`,
      );
    held.at = held.contents;
    this.#entry = newEntry(this.#messageId, dn, this.#empty);
    this.#kept = 0;
    this.#places.begin();
    this.#step = 'attribute';
    return true;
  }

  #takeAttribute(): boolean {
    const held = this.#held;
    if (held.at === this.#listEnd) {
      this.#step = 'tail';
      return true;
    }
    const values = held.readShortAttribute(this.#listEnd);
    if (values > 0) {
      this.#begin(this.#places.of(held.bytes, held.contents, held.contents + held.length), values, held.valuesEnd);
      return true;
    }
    if (!held.readHeader(held.at, this.#listEnd)) return false;
    if (!held.hasTag(BER.sequence)) throw refused('an attribute that is malformed');
    const end = held.contents + held.length;
    if (!held.readHeader(held.contents, end)) return false;
    if (!held.hasTag(BER.octetString) || held.length > MOST_TYPE_BYTES) throw refused('an attribute without a type');
    const from = held.contents;
    const to = from + held.length;
    if (!held.readHeader(to, end)) return false;
    if (!held.hasTag(BER.set) || held.contents + held.length !== end) throw refused('an attribute whose values are malformed');
    this.#begin(this.#places.of(held.bytes, from, to), held.contents, end);
    return true;
  }

  #begin({ place, range }: KnownType, values: number, end: number): void {
    this.#held.at = values;
    this.#valuesEnd = end;
    this.#place = place;
    if (range !== undefined) this.#entry.ranges[place] = range;
    this.#step = place < 0 ? 'unwanted' : 'values';
  }

  #takeValues(): boolean {
    const held = this.#held;
    const as = this.#wanted[this.#place]?.as;
    while (held.at < this.#valuesEnd) {
      if (!held.readElement(this.#valuesEnd)) return false;
      if (!held.hasTag(BER.octetString)) throw refused('a value that is malformed');
      const from = held.contents;
      const to = from + held.length;
      held.at = to;
      if (as === 'bytes') this.#bytes = withOne(this.#bytes, held.bytes.subarray(from, to));
      else this.#takeText(from, to, as === 'parts');
      if (as !== 'parts') this.#count();
    }
    if (as === 'parts') this.#giveParts();
    else if (as === 'bytes') this.#entry.bytes[this.#place] = this.#ownBytes();
    else this.#entry.texts[this.#place] = this.#ownTexts();
    this.#step = 'attribute';
    return true;
  }

  #takeText(from: number, to: number, isPart: boolean): void {
    const held = this.#held;
    const isRead = to - from <= (isPart ? MOST_NAME_BYTES : MOST_TEXT_BYTES);
    const text = isRead ? this.#textReader.read(held.bytes, { from, to, end: held.end }) : null;
    if (text !== null) this.#texts = withOne(this.#texts, text);
    // It is nobody's name, and a member that is nobody still counts.
    else if (isPart) this.#texts = withOne(this.#texts, `#${held.bytes.toString('hex', from, isRead ? to : from + SHOWN_BYTES)}`);
    if (isPart && this.#texts !== null && this.#texts.length >= PART) this.#giveParts();
  }

  #count(): void {
    this.#kept += 1;
    if (this.#kept > MOST_KEPT_VALUES)
      throw refused(`an entry ("${this.#entry.dn}") with more than ${MOST_KEPT_VALUES} values beside its members`);
  }

  #giveParts(): void {
    const values = this.#texts;
    if (values === null || this.#wanted[this.#place]?.as !== 'parts') return;
    this.#texts = null;
    this.#receiver.values(this.#entry, this.#place, values);
  }

  /** An attribute may be given twice, as a range and without one. */
  #ownTexts(): readonly string[] {
    const earlier = this.#entry.texts[this.#place] ?? NO_TEXTS;
    const texts = this.#texts ?? NO_TEXTS;
    this.#texts = null;
    return earlier.length === 0 ? texts : [...earlier, ...texts];
  }

  /** Bytes wait for the end of the entry, by which time what they are views of may have moved. */
  #ownBytes(): readonly Buffer[] {
    const earlier = this.#entry.bytes[this.#place] ?? NO_BYTES;
    const bytes = this.#bytes ?? NO_BYTES;
    this.#bytes = null;
    return earlier.length === 0 ? bytes : [...earlier, ...bytes];
  }

  #skipValues(): boolean {
    if (!this.#held.skipTo(this.#valuesEnd)) return false;
    this.#step = 'attribute';
    return true;
  }

  #takeTail(): boolean {
    const held = this.#held;
    const length = this.#messageEnd - held.at;
    if (length > MOST_CONTROLS_BYTES) throw refused('an entry whose controls are too long');
    if (!held.needs(length)) return false;
    if (length > 0) this.#entry.controls = controlsIn(held.bytes, { start: held.at, end: this.#messageEnd });
    held.at = this.#messageEnd;
    this.#step = 'message';
    this.#receiver.entry(this.#entry);
    return true;
  }

  #takeWhole(): boolean {
    const held = this.#held;
    if (!held.needs(this.#messageEnd - held.at)) return false;
    const message = held.bytes.subarray(held.at, this.#messageEnd);
    const envelope = readEnvelope(message);
    // A control that cannot be read would be one that is not there: of a page, that it is the last.
    if (envelope === undefined || countElements(message, envelope, MOST_OTHER_BYTES) === undefined)
      throw refused('a malformed message');
    held.at = this.#messageEnd;
    this.#step = 'message';
    this.#receiver.other(message, envelope);
    return true;
  }
}

/** The controls of an entry. Throws where they are not built as they should be, which could be any. */
function controlsIn(bytes: Buffer, place: { readonly start: number; readonly end: number }): ReadonlyMap<string, Buffer> {
  if (countElementsBehind(bytes, place, MOST_CONTROLS_BYTES) === undefined) throw refused('an entry with malformed controls');
  return readControls(bytes, readBerElement(bytes, place.start, place.end));
}
