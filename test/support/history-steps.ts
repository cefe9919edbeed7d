import fc from 'fast-check';
import { FAIL_POINTS, type FailPoint } from '../../src/access/fail-point.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import type { LostAnswer } from './fake-directory.ts';

/** One thing that happens, to the connector or around it. Users and groups are numbers. */
export type Step =
  | {
      readonly do: 'grant';
      readonly grant: number;
      readonly user: number;
      readonly group: number;
      readonly seconds: number;
      readonly by: 'username' | 'dn' | 'id';
    }
  | { readonly do: 'revoke'; readonly grant: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'directory'; readonly up: boolean }
  | { readonly do: 'lose'; readonly fate: LostAnswer }
  | { readonly do: 'refuse'; readonly fault: 'refused' | 'busy' }
  | { readonly do: 'put in' | 'take out'; readonly user: number; readonly group: number }
  | { readonly do: 'rename' | 're-create'; readonly user: number }
  | { readonly do: 'crash' }
  | { readonly do: 'crash at'; readonly point: FailPoint }
  | { readonly do: 'link'; readonly up: boolean }
  | { readonly do: 'wall'; readonly ms: number }
  | { readonly do: 'ledger'; readonly method: keyof Ledger };

export const USERS = 2;
export const GROUPS = 2;
const NUMBERS = { user: fc.nat(USERS - 1), group: fc.nat(GROUPS - 1), grant: fc.nat(4) };

/** Places that a history may die at; the others belong to the link, which a fake replaces. */
const POINTS: readonly FailPoint[] = FAIL_POINTS.filter((point) => point !== 'job.received' && point !== 'job.received.sent');

const FAILING: readonly (keyof Ledger)[] = [
  'storeJob',
  'savePending',
  'openIntent',
  'closeIntent',
  'activate',
  'beginEnding',
  'end',
  'tell',
  'attach',
  'failGrant',
  'savePeriod',
  'dueGrants',
  'events',
  'pairState',
  'known',
];

/** What may happen, the ordinary more often than the rare. */
export const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof<fc.WeightedArbitrary<Step>[]>(
    {
      weight: 10,
      arbitrary: fc.record({
        do: fc.constant('grant'),
        ...NUMBERS,
        seconds: fc.integer({ min: 1, max: 40 }),
        by: fc.constantFrom('username', 'dn', 'id'),
      }),
    },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('revoke'), grant: NUMBERS.grant }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.constantFrom(1, 300, 1000, 4000, 15_000) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('directory'), up: fc.boolean() }) },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('lose'), fate: fc.constantFrom('applied', 'not_applied', 'applied_later') }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('refuse'), fault: fc.constantFrom('refused', 'busy') }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('put in', 'take out'), user: NUMBERS.user, group: NUMBERS.group }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('rename', 're-create'), user: NUMBERS.user }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('crash') }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('crash at'), point: fc.constantFrom(...POINTS) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('link'), up: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('wall'), ms: fc.constantFrom(-7_200_000, -60_000, 20_000, 3_600_000) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('ledger'), method: fc.constantFrom(...FAILING) }) },
  ),
  { minLength: 1, maxLength: 25 },
);
