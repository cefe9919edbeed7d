import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { inspect } from 'node:util';
import { Ajv2020 } from 'ajv/dist/2020.js';
import * as fc from 'fast-check';
import { configDocs } from '../../scripts/config-docs.ts';
import { parsePolicy, readPolicyFile } from '../../src/config/read-policy-file.ts';

const DAY_MS = 86_400_000;
const MOST = { maxGrantMs: 7 * DAY_MS };
const read = (text: string) => parsePolicy(text, MOST);
/** As it is published: config-docs.test.ts holds the file to it. */
const schema = JSON.parse(configDocs().get('docs/policy.schema.json') ?? '') as object;
const validate = new Ajv2020({ strict: true, allErrors: true }).compile(schema);

const folder = mkdtempSync(join(tmpdir(), 'latchkey-policy-'));
after(() => rmSync(folder, { recursive: true }));

/** The problems as `place: found | expected`. */
function problemsOf(text: string): readonly string[] {
  const parsed = read(text);
  assert.ok(!parsed.ok, text);
  return parsed.problems.map((problem) =>
    'whole' in problem
      ? problem.whole
      : `${problem.variable.replace('LATCHKEY_POLICY_FILE#', '')}: ${problem.found} | ${problem.expected}`,
  );
}

function refused(value: unknown, about: RegExp): void {
  const problems = problemsOf(typeof value === 'string' ? value : JSON.stringify(value));
  assert.equal(problems.length, 1, inspect(problems));
  assert.match(problems[0] ?? '', about);
}

const admins = { group: { name: 'admins' } };

test('everything that a file can say takes effect', () => {
  const parsed = read(
    JSON.stringify({
      $schema: './policy.schema.json',
      default: { maxGrant: '8h' },
      perUser: { rate: { grants: 20, per: '1d' } },
      groups: [
        {
          group: { dn: 'CN=Admins,DC=x' },
          requestedBy: ['bot'],
          maxGrant: '30m',
          maxActiveGrants: 3,
          rate: { grants: 10, per: '1h' },
          ratePerUser: { grants: 2, per: '1m' },
          exclusive: true,
        },
        { group: { id: '6BA7B810-9dad-11d1-80b4-00c04fd430c8' }, exclusive: false },
      ],
    }),
  );
  assert.ok(parsed.ok, inspect(parsed));
  const { groups, userRate, default: byDefault } = parsed.rules;
  assert.deepEqual(groups[0], {
    place: '/groups/0',
    group: { by: 'dn', dn: 'CN=Admins,DC=x' },
    requestedBy: ['bot'],
    maxGrantMs: 1_800_000,
    maxActiveGrants: 3,
    rate: { grants: 10, perMs: 3_600_000 },
    ratePerUser: { grants: 2, perMs: 60_000 },
    exclusive: true,
  });
  assert.deepEqual(groups[1]?.group, { by: 'id', id: '6ba7b810-9dad-11d1-80b4-00c04fd430c8' });
  assert.deepEqual([byDefault?.maxGrantMs, byDefault?.place], [28_800_000, '/default']);
  assert.deepEqual(userRate, { value: { grants: 20, perMs: DAY_MS }, rule: 'LATCHKEY_POLICY_FILE#/perUser/rate' });
});

test('an unknown name is a problem with its place and the nearest known name', () => {
  refused({ group: [] }, /^\/group: an unknown name \| a known name; did you mean groups\?$/);
  refused({ groups: [{ ...admins, maxGrants: '8h' }] }, /^\/groups\/0\/maxGrants: .* did you mean maxGrant\?$/);
  refused({ groups: [{ group: { cn: 'x', dn: 'cn=x' } }] }, /^\/groups\/0\/group\/cn: .* did you mean dn\?$/);
  refused({ default: { rates: { grants: 1, per: '1h' } } }, /^\/default\/rates: .* did you mean rate\?$/);
  // Nobody who writes "exclusive" means "rate".
  refused(
    { default: { exclusive: true } },
    /^\/default\/exclusive: an unknown name \| a known name, which are here requestedBy, /,
  );
  refused({ default: { rate: { grants: 1, per: '1h', burst: 3 } } }, /^\/default\/rate\/burst: an unknown name/);
  refused('{"__proto__": {}}', /^\/__proto__: an unknown name/);
  refused({ 'a/b~c': 1 }, /^\/a~1b~0c: /);
});

test('a value is a problem with its place, what was found and what is expected', () => {
  refused({ default: { maxGrant: '8 hours' } }, /^\/default\/maxGrant: "8 hours" \| .*a duration such as 15m/);
  refused({ default: { maxGrant: 8 } }, /^\/default\/maxGrant: 8 \| .*a duration/);
  refused({ default: { maxActiveGrants: 0 } }, /^\/default\/maxActiveGrants: 0 \| .* a whole number from 1/);
  refused({ default: { maxActiveGrants: 1.5 } }, /1\.5/);
  refused({ default: { requestedBy: [] } }, /^\/default\/requestedBy: \[\] \| at least one/);
  refused({ default: { requestedBy: ['a', ''] } }, /^\/default\/requestedBy\/1: /);
  refused({ default: { rate: { grants: 1 } } }, /^\/default\/rate\/per: not set \| /);
  refused({ perUser: {} }, /^\/perUser\/rate: not set \| /);
  refused({ groups: [{ maxGrant: '1h' }] }, /^\/groups\/0\/group: not set \| the group: /);
  refused({ groups: [{ group: {}, maxGrant: '1h' }] }, /exactly one/);
  refused({ groups: [{ group: { dn: 'cn=x', name: 'x' }, maxGrant: '1h' }] }, /exactly one/);
  refused({ groups: [{ group: { dn: 'x' }, maxGrant: '1h' }] }, /RFC 4514/);
  refused({ groups: [{ group: { id: 'x' }, maxGrant: '1h' }] }, /stable id/);
  refused([], /^: \[\] \| one JSON object$/);
});

