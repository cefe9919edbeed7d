import type { Directory } from '../directory/directory.ts';
import type { Engine } from '../engine/engine.ts';
import { type Ledger, LedgerError } from '../ledger/ledger.ts';
import type { Link } from '../link/link.ts';
import type { HealthPart, HealthParts } from '../observability/health.ts';
import type { LedgerStates, States } from '../observability/metrics.ts';
import type { ConnectorBackups } from './backups.ts';
import type { ConnectorSync } from './sync.ts';

export interface StatesParts {
  readonly ledger: Ledger;
  readonly directory: Directory;
  readonly link: Link;
  readonly engine: Engine;
  readonly sync: ConnectorSync;
  readonly backups: Pick<ConnectorBackups, 'states'>;
  readonly health: () => Promise<HealthParts>;
}

/** Reads what metrics tell of this moment: from the ledger and from each part, and nothing that was kept from before. */
export async function readStates({ ledger, directory, link, engine, sync, backups, health }: StatesParts): Promise<States> {
  const parts = Object.entries<HealthPart>({ ...(await health()) }).map(([part, { ready }]) => [part, ready]);
  const { clock, pursued, failing, pausedSince } = engine.status();
  const linkStatus = link.status();
  return {
    ready: Object.fromEntries(parts) as States['ready'],
    ledger: await ledgerStates(ledger, clock.now),
    isDirectoryUp: directory.status().state === 'up',
    link: linkStatus.state,
    linkSkewMs: linkStatus.state === 'connected' ? linkStatus.skewMs : null,
    pursued,
    failing,
    isPaused: pausedSince !== null,
    clock,
    sync: sync.states(),
    backups: backups.states(),
  };
}

async function ledgerStates(ledger: Ledger, now: States['clock']['now']): Promise<LedgerStates | null> {
  try {
    const { pending, active, ending, endingSince, openJobs } = await ledger.census();
    const nextExpiry = await ledger.nextExpiry();
    const { nextSeq } = await ledger.identity();
    const [oldest] = await ledger.events({ after: 0, limit: 1 });
    // One that is due and not yet begun to end is late as well: its ledger may be what is in the way.
    const dueSince = Math.min(endingSince ?? now, nextExpiry ?? now);
    return {
      grants: { pending, active, ending },
      overdueMs: Math.max(0, now - dueSince),
      ownershipUnknown: await ledger.countOwnershipUnknown(),
      openJobs,
      outbox: oldest === undefined ? 0 : nextSeq - oldest.seq,
      outboxAgeMs: oldest === undefined ? 0 : now - oldest.at,
      space: await ledger.space(),
    };
  } catch (error) {
    if (error instanceof LedgerError) return null;
    throw error;
  }
}
