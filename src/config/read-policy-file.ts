import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { foldDn } from '../access/dn.ts';
import { formatDuration } from '../access/duration.ts';
import { type NamedGroupRule, type PolicyRules, ruleName } from '../access/group-rules.ts';
import { judgeShape, type Shape } from '../protocol/json-shape.ts';
import { readBoundedFile } from '../secrets/bounded-file.ts';
import { expectedName } from './nearest-name.ts';
import { policySchema, rulesOf } from './policy-schema.ts';
import { type Problem, shown } from './problem.ts';

/** A policy file that was read and is in order. */
export interface PolicyFile {
  readonly path: string;
  /** Of its bytes, hex: two files that differ anywhere have two. */
  readonly sha256: string;
  readonly rules: PolicyRules;
}

export type ReadPolicy =
  | { readonly ok: true; readonly file: PolicyFile }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Ten thousand rules with long names. */
const MAX_FILE_BYTES = 8 * 1_048_576;
const LIMITS = { maxDepth: 8, maxValues: 1_000_000 };
/** Problems that are told of one file; whoever has more repairs these first. */
const MAX_PROBLEMS = 50;

const EXPECTED = 'the path of a readable JSON file with the rules that docs/policy.md describes';

/** Reads the file, and checks all of it: every problem has its place in the file. Rules can only narrow LATCHKEY_MAX_GRANT. */
export function readPolicyFile(path: string, { maxGrantMs }: { maxGrantMs: number }): ReadPolicy {
  const bytes = readBoundedFile(path, MAX_FILE_BYTES);
  if (!bytes.ok) return refused([fileProblem(path, bytes.problem)]);
  const parsed = parsePolicy(bytes.value.toString('utf8'), { maxGrantMs });
  if (!parsed.ok)
    return refused(parsed.problems.map((problem) => ('whole' in problem ? fileProblem(path, problem.whole) : problem)));
  return { ok: true, file: { path, sha256: createHash('sha256').update(bytes.value).digest('hex'), rules: parsed.rules } };
}

/** What a text comes to; `whole` is what is wrong with all of it, and begins with a verb. Never throws. */
export function parsePolicy(
  text: string,
  { maxGrantMs }: { maxGrantMs: number },
):
  | { readonly ok: true; readonly rules: PolicyRules }
  | { readonly ok: false; readonly problems: readonly (Problem | { readonly whole: string })[] } {
  const shape = judgeShape(text, LIMITS);
  if (!shape.ok && !shape.readable) return { ok: false, problems: [{ whole: `is ${shape.problem}` }] };
  let written: unknown;
  try {
    written = JSON.parse(text);
  } catch (error) {
    return { ok: false, problems: [{ whole: `holds no JSON${placeOf(error, text)}` }] };
  }
  if (!shape.ok) return { ok: false, problems: [{ whole: twofold(shape, text) }] };
  const checked = policySchema.safeParse(written);
  if (!checked.success) return { ok: false, problems: problemsOf(checked.error.issues, written) };
  const rules = rulesOf(checked.data);
  const problems = [...tooLong(rules, maxGrantMs), ...saidTwice(rules.groups), ...sayNothing(rules.groups)];
  return problems.length > 0 ? { ok: false, problems } : { ok: true, rules };
}

function refused(problems: readonly Problem[]): ReadPolicy {
  return { ok: false, problems: problems.slice(0, MAX_PROBLEMS) };
}

function fileProblem(path: string, problem: string): Problem {
  return { variable: 'LATCHKEY_POLICY_FILE', found: `${shown(path)}, which ${problem}`, expected: EXPECTED };
}

/** Where the text stops to be JSON. The words of the error show some of it, which may be of another file, with a secret. */
function placeOf(error: unknown, text: string): string {
  const [, digits] = /at position (\d+)/.exec(error instanceof Error ? error.message : '') ?? [];
  if (digits === undefined) return '';
  return ` from ${lineAt(text, Number(digits))} on`;
}

function twofold({ problem, at }: Extract<Shape, { ok: false }>, text: string): string {
  return `cannot be read one way only: ${problem}${at === undefined ? '' : `, the second time in ${lineAt(text, at)}`}`;
}

function lineAt(text: string, at: number): string {
  const lines = text.slice(0, at).split('\n');
  return `line ${lines.length}, character ${(lines.at(-1)?.length ?? 0) + 1}`;
}

type Issue = z.core.$ZodIssue;

function problemsOf(issues: readonly Issue[], written: unknown): readonly Problem[] {
  return issues.flatMap((issue): readonly Problem[] => {
    const { path } = issue;
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({
        variable: ruleName(pointer([...path, key])),
        found: 'an unknown name',
        expected: expectedName(key, knownNames(path)),
      }));
    return [{ variable: ruleName(pointer(path)), found: foundAt(written, path), expected: issue.message }];
  });
}

/** RFC 6901. */
function pointer(path: readonly PropertyKey[]): string {
  return path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

function foundAt(written: unknown, path: readonly PropertyKey[]): string {
  let at: unknown = written;
  for (const step of path)
    at = typeof at === 'object' && at !== null && Object.hasOwn(at, step) ? Reflect.get(at, step) : undefined;
  return at === undefined ? 'not set' : shown(JSON.stringify(at)).slice(1, -1);
}

/** The names that an object of the file may have at that place. */
function knownNames(path: readonly PropertyKey[]): readonly string[] {
  const { groups, perUser, default: byDefault } = policySchema.shape;
  const rule = groups.unwrap().element.shape;
  const [first, , third] = path;
  const last = path.at(-1);
  if (last === 'rate' || last === 'ratePerUser') return ['grants', 'per'];
  if (first === 'groups') return third === 'group' ? ['dn', 'name', 'id'] : Object.keys(rule);
  if (first === 'default') return Object.keys(byDefault.unwrap().shape);
  if (first === 'perUser') return Object.keys(perUser.unwrap().shape);
  return Object.keys(policySchema.shape);
}

/** A rule that allows more than LATCHKEY_MAX_GRANT would promise what is refused. */
function tooLong(rules: PolicyRules, mostMs: number): readonly Problem[] {
  const all = [...(rules.default === null ? [] : [rules.default]), ...rules.groups];
  return all.flatMap(({ place, maxGrantMs }) =>
    maxGrantMs === null || maxGrantMs <= mostMs
      ? []
      : [
          {
            variable: ruleName(`${place}/maxGrant`),
            found: formatDuration(maxGrantMs),
            expected: `at most LATCHKEY_MAX_GRANT, which is ${formatDuration(mostMs)}`,
          },
        ],
  );
}

/** Two rules of one group would leave open which of them holds. */
function saidTwice(rules: readonly NamedGroupRule[]): readonly Problem[] {
  const places = new Map<string, string>();
  return rules.flatMap(({ group, place }) => {
    const key = group.by === 'dn' ? foldDn(group.dn) : group.by === 'id' ? group.id : `name ${group.name.toLowerCase()}`;
    const before = places.get(key);
    if (before === undefined) places.set(key, place);
    if (before === undefined) return [];
    return [
      { variable: ruleName(`${place}/group`), found: `the group of ${ruleName(before)}`, expected: 'one rule for each group' },
    ];
  });
}

function sayNothing(rules: readonly NamedGroupRule[]): readonly Problem[] {
  return rules.flatMap(({ place, group: _group, ...says }) =>
    Object.values(says).some((value) => value !== null)
      ? []
      : [
          {
            variable: ruleName(place),
            found: 'nothing but the group',
            expected: `at least one of ${Object.keys(policySchema.shape.groups.unwrap().element.shape).slice(1).join(', ')}`,
          },
        ],
  );
}
