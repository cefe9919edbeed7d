import type { Filter, FilterValue } from '../../../access/filter.ts';
import { BER } from '../ber.ts';
import { OPERATION } from '../ldap-message.ts';
import { berBoolean, berElement, berNumber, berText } from './ber-writer.ts';

/** RFC 2696. */
export const PAGED_RESULTS = '1.2.840.113556.1.4.319';

/** A control (RFC 4511 §4.1.11). */
export interface RequestControl {
  readonly type: string;
  readonly critical: boolean;
  readonly value: Buffer | null;
}

export interface SearchAsked {
  readonly base: string;
  readonly scope: 'base' | 'one' | 'sub';
  readonly filter: Filter;
  /** `1.1` stands for none (RFC 4511 §4.5.1.8). */
  readonly attributes: readonly string[];
  /** 0 for none of ours. */
  readonly sizeLimit: number;
}

const SCOPES: Readonly<Record<SearchAsked['scope'], number>> = { base: 0, one: 1, sub: 2 };
const CONTROLS = 0xa0;
const NEVER_DEREF_ALIASES = 0;

/** A SearchRequest (RFC 4511 §4.5.1). It asks for no limit of time: whether the server still answers is for the connection to watch. */
export function searchRequest(messageId: number, asked: SearchAsked, controls: readonly RequestControl[]): Buffer {
  const { base, scope, filter, attributes, sizeLimit } = asked;
  const operation = berElement(
    OPERATION.searchRequest,
    berText(base),
    berNumber(BER.enumerated, SCOPES[scope]),
    berNumber(BER.enumerated, NEVER_DEREF_ALIASES),
    berNumber(BER.integer, sizeLimit),
    berNumber(BER.integer, 0),
    berBoolean(false),
    berFilter(filter),
    berElement(BER.sequence, ...attributes.map(berText)),
  );
  const list = controls.length === 0 ? [] : [berElement(CONTROLS, ...controls.map(berControl))];
  return berElement(BER.sequence, berNumber(BER.integer, messageId), operation, ...list);
}

/** An AbandonRequest (RFC 4511 §4.11), which nothing answers. */
export function abandonRequest(messageId: number, abandoned: number): Buffer {
  return berElement(BER.sequence, berNumber(BER.integer, messageId), berNumber(OPERATION.abandonRequest, abandoned));
}

/** Asks for so many entries, from where the cookie stands (RFC 2696 §2). */
export function pageControl(size: number, cookie: Buffer): RequestControl {
  const value = berElement(BER.sequence, berNumber(BER.integer, size), berElement(BER.octetString, cookie));
  return { type: PAGED_RESULTS, critical: true, value };
}

function berControl({ type, critical, value }: RequestControl): Buffer {
  const parts = [berText(type), berBoolean(critical), ...(value === null ? [] : [berElement(BER.octetString, value)])];
  return berElement(BER.sequence, ...parts);
}

/** The choices of a Filter (RFC 4511 §4.5.1.7). */
const FILTER_TAGS: Readonly<Record<Filter['kind'], number>> = {
  and: 0xa0,
  or: 0xa1,
  not: 0xa2,
  equality: 0xa3,
  substrings: 0xa4,
  greaterOrEqual: 0xa5,
  lessOrEqual: 0xa6,
  present: 0x87,
  approx: 0xa8,
  extensible: 0xa9,
};
const INITIAL = 0x80;
const ANY = 0x81;
const FINAL = 0x82;
/** The parts of a MatchingRuleAssertion (RFC 4511 §4.5.1). */
const MATCHING_RULE = 0x81;
const RULE_TYPE = 0x82;
const MATCH_VALUE = 0x83;

/** A filter, written from its tree; its depth is bounded by who made it, the configuration or ourselves. */
export function berFilter(filter: Filter): Buffer {
  const tag = FILTER_TAGS[filter.kind];
  switch (filter.kind) {
    case 'and':
    case 'or':
      return berElement(tag, ...filter.filters.map(berFilter));
    case 'not':
      return berElement(tag, berFilter(filter.filter));
    case 'present':
      return berElement(tag, Buffer.from(filter.attribute, 'utf8'));
    case 'equality':
    case 'greaterOrEqual':
    case 'lessOrEqual':
    case 'approx':
      return berElement(tag, berText(filter.attribute), berElement(BER.octetString, bytesOf(filter.value)));
    case 'extensible':
      return berElement(
        tag,
        berElement(MATCHING_RULE, bytesOf(filter.rule)),
        berElement(RULE_TYPE, bytesOf(filter.attribute)),
        berElement(MATCH_VALUE, bytesOf(filter.value)),
      );
    case 'substrings': {
      const { initial, any, final } = filter;
      const pieces = [
        ...(initial.length > 0 ? [berElement(INITIAL, bytesOf(initial))] : []),
        ...any.map((piece) => berElement(ANY, bytesOf(piece))),
        ...(final.length > 0 ? [berElement(FINAL, bytesOf(final))] : []),
      ];
      return berElement(tag, berText(filter.attribute), berElement(BER.sequence, ...pieces));
    }
    default:
      return filter satisfies never;
  }
}

function bytesOf(value: FilterValue): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
}
