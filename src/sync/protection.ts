import type { DirectoryReader, ProtectedTold, ProtectionRules, ReadGroup } from '../directory/directory-reader.ts';
import type { Logger } from '../observability/logger.ts';

/** Which groups no grant is taken of, as it was when a run began. */
export interface Protection {
  readonly told: ProtectedTold;
  /** True also where it cannot be told: no grant is taken of such a group either. */
  protects(group: Pick<ReadGroup, 'id' | 'dn' | 'name' | 'builtIn'>): boolean;
}

/** Asks the directory for the groups that are nested in protected ones. Rejects where it cannot be asked at all. */
export async function protectionNow(
  { reader, rules, log }: { reader: DirectoryReader; rules: ProtectionRules; log: Logger },
  { syncId, signal }: { syncId: string; signal: AbortSignal },
): Promise<Protection> {
  const told = await reader.protectedGroups(rules, signal);
  if (told.unknown !== null)
    log.warn(
      { event: 'sync.nesting-unknown', syncId },
      `every group is told as protected, since no grant is taken where it cannot be told which are nested in a protected one: ${told.unknown}`,
    );
  return {
    told,
    // By itself too: it may be named so since the groups were looked through.
    protects: (group) => told.unknown !== null || told.ids.has(group.id) || rules.protects(group) || rules.protectsBuiltIn(group),
  };
}
