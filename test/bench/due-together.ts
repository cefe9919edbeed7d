import type { GrantId } from '../../src/access/ids.ts';
import { type Instant, instant } from '../../src/access/instant.ts';
import type { EntryRef, Pair } from '../../src/access/reference.ts';
import type { Told } from './bench-control-plane.ts';
import { nowMs } from './bench-control-plane.ts';
import { groupDn, personDn } from './bench-server.ts';
import { fillLedger } from './filled-ledger.ts';
import type { Wanted } from './grants.ts';
import { type Readings, readings } from './readings.ts';
import { changes, entryOf, type Site } from './site.ts';

/** How an ending that was due at an instant went. */
export interface Ended {
  readonly grantId: GrantId;
  readonly wanted: Wanted;
  readonly expiresAt: Instant;
  /** When a negative probe had shown it, by the connector's word, and when the control plane had been told. */
  readonly endedAtMs: number;
  readonly toldMs: number;
}

export function pairOf(entries: ReadonlyMap<string, EntryRef>, { cn, person }: Wanted): Pair {
  return { user: entryOf(entries, personDn(person)), group: entryOf(entries, groupDn(cn)) };
}

/** How long the ledger's making, the start and the first session are given before the endings are due; doubled where too short. */
const leadsMs = (count: number): readonly number[] => [1, 2, 4, 8].map((times) => times * (2_000 + 2 * count));

interface Together {
  readonly wanted: readonly Wanted[];
  readonly entries: ReadonlyMap<string, EntryRef>;
  /** Nothing is to be learnt from the figures, so it does not matter whether the connector was ready in time. */
  readonly isQuick: boolean;
  /** Those that will not end. */
  readonly hopeless?: readonly Wanted[];
}

interface EndedTogether {
  readonly ended: readonly Ended[];
  readonly readings: Readings;
}

/**
 * Starts a connector whose ledger has these grants, all due at one instant a few seconds later, and resolves when every one
 * but `hopeless` has ended, and has been put back. The members must be there, and are there again.
 */
export async function endTogether(site: Site, together: Together): Promise<EndedTogether> {
  for (const leadMs of leadsMs(together.wanted.length)) {
    const { wasReady, ...result } = await endAfter(site, together, leadMs);
    await putBack(site, result.ended);
    if (wasReady || together.isQuick) return result;
  }
  throw new Error('the connector was never ready in time; the machine is too busy to measure');
}

async function endAfter(
  site: Site,
  { wanted, entries, hopeless = [] }: Together,
  leadMs: number,
): Promise<EndedTogether & { readonly wasReady: boolean }> {
  const { controlPlane } = site;
  controlPlane.clear();
  const stateDir = await site.newStateDir();
  const expiresAt = instant(Date.now() + leadMs);
  const ids = await fillLedger(
    stateDir,
    wanted.map((one) => ({ pair: pairOf(entries, one), expiresAt })),
  );
  const connector = await site.startConnector({ stateDir });
  await readings(connector);
  const wasReady = nowMs() < expiresAt;
  const count = wanted.length - hopeless.length;
  await controlPlane.until('every grant that is due has ended', () => controlPlane.ended.size >= count);
  const read = await readings(connector);
  const ended = ids.flatMap((grantId, i) => {
    const told = controlPlane.ended.get(grantId);
    const one = wanted[i];
    return told === undefined || one === undefined ? [] : [endedOf({ grantId, wanted: one, told })];
  });
  await site.stopConnector();
  if (ended.some((one) => hopeless.includes(one.wanted))) throw new Error('an ending that was to be refused was not');
  return { ended, readings: read, wasReady };
}

/** Values a record: what a large group takes in half a second. */
const PUT_BACK = 500;

async function putBack(site: Site, ended: readonly Ended[]): Promise<void> {
  const members = Map.groupBy(ended, ({ wanted: { cn } }) => cn);
  const dns = (those: readonly Ended[]) => those.map(({ wanted: { person } }) => personDn(person));
  await site.modify([...members].map(([cn, those]) => changes('add', { cn, members: dns(those) }, PUT_BACK)).join(''));
}

export function endedOf({
  grantId,
  wanted,
  told: { event, atMs },
}: {
  grantId: GrantId;
  wanted: Wanted;
  told: Told<{
    readonly grant: { readonly expiresAt: string | null; readonly endedAt?: string | undefined };
    readonly membership: string;
  }>;
}): Ended {
  const { grant, membership } = event;
  if (membership !== 'removed') throw new Error(`a grant ended as ${membership}; the bench's members were not there`);
  return {
    grantId,
    wanted,
    expiresAt: instant(Date.parse(grant.expiresAt ?? '')),
    endedAtMs: Date.parse(grant.endedAt ?? ''),
    toldMs: atMs,
  };
}
