import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parsePolicy } from '../../../src/config/read-policy-file.ts';
import { isPlainJson, jsonMutant } from './json-mutants.ts';
import type { FuzzTarget } from './target.ts';

const DAY_MS = 86_400_000;
const MAX_GRANT_MS = 7 * DAY_MS;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: DAY_MS };
const rule = {
  requestedBy: ['bot', 'ada'],
  maxGrant: '30m',
  maxActiveGrants: 3,
  rate: { grants: 10, per: '1h' },
  ratePerUser: { grants: 2, per: '1m' },
};
const VALID: readonly object[] = [
  {},
  { $schema: './policy.schema.json', default: { maxGrant: '8h' }, perUser: { rate: { grants: 20, per: '1d' } } },
  { default: rule, groups: [] },
  {
    groups: [
      { group: { dn: 'CN=Admins,DC=x' }, ...rule, exclusive: true },
      { group: { id: '6BA7B810-9dad-11d1-80b4-00c04fd430c8' }, exclusive: false },
      { group: { name: 'vpn' }, maxActiveGrants: 1_000_000 },
    ],
  },
  { groups: [{ group: { name: 'admins' }, maxGrant: '1s' }] },
];

interface WrittenRule {
  readonly maxGrant?: string;
  readonly rate?: { readonly per: string };
  readonly ratePerUser?: { readonly per: string };
}
interface WrittenPolicy {
  readonly default?: WrittenRule;
  readonly perUser?: { readonly rate: { readonly per: string } };
  readonly groups?: readonly (WrittenRule & { readonly group: Readonly<Record<string, string>> })[];
}

/** Policy files: what is accepted is one by the published schema, and says nothing twice, nor longer than may be. */
export function policy(): FuzzTarget {
  const schema = JSON.parse(readFileSync(new URL('../../../docs/policy.schema.json', import.meta.url), 'utf8')) as object;
  const validate = new Ajv2020({ strict: true, allErrors: true }).compile(schema);
  const valid = VALID.map((one) => JSON.stringify(one)) as [string, ...string[]];
  return {
    one(random) {
      const text = jsonMutant(valid, random);
      const parsed = parsePolicy(text, { maxGrantMs: MAX_GRANT_MS });
      assert.equal(Object.hasOwn(Object.prototype, 'rate'), false);
      if (!parsed.ok) {
        assert.ok(parsed.problems.length > 0);
        return 'refused';
      }
      const written: unknown = JSON.parse(text);
      if (!validate(written)) assert.fail(`${text}: ${inspect(validate.errors)}`);
      assert.ok(isPlainJson(text, { depth: 8, values: 1_000_000 }), text);
      const { groups = [], perUser, default: byDefault } = written as WrittenPolicy;
      assert.equal(parsed.rules.groups.length, groups.length);
      for (const one of byDefault === undefined ? groups : [...groups, byDefault]) {
        assert.ok(isBetween(one.maxGrant, 1000, MAX_GRANT_MS), text);
        assert.ok(isBetween(one.rate?.per, 1000, 7 * DAY_MS) && isBetween(one.ratePerUser?.per, 1000, 7 * DAY_MS), text);
      }
      assert.ok(isBetween(perUser?.rate.per, 1000, 7 * DAY_MS), text);
      // Case and spaces tell neither names nor ids of groups apart.
      const spelt = groups.map(({ group }) => JSON.stringify(group).toLowerCase());
      assert.equal(new Set(spelt).size, spelt.length, text);
      return groups.length > 0 ? 'rules of groups' : 'accepted';
    },
    outcomes: ['refused', 'accepted', 'rules of groups'],
  };
}

function isBetween(span: string | undefined, leastMs: number, mostMs: number): boolean {
  if (span === undefined) return true;
  const [, digits = '', unit = ''] = /^([0-9]+)([a-z]+)$/.exec(span) ?? [];
  const ms = Number(digits) * (UNIT_MS[unit] ?? Number.NaN);
  return ms >= leastMs && ms <= mostMs;
}