test('what a rule cannot mean is refused: longer than LATCHKEY_MAX_GRANT, a group twice, a rule that says nothing', () => {
  refused({ default: { maxGrant: '8d' } }, /^\/default\/maxGrant: 8d \| at most LATCHKEY_MAX_GRANT, which is 7d$/);
  const twice = [
    { group: { dn: 'cn=a, dc=x' }, maxGrant: '1h' },
    { group: { dn: 'CN=A,DC=X' }, maxGrant: '2h' },
  ];
  refused({ groups: twice }, /^\/groups\/1\/group: the group of LATCHKEY_POLICY_FILE#\/groups\/0 \| one rule/);
  refused({ groups: [admins] }, /^\/groups\/0: nothing but the group \| at least one of requestedBy, maxGrant/);
});

test('every problem is told at once', () => {
  assert.equal(
    problemsOf('{"a":1,"default":{"maxGrant":"x","rate":{}},"groups":[{"group":{"name":""},"exclusive":"yes"}]}').length,
    6,
  );
});

test('what is no JSON is told by its place and nothing of it is shown; what can be read two ways is refused', () => {
  refused('{"default":\n  {"maxGrant" "the-password-of-someone"}}', /^holds no JSON from line 2, character \d+ on$/);
  refused('', /^holds no JSON/);
  refused(
    '{"groups": [],\n "groups": []}',
    /two members of one object are called "groups", the second time in line 2, character 2$/,
  );
  refused('{"groups": [], "gr\\u006fups": []}', /two members/);
  refused('['.repeat(100), /nested deeper/);
});

test('a file is known by the hash of its bytes, and one that cannot be read is a problem that names it', () => {
  const path = join(folder, 'policy.json');
  writeFileSync(path, '{}');
  const found = readPolicyFile(path, MOST);
  assert.ok(found.ok && found.file.path === path);
  writeFileSync(path, '{ }');
  const other = readPolicyFile(path, MOST);
  assert.ok(other.ok && other.file.sha256 !== found.file.sha256);
  for (const [wrong, about] of [
    [join(folder, 'none.json'), /none\.json", which does not exist/],
    [folder, /not a regular file/],
  ] as const) {
    const missing = readPolicyFile(wrong, MOST);
    assert.ok(!missing.ok && missing.problems.length === 1);
    assert.match(missing.problems[0]?.found ?? '', about);
  }
});

// What zod and the published schema can both say; the rest (ranges of spans, names, what contradicts) only the reader does.
const WORDS = ['8h', '15m', 'x', '', 3, 0, 1.5, null, true, ['bot'], [], {}, { grants: 1, per: '1h' }, { grants: 0, per: 1 }];
const mostly = (right: unknown) => fc.oneof({ weight: 6, arbitrary: fc.constant(right) }, fc.constantFrom(...WORDS));
const rate = mostly({ grants: 1, per: '1h' });
const ruleLike = fc.record(
  {
    requestedBy: mostly(['bot']),
    maxGrant: mostly('8h'),
    maxActiveGrants: mostly(3),
    rate,
    ratePerUser: rate,
    exclusive: fc.boolean(),
  },
  { requiredKeys: [] },
);
const policyLike = fc.record(
  {
    default: ruleLike,
    perUser: fc.oneof(fc.record({ rate }), ruleLike),
    groups: fc.array(
      fc
        .tuple(ruleLike, fc.constantFrom({ name: 'a' }, { name: 'c' }, { dn: 'cn=b' }, {}, { name: 'a', dn: 'cn=b' }))
        .map(([rule, group]) => ({ ...rule, group })),
      { maxLength: 3 },
    ),
    $schema: fc.constant('./policy.schema.json'),
  },
  { requiredKeys: [] },
);

test('what is taken the published schema takes, and what that refuses is refused', () => {
  let taken = 0;
  fc.assert(
    fc.property(policyLike, (value) => {
      const parsed = read(JSON.stringify(value));
      if (parsed.ok) taken += 1;
      if (parsed.ok) assert.ok(validate(value), inspect([value, validate.errors], { depth: 9 }));
    }),
    { numRuns: 400 },
  );
  assert.ok(taken > 5, `${taken} were taken`);
});

test('no text makes the reader throw', () => {
  const text = fc.oneof(
    fc.string({ maxLength: 200 }),
    fc.json({ maxDepth: 4 }),
    policyLike.map((value) => JSON.stringify(value)),
    fc.tuple(policyLike, fc.nat(200), fc.string({ maxLength: 3 })).map(([value, at, put]) => {
      const whole = JSON.stringify(value);
      return `${whole.slice(0, at)}${put}${whole.slice(at + 1)}`;
    }),
  );
  fc.assert(
    fc.property(text, (one) => {
      const parsed = read(one);
      assert.ok(parsed.ok || parsed.problems.length > 0);
    }),
    { numRuns: 600 },
  );
});
