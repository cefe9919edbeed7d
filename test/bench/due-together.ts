import type { GrantId } from '../../src/access/ids.ts';
import { type Instant, instant } from '../../src/access/instant.ts';
import type { EntryRef, Pair } from '../../src/access/reference.ts';
import type { Told } from './bench-control-plane.ts';
import { nowMs } from './bench-control-plane.ts';
import { fillLedger } from './filled-ledger.ts';
import type { Wanted } from './grants.ts';
import { type Readings, readings } from './readings.ts';
import { entryOf, groupDn, personDn, type Site } from './site.ts';

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

/**
 * Starts a connector whose ledger has these grants, all due at one instant a few seconds later, and resolves when every one
 * but `hopeless` has ended. The members must be there.
 */
export async function endTogether(
  site: Site,
  {
    wanted,
    entries,
    isQuick,
    hopeless = [],
  }: {
    wanted: readonly Wanted[];
    entries: ReadonlyMap<string, EntryRef>;
    /** Nothing is to be learnt from the figures, so it does not matter whether the connector was ready in time. */
    isQuick: boolean;
    hopeless?: readonly Wanted[];
  },
): Promise<{ readonly ended: readonly Ended[]; readonly readings: Readings }> {
  const { controlPlane } = site;
  for (const leadMs of leadsMs(wanted.length)) {
    controlPlane.clear();
    const stateDir = await site.newStateDir();
    const expiresAt = instant(Date.now() + leadMs);
    const ids = await fillLedger(
      stateDir,
      wanted.map((one) => ({ pair: pairOf(entries, one), expiresAt })),
    );
    const connector = await site.startConnector({ stateDir });
    if (nowMs() > expiresAt - 300 && !isQuick) {
      // Too slow a machine, or a busy one: what has begun to end is put back by the caller's next round, not by this one.
      await site.stopConnector();
      if (controlPlane.ended.size > 0)
        throw new Error('endings began before the connector was ready; the machine is too busy to measure');
      continue;
    }
    await readings(connector);
    const awaited = ids.filter((_, i) => !hopeless.includes(wanted[i] ?? { cn: '', person: 0 }));
    await controlPlane.until('every grant that is due has ended', () => awaited.every((id) => controlPlane.ended.has(id)));
    const read = await readings(connector);
    const ended = ids.flatMap((grantId, i) => {
      const told = controlPlane.ended.get(grantId);
      const one = wanted[i];
      return told === undefined || one === undefined ? [] : [endedOf({ grantId, wanted: one, told })];
    });
    await site.stopConnector();
    return { ended, readings: read };
  }
  throw new Error('the connector was never ready in time; the machine is too busy to measure');
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
