import { z } from 'zod';
import { parseDn } from '../access/dn.ts';
import { type GroupRule, type NamedGroupRule, type PolicyRules, ruleName } from '../access/group-rules.ts';
import { parseEntryId } from '../access/ids.ts';
import type { GroupRef } from '../access/reference.ts';
import { durationMs } from './values.ts';

// Every message says what is expected; what was found is told beside it.

const MAX_GROUPS = 10_000;
const MAX_REQUESTERS = 1_000;
/** Of a DN, or of a name; as long as the protocol lets either be. */
const MAX_TEXT = 4096;
/** Of `requestedBy` in a job. */
const MAX_REQUESTER = 256;
const MAX_COUNT = 1_000_000;

const text = (length: number, expected: string) => z.string(expected).min(1, expected).max(length, expected);

const count = (what: string) => {
  const expected = `${what}, a whole number from 1 to ${MAX_COUNT}`;
  return z.int(expected).min(1, expected).max(MAX_COUNT, expected);
};

/** A span as the variables have it. */
function span(what: string, { least, most }: { least: string; most: string }) {
  const expected = `${what}: a duration such as 15m, 8h or 7d, from ${least} to ${most}`;
  return z
    .string(expected)
    .regex(/^\d{1,12}(?:ms|s|m|h|d)$/, expected)
    .transform((written, context): number => {
      const ms = durationMs(written) ?? 0;
      if (ms >= (durationMs(least) ?? 0) && ms <= (durationMs(most) ?? 0)) return ms;
      context.issues.push({ code: 'custom', message: expected, input: written });
      return z.NEVER;
    })
    .meta({ description: expected });
}

function rate(what: string) {
  const expected = `${what}, such as { "grants": 10, "per": "1h" }`;
  return z
    .strictObject(
      { grants: count('how many at once'), per: span('within which as many come back', { least: '1s', most: '7d' }) },
      expected,
    )
    .transform(({ grants, per }) => ({ grants, perMs: per }))
    .meta({ description: expected });
}

const RULE = {
  requestedBy: z
    .array(text(MAX_REQUESTER, `one who may ask, a text of 1 to ${MAX_REQUESTER} characters`), 'a list of those who may ask')
    .min(1, 'at least one who may ask; a group that nobody may ask for belongs into LATCHKEY_PROTECTED_GROUPS')
    .max(MAX_REQUESTERS, `at most ${MAX_REQUESTERS}`)
    .optional()
    .meta({ description: 'who may ask for grants, as the requestedBy of a job says it, letter for letter' }),
  maxGrant: span('the longest time that one user is kept in the group without a break', {
    least: '1s',
    most: '3650d',
  }).optional(),
  maxActiveGrants: count('how many grants of the group may be open at one time').optional(),
  rate: rate('new grants of the group').optional(),
  ratePerUser: rate('new grants of one user in the group').optional(),
};

const EXCLUSIVE = 'true or false: whether nobody but who has a grant may be in the group; others are reported';
const GROUP = 'the group: { "dn": … }, { "name": … } or { "id": … }, exactly one of them';

const group = z
  .strictObject(
    {
      dn: text(MAX_TEXT, 'a distinguished name (RFC 4514)').optional(),
      name: text(MAX_TEXT, 'the name of a group').optional(),
      id: text(128, 'the stable id of a group').optional(),
    },
    GROUP,
  )
  .transform((written, context): GroupRef => {
    const refused = (message: string) => {
      context.issues.push({ code: 'custom', message, input: written });
      return z.NEVER;
    };
    if (Object.keys(written).length !== 1) return refused(GROUP);
    const { dn, name = '', id } = written;
    if (dn !== undefined) {
      const read = parseDn(dn);
      return read.ok && dn.trim() !== '' ? { by: 'dn', dn: read.value } : refused('a distinguished name (RFC 4514)');
    }
    if (id !== undefined) {
      const read = parseEntryId(id);
      return read.ok ? { by: 'id', id: read.value } : refused('a stable id such as 0b5e7c1a-7f0d-4f0e-9d57-0a4f3c1d2e3f');
    }
    return name.trim() === '' ? refused('the name of a group') : { by: 'name', name: name.trim() };
  })
  .meta({ description: GROUP, minProperties: 1, maxProperties: 1 });

/** The policy file. Its input side is the JSON Schema that is published. */
export const policySchema = z
  .strictObject(
    {
      $schema: z.string('the address of the JSON Schema, for an editor').max(MAX_TEXT).optional(),
      default: z
        .strictObject(RULE, 'an object: the rule of every group, for what no rule of its own says')
        .optional()
        .meta({ description: 'the rule of every group, for what no rule of its own says' }),
      perUser: z
        .strictObject({ rate: rate('new grants of one user, of whatever groups') }, 'an object with a rate')
        .optional()
        .meta({ description: 'what holds for each user, of whatever groups' }),
      groups: z
        .array(
          z.strictObject(
            { group, ...RULE, exclusive: z.boolean(EXCLUSIVE).optional().meta({ description: EXCLUSIVE }) },
            'an object',
          ),
          'a list of rules, each of one group',
        )
        .max(MAX_GROUPS, `at most ${MAX_GROUPS} rules`)
        .optional()
        .meta({ description: 'rules, each of one group' }),
    },
    'one JSON object',
  )
  .meta({
    title: 'Latchkey policy file',
    description: 'Rules of the connector that no control plane can change (LATCHKEY_POLICY_FILE).',
  });

type WrittenPolicy = z.output<typeof policySchema>;
type WrittenRule = NonNullable<WrittenPolicy['default']>;

/** The rules as the engine takes them, each with its place. */
export function rulesOf({ default: byDefault, perUser, groups = [] }: WrittenPolicy): PolicyRules {
  return {
    groups: groups.map(
      ({ group: ref, exclusive, ...rule }, i): NamedGroupRule => ({
        ...ruleOf(rule, `/groups/${i}`),
        group: ref,
        exclusive: exclusive ?? null,
      }),
    ),
    default: byDefault === undefined ? null : { ...ruleOf(byDefault, '/default'), exclusive: null },
    userRate: perUser?.rate === undefined ? null : { value: perUser.rate, rule: ruleName('/perUser/rate') },
  };
}

function ruleOf(rule: WrittenRule, place: string): Omit<GroupRule, 'exclusive'> {
  return {
    place,
    requestedBy: rule.requestedBy ?? null,
    maxGrantMs: rule.maxGrant ?? null,
    maxActiveGrants: rule.maxActiveGrants ?? null,
    rate: rule.rate ?? null,
    ratePerUser: rule.ratePerUser ?? null,
  };
}
