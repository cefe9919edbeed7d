import type { AuditRecord } from '../access/audit.ts';
import type { Clock } from '../access/clock.ts';
import type { Event } from '../access/event.ts';
import type { GrantId, JobId } from '../access/ids.ts';
import type { Instant } from '../access/instant.ts';
import type { PolicyRule } from '../access/policy.ts';
import type { Pair } from '../access/reference.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Logger } from '../observability/logger.ts';
import type { TrustedClock } from './trusted-clock.ts';

/** A local limit stopped work. */
export interface PolicyTrip {
  readonly rule: PolicyRule;
  /** Whose limit it is, such as the id of a group: of one rule and subject no more is told than once a minute. */
  readonly subject: string;
  /** What was stopped, by what, and what to do: a sentence without its full stop, and never a secret. */
  readonly detail: string;
  /** What was stopped first, where that is one piece of work. */
  readonly jobId?: JobId;
  readonly grantId?: GrantId;
  readonly pair?: Pair;
}

/** Tells the control plane, the audit trail, the log and the metrics of limits that stopped work. */
export interface PolicyTrips {
  /** Resolves when it is on disk. However many jobs are refused, no more is told than the log and the outbox can bear. */
  tell(trip: PolicyTrip): Promise<void>;
}

/** Of one rule and subject; what trips again within it is counted, and told with the next. */
const QUIET_MS = 60_000;

/** Told within that time of all rules together: as many as a person may read. */
const MOST_TOLD = 100;

export function policyTrips({
  ledger,
  clock,
  time,
  log,
  onTold,
}: {
  ledger: Pick<Ledger, 'tell'>;
  clock: Clock;
  time: TrustedClock;
  log: Logger;
  onTold: () => void;
}): PolicyTrips {
  /** When each was told, the earliest first. Bounded by MOST_TOLD. */
  const toldAtMs = new Map<string, number>();
  let untold = 0;

  function mayTell(key: string, nowMs: number): boolean {
    for (const [one, atMs] of toldAtMs) {
      if (nowMs - atMs < QUIET_MS) break;
      toldAtMs.delete(one);
    }
    if (toldAtMs.has(key) || toldAtMs.size >= MOST_TOLD) return false;
    toldAtMs.set(key, nowMs);
    return true;
  }

  return {
    async tell(trip) {
      if (!mayTell(`${trip.rule}/${trip.subject}`, clock.monotonicMs())) {
        untold += 1;
        return;
      }
      const detail = untold === 0 ? trip.detail : `${trip.detail} (and ${untold} more that were not told one by one)`;
      untold = 0;
      const at = time.now();
      const told = { ...trip, detail };
      await ledger.tell({ at, ...tripRecords(told, at) });
      logTrip(log, told);
      onTold();
    },
  };
}

const STOPPED = 'a local limit stopped work';

/** What the control plane and the audit trail are told, for the transaction of what follows from it. */
export function tripRecords(
  { rule, detail, jobId, grantId, pair }: PolicyTrip,
  at: Instant,
): { readonly events: readonly [Event]; readonly audit: readonly [AuditRecord] } {
  const about = {
    ...(jobId === undefined ? {} : { jobId }),
    ...(grantId === undefined ? {} : { grantId }),
    ...(pair === undefined ? {} : { pair }),
  };
  return {
    events: [{ kind: 'policy.tripped', rule, detail }],
    audit: [{ kind: 'policy.tripped', at, ...about, facts: { rule, detail } }],
  };
}

export function logTrip(log: Logger, { rule, subject, detail, jobId, grantId }: PolicyTrip): void {
  log.warn(
    {
      event: 'policy.tripped',
      rule,
      subject,
      ...(jobId === undefined ? {} : { jobId }),
      ...(grantId === undefined ? {} : { grantId }),
    },
    `${SAID[rule]}: ${detail}`,
  );
}

/** An exclusive group stops nothing: it is looked through, and told. */
const SAID: Readonly<Record<PolicyRule, string>> = {
  protected_group: 'a local limit ended grants',
  grant_rate: STOPPED,
  group_rate: STOPPED,
  user_rate: STOPPED,
  group_cap: STOPPED,
  exclusive: 'a local rule is not kept',
};
