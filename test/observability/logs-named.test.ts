import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const ROOT = new URL('../../', import.meta.url);

interface Row {
  readonly event: string;
  readonly levels: readonly string[];
  readonly fields: readonly string[];
}

const document = readFileSync(new URL('docs/logs.md', ROOT), 'utf8');
const rows: readonly Row[] = [...document.matchAll(/^\| `([a-z]+\.[a-z-]+)` \|([^|]*)\|([^|]*)\|(?: [^|]+ \|){2}$/gm)].map(
  ([, event = '', levels = '', fields = '']) => ({
    event,
    levels: levels.trim().split(', '),
    fields: [...fields.matchAll(/`(\w+)`/g)].map(([, name = '']) => name),
  }),
);

/** The places in src that write a line: what stands for its event, the level where it is said there, the fields written out there. */
interface Place {
  readonly path: string;
  readonly event: string;
  readonly level: string | null;
  readonly fields: readonly string[];
}

/** Names that only a run tells, where a line is written for several. */
const DYNAMIC: Readonly<Record<string, readonly string[]>> = {
  'src/engine/claim-membership.ts kind': ['grant.activated', 'grant.updated'],
  'src/engine/intake.ts result.kind': ['job.succeeded', 'job.failed'],
  'src/engine/sync-job.ts result.kind': ['job.succeeded', 'job.failed'],
  'src/observability/log-format.ts WITHHELD.event': [],
};

/** Where `event` is no log line: what is emitted by a socket, and the frame of that name. */
const NO_LINE = /^(?:src\/(?:protocol|access|ledger\/sqlite\/events\.ts|control-plane|sandbox)\b)/;

const places: readonly Place[] = globSync('src/**/*.ts', { cwd: ROOT })
  .filter((path) => !NO_LINE.test(path))
  .flatMap((path) => placesIn(path, readFileSync(new URL(path, ROOT), 'utf8')));

function placesIn(path: string, text: string): readonly Place[] {
  return [...text.matchAll(/\bevent: ([^,}\n]+)/g)].flatMap(({ 1: expression = '', index }) => {
    const literal = objectAround(text, index);
    const quoted = [...expression.matchAll(/'([^']+)'/g)].map(([, name = '']) => name);
    const events = quoted.length > 0 ? quoted : DYNAMIC[`${path} ${expression.trim()}`];
    // A declaration of a type, and the events that are told to the control plane.
    if (events === undefined)
      return /^(?:string|Event|eventToWire\(|JSON|\{|fields|Losable)/.test(expression) ? [] : [unknown(path, expression)];
    const [, level = null] = /\.(trace|debug|info|warn|error|fatal)\(\s*$/.exec(text.slice(0, literal.begin)) ?? [];
    return events.filter((event) => event.includes('.')).map((event) => ({ path, event, level, fields: fieldsOf(literal.text) }));
  });
}

function unknown(path: string, expression: string): Place {
  return { path, event: `${path} ${expression.trim()}`, level: null, fields: [] };
}

/** The braces around a place, and what is between them. */
function objectAround(text: string, at: number): { readonly begin: number; readonly text: string } {
  let begin = at;
  for (let depth = 0; begin > 0; begin -= 1) {
    const char = text.charAt(begin - 1);
    if (char === '}') depth += 1;
    if (char === '{' && depth === 0) break;
    if (char === '{') depth -= 1;
  }
  let end = begin;
  for (let depth = 0; end < text.length; end += 1) {
    const char = text.charAt(end);
    if (char === '{') depth += 1;
    if (char === '}' && depth === 0) break;
    if (char === '}') depth -= 1;
  }
  return { begin: begin - 1, text: text.slice(begin, end) };
}

/** The keys of an object that stand in it by name; what is spread into it is not seen. */
function fieldsOf(literal: string): readonly string[] {
  let flat = literal;
  for (let before = ''; before !== flat; ) {
    before = flat;
    flat = flat.replace(/\([^(){}[\]]*\)|\{[^(){}[\]]*\}|\[[^(){}[\]]*\]/g, '');
  }
  return flat
    .split(',')
    .map((member) => member.trim().split(':')[0]?.trim() ?? '')
    .filter((name) => /^\w+$/.test(name) && name !== 'event' && name !== 'message');
}

test('every event that a line of src names has a row in docs/logs.md, and every row an event', () => {
  assert.deepEqual(rows.map(({ event }) => event).toSorted(), [...new Set(places.map(({ event }) => event))].toSorted());
});

test('a line is written at a level that its row names, with fields that its row names', () => {
  assert.ok(places.filter(({ level }) => level !== null).length > 80);
  for (const { path, event, level, fields } of places) {
    const row = rows.find((one) => one.event === event);
    if (level !== null) assert.ok(row?.levels.includes(level), `${path}: ${event} is written at level ${level}`);
    for (const field of fields) assert.ok(row?.fields.includes(field), `${path}: ${event} has the field ${field}`);
  }
});

test('a field that a row names is written somewhere', () => {
  const all = globSync('src/**/*.ts', { cwd: ROOT })
    .map((path) => readFileSync(new URL(path, ROOT), 'utf8'))
    .join('\n');
  for (const { event, fields } of rows)
    for (const field of fields) assert.ok(new RegExp(`\\b${field}\\b`).test(all), `${event}: ${field}`);
});
