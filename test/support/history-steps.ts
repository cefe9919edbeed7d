import fc from 'fast-check';
import { FAIL_POINTS, type FailPoint } from '../../src/access/fail-point.ts';
import { DRIFT_ACTIONS, type DriftAction } from '../../src/access/policy.ts';
import type { Ledger, Space } from '../../src/ledger/ledger.ts';
import type { LostAnswer } from './fake-directory.ts';
import { PERSONALITIES, type ServerName } from './fake-servers.ts';

/** A server, and what happens on it and around it. */
export interface History {
  readonly server: ServerName;
  /** Told and left alone, where it is not said. */
  readonly drift?: DriftAction;
  readonly steps: readonly Step[];
}

/** One thing that happens, to the connector or around it. Users, groups and jobs are numbers. */
export type Step =
  | {
      readonly do: 'grant';
      readonly grant: number;
      readonly user: number;
      readonly group: number;
      readonly seconds: number;
      readonly by: 'username' | 'dn' | 'id';
      /** The end is said as an instant, not as a span. */
      readonly fixed?: boolean;
      /** How long until `notAfter`; without it there is none. */
      readonly withinMs?: number;
    }
  /** Grants for as many users, all of one group and one end. */
  | { readonly do: 'crowd'; readonly group: number; readonly users: number; readonly seconds: number }
  | { readonly do: 'revoke'; readonly grant: number }
  /** An earlier job comes again, with its content or with other content under its id. */
  | { readonly do: 'again'; readonly job: number; readonly changed: boolean }
  | { readonly do: 'ask'; readonly kind: 'check' | 'list' }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'suspend'; readonly ms: number; readonly monotonic: 'stops' | 'goes on' }
  | { readonly do: 'wall'; readonly ms: number }
  | { readonly do: 'directory'; readonly up: boolean }
  /** A second server has what there is now, and hears of nothing that is written later. */
  | { readonly do: 'lag' }
  /** That server takes over; without one, another that has everything. */
  | { readonly do: 'fail over' }
  | { readonly do: 'lose'; readonly fate: LostAnswer }
  | { readonly do: 'refuse'; readonly fault: 'refused' | 'busy' }
  /** What was to be applied late is applied. */
  | { readonly do: 'late' }
  | { readonly do: 'put in' | 'take out'; readonly user: number; readonly group: number }
  | { readonly do: 'rename' | 're-create' | 'delete' | 'move'; readonly user: number }
  | { readonly do: 'rename group' | 're-create group' | 'delete group' | 'move group'; readonly group: number }
  | { readonly do: 'crash' }
  /** It dies when it passes that place, and again while it starts where `next` says so. */
  | { readonly do: 'crash at'; readonly point: FailPoint; readonly next?: FailPoint }
  | { readonly do: 'link'; readonly up: boolean }
  | { readonly do: 'ledger'; readonly method: keyof Ledger }
  /** How much can be written: a reserve that is for what was begun, one for endings, or nothing at all. */
  | { readonly do: 'disk'; readonly room: Space | 'none' }
  | { readonly do: 'backup' | 'restore' }
  /** A sync suspects every active grant, with reason or without. */
  | { readonly do: 'suspect' };

/** The last user is in every group from the beginning. */
export const USERS = 6;
/** The last group is protected. */
export const GROUPS = 3;
/** The longest that a membership may last, so short that histories meet it. */
export const MAX_GRANT_MS = 60_000;

const NUMBERS = {
  user: fc.constantFrom(0, 0, 0, 1, 1, 2),
  group: fc.constantFrom(0, 0, 0, 0, 1, 1, 2),
  grant: fc.nat(4),
};
const SECONDS = fc.integer({ min: 1, max: 40 });

/** Places that a history may die at; the others belong to the link, which a fake replaces. */
const POINTS: readonly FailPoint[] = FAIL_POINTS.filter((point) => point !== 'job.received' && point !== 'job.received.sent');

const FAILING: readonly (keyof Ledger)[] = [
  'storeJob',
  'savePending',
  'openIntent',
  'closeIntent',
  'activate',
  'beginEnding',
  'beginEndings',
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
const step: fc.Arbitrary<Step> = fc.oneof<fc.WeightedArbitrary<Step>[]>(
  {
    weight: 20,
    arbitrary: fc.record(
      {
        do: fc.constant('grant'),
        ...NUMBERS,
        seconds: SECONDS,
        by: fc.constantFrom('username', 'dn', 'id'),
        fixed: fc.boolean(),
        withinMs: fc.constantFrom(500, 5000),
      },
      { requiredKeys: ['do', 'grant', 'user', 'group', 'seconds', 'by'] },
    ),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('crowd'),
      group: NUMBERS.group,
      users: fc.integer({ min: 2, max: USERS }),
      seconds: SECONDS,
    }),
  },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('revoke'), grant: NUMBERS.grant }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('again'), job: fc.nat(8), changed: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('ask'), kind: fc.constantFrom('check', 'list') }) },
  { weight: 16, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.constantFrom(1, 300, 1000, 4000, 15_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('suspend'),
      ms: fc.constantFrom(2000, 60_000, 3_600_000),
      monotonic: fc.constantFrom('stops', 'goes on'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('wall'),
      ms: fc.constantFrom(-1000, 1000, -60_000, 20_000, 3_600_000, -7_200_000, 315_360_000_000),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('directory'), up: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('lag') }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('fail over') }) },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('lose'), fate: fc.constantFrom('applied', 'not_applied', 'applied_later') }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('refuse'), fault: fc.constantFrom('refused', 'busy') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('late') }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('put in', 'take out'),
      user: fc.constantFrom(0, 0, 0, 1, 1, 2, USERS - 1),
      group: NUMBERS.group,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constantFrom('rename', 're-create', 'delete', 'move'), user: NUMBERS.user }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('rename group', 're-create group', 'delete group', 'move group'),
      group: NUMBERS.group,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash') }) },
  {
    weight: 6,
    arbitrary: fc.record(
      { do: fc.constant('crash at'), point: fc.constantFrom(...POINTS), next: fc.constantFrom(...POINTS) },
      { requiredKeys: ['do', 'point'] },
    ),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('link'), up: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('ledger'), method: fc.constantFrom(...FAILING) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('disk'), room: fc.constantFrom('ok', 'low', 'endings_only', 'none') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('backup', 'restore') }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('suspect') }) },
);

/**
 * Histories are plain records, and each step means something in every state, so that a shrunk one can be pasted as it is
 * printed, and is replayed by seed and path alone (`fc.commands` needs a replay path of its own, and prints no code).
 */
export const histories: fc.Arbitrary<History> = fc.record({
  server: fc.constantFrom(...(Object.keys(PERSONALITIES) as ServerName[])),
  drift: fc.constantFrom(...DRIFT_ACTIONS),
  steps: fc.array(step, { minLength: 1, maxLength: 25 }),
});
