import { type Chance, chance } from './chance.ts';
import type { Random } from './target.ts';

/** Texts that stand where a value stood, as they are: some are no JSON value, or none that survives a parser. */
const SPLICES = [
  'null',
  'true',
  'false',
  '0',
  '-0',
  '1',
  '1.0',
  '1.5',
  '1e400',
  '-1',
  '9007199254740993',
  '01',
  'NaN',
  '[]',
  '{}',
  '""',
  '"a"',
  '"\\u0000"',
  '"\\ud800"',
  '"\ud83d\ude00a"',
  '{"__proto__":{}}',
  '{"toString":1}',
  '"__proto__"',
  '"constructor"',
  '"*"',
  '")(uid=*"',
  `"${'x'.repeat(257)}"`,
  '[[[[]]]]',
  '{"username":"u","dn":"uid=a"}',
  '{"name":"n","id":"0b5e7c1a-7f0d-4f0e-9d57-0a4f3c1d2e3f"}',
  '"2026-02-30T00:00:00Z"',
  '"2026-11-22T23:59:60Z"',
  '"2026-11-22T24:00:00Z"',
  '"2026-11-22t21:00:00.123456789z"',
  '"2026-11-22T21:00:00+23:59"',
  '"2026-11-22 21:00:00Z"',
  '"8h"',
  '"99999d"',
  '"grant"',
  '"revoke"',
  `${'['.repeat(40)}${']'.repeat(40)}`,
] as const;
/** They take as long as a hundred others, so they are chosen seldom. */
const LARGE_SPLICES = [`"${'x'.repeat(9000)}"`, `[${'0,'.repeat(11_000)}0]`] as const;
const LARGE_SHARE = 0.002;
const NAMES = ['__proto__', 'constructor', 'toString', 'type', 'job', 'jws', 'kind', 'dn', 'name', 'id', 'rate', 'x'] as const;

function splice({ pick, often }: Chance): string {
  return often(LARGE_SHARE) ? pick(LARGE_SPLICES) : pick(SPLICES);
}

/** One of these texts, spoilt by chance: edited as a value, then as a text; or nothing but grammar, or bytes. Some are left whole. */
export function jsonMutant(valid: readonly [string, ...string[]], random: Random): string {
  const choice = chance(random);
  const { pick, often, below } = choice;
  const kind = random();
  if (kind < 0.03) return Buffer.from(Array.from({ length: below(200) }, () => below(256))).toString('utf8');
  if (kind < 0.12) return grown(choice, namesIn(pick(valid)), 4);
  let text = pick(valid);
  for (let edits = below(4); edits > 0; edits -= 1) text = edited(text, { choice, valid });
  for (let spoils = often(0.3) ? 1 + below(2) : 0; spoils > 0; spoils -= 1) text = spoilt(text, choice);
  return text;
}

/** One that only grammar gives: with names of the text that it shall resemble, and values of any kind. */
function grown(choice: Chance, names: readonly [string, ...string[]], levels: number): string {
  const { pick, often, below } = choice;
  if (levels === 0 || often(0.3)) return splice(choice);
  const many = Array.from({ length: below(6) }, () => grown(choice, names, levels - 1));
  if (often(0.2)) return `[${many.join(',')}]`;
  return `{${many.map((value) => `${JSON.stringify(pick(names))}:${value}`).join(',')}}`;
}

function namesIn(text: string): readonly [string, ...string[]] {
  return ['x', ...[...text.matchAll(/"([A-Za-z$]+)":/g)].map(([, name = '']) => name)];
}

/** A member with the place of its value: texts, numbers and words; of an array or an object only where it is a flat one. */
const MEMBER = /"((?:[^"\\]|\\.)*)":("(?:[^"\\]|\\.)*"|-?[0-9.e+]+|true|false|null|\[[^[\]{}]*\]|\{[^[\]{}]*\})/g;

/** One member exchanged, taken away, doubled, renamed, or one more beside it. */
function edited(text: string, { choice, valid }: { choice: Chance; valid: readonly [string, ...string[]] }): string {
  const { pick, below } = choice;
  const members = [...text.matchAll(MEMBER)];
  const member = members[below(members.length)];
  if (member === undefined) return text;
  const [whole, name = '', value = ''] = member;
  const replace = (by: string) => text.slice(0, member.index) + by + text.slice(member.index + whole.length);
  const shown = JSON.stringify(name);
  const other = () => {
    const [, otherName = 'x', otherValue = '0'] = pick([...pick(valid).matchAll(MEMBER), member] as [RegExpExecArray]);
    return { otherName, otherValue };
  };
  switch (below(8)) {
    case 0:
    case 1:
      return replace(`${shown}:${splice(choice)}`);
    case 2:
      return replace(`${shown}:${other().otherValue}`);
    case 3:
      return replace(`${whole},${shown}:${pick([value, splice(choice)])}`);
    case 4: {
      const { otherName, otherValue } = other();
      return replace(`${whole},${JSON.stringify(otherName)}:${otherValue}`);
    }
    case 5:
      // The member is left out, with the comma at one of its sides.
      return replace('').replace(/,,|\{,|,\}/, (found) => found.replace(',', ''));
    case 6:
      return replace(`${JSON.stringify(pick(NAMES))}:${value}`);
    default:
      // The same name in another spelling, a second time.
      return replace(`${whole},"${escaped(name)}":${value}`);
  }
}

function escaped(name: string): string {
  return `\\u${(name.charCodeAt(0) || 0x78).toString(16).padStart(4, '0')}${name.slice(1)}`;
}

function spoilt(text: string, { below, pick }: Chance): string {
  const at = below(text.length + 1);
  const [before, after] = [text.slice(0, at), text.slice(at)];
  switch (below(6)) {
    case 0:
      return before;
    case 1:
      return before + after.slice(1);
    case 2:
      return (
        before + pick(['"', '\\', '{', '}', '[', ']', ',', ':', '\u0000', ' ', '\n', '\ufeff', '\ud800', '/**/', '0']) + after
      );
    case 3:
      return before + String.fromCharCode(below(0x1_00_00)) + after.slice(1);
    case 4:
      return before + after.slice(0, below(40)) + after;
    default:
      return text + pick([' ', '\n', '{}', '\u0000', text]);
  }
}

/**
 * Whether a text that JSON.parse reads says everything once, and within bounds: the members that are written are as many as the
 * members that are left, since the last of one name replaces the others.
 */
export function isPlainJson(text: string, { depth, values }: { readonly depth: number; readonly values: number }): boolean {
  const written = [...text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)].filter(([, colon]) => colon !== undefined).length;
  const counts = { members: 0, values: 0, depth: 0 };
  const walk = (value: unknown, level: number): void => {
    counts.values += 1;
    if (typeof value !== 'object' || value === null) return;
    counts.depth = Math.max(counts.depth, level);
    if (!Array.isArray(value)) counts.members += Object.keys(value).length;
    for (const one of Object.values(value)) walk(one, level + 1);
  };
  walk(JSON.parse(text), 1);
  return counts.members === written && counts.values <= values && counts.depth <= depth;
}
