import { type BerWriter, Filter as LdaptsFilter, SearchFilter, type SearchFilterValues } from 'ldapts';
import { type Filter, type FilterValue, formatFilter } from '../../access/filter.ts';

const TAGS: Readonly<Record<Filter['kind'], SearchFilterValues>> = {
  and: SearchFilter.and,
  or: SearchFilter.or,
  not: SearchFilter.not,
  equality: SearchFilter.equalityMatch,
  substrings: SearchFilter.substrings,
  greaterOrEqual: SearchFilter.greaterOrEqual,
  lessOrEqual: SearchFilter.lessOrEqual,
  present: SearchFilter.present,
  approx: SearchFilter.approxMatch,
  extensible: SearchFilter.extensibleMatch,
};

const OCTET_STRING = 0x04;
/** The choices of a SubstringFilter (RFC 4511 §4.5.1). */
const INITIAL = 0x80;
const ANY = 0x81;
const FINAL = 0x82;
/** The parts of a MatchingRuleAssertion (RFC 4511 §4.5.1). */
const MATCHING_RULE = 0x81;
const RULE_TYPE = 0x82;
const MATCH_VALUE = 0x83;

/** Our filter as ldapts sends one: written from the tree, so that no value is ever part of a text, and bytes stay bytes. */
class TreeFilter extends LdaptsFilter {
  override type: SearchFilterValues;
  readonly #filter: Filter;

  constructor(filter: Filter) {
    super();
    this.type = TAGS[filter.kind];
    this.#filter = filter;
  }

  override writeFilter(writer: BerWriter): void {
    writeContents(writer, this.#filter);
  }

  override toString(): string {
    return formatFilter(this.#filter);
  }
}

/** A filter for ldapts' search. */
export function ldaptsFilter(filter: Filter): LdaptsFilter {
  return new TreeFilter(filter);
}

function writeContents(writer: BerWriter, filter: Filter): void {
  switch (filter.kind) {
    case 'and':
    case 'or':
      for (const one of filter.filters) writeWhole(writer, one);
      return;
    case 'not':
      writeWhole(writer, filter.filter);
      return;
    case 'present':
      for (const byte of Buffer.from(filter.attribute)) writer.writeByte(byte);
      return;
    case 'equality':
    case 'greaterOrEqual':
    case 'lessOrEqual':
    case 'approx':
      writer.writeString(filter.attribute);
      writeValue(writer, filter.value, OCTET_STRING);
      return;
    case 'extensible':
      writeValue(writer, filter.rule, MATCHING_RULE);
      writeValue(writer, filter.attribute, RULE_TYPE);
      writeValue(writer, filter.value, MATCH_VALUE);
      return;
    case 'substrings':
      writer.writeString(filter.attribute);
      writer.startSequence();
      if (filter.initial.length > 0) writeValue(writer, filter.initial, INITIAL);
      for (const part of filter.any) writeValue(writer, part, ANY);
      if (filter.final.length > 0) writeValue(writer, filter.final, FINAL);
      writer.endSequence();
      return;
    default:
      filter satisfies never;
  }
}

function writeWhole(writer: BerWriter, filter: Filter): void {
  writer.startSequence(TAGS[filter.kind]);
  writeContents(writer, filter);
  writer.endSequence();
}

function writeValue(writer: BerWriter, value: FilterValue, tag: number): void {
  writer.writeBuffer(Buffer.from(value), tag);
}
