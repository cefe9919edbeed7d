/** One part of the connector: whether it can do its work, and what there is to say about it. Never a secret. */
export interface HealthPart {
  readonly ready: boolean;
  readonly [detail: string]: unknown;
}

/**
 * Everything that readiness depends on. `policy` is not ready while a protected group or the group of a rule resolves to nothing, `sync` while removals
 * are held, `backup` while no backup of the ledger can be made.
 */
export interface HealthParts {
  readonly directory: HealthPart;
  readonly controlPlane: HealthPart;
  readonly ledger: HealthPart;
  readonly clock: HealthPart;
  readonly policy: HealthPart;
  readonly sync: HealthPart;
  readonly backup: HealthPart;
}

/** The answer to a readiness probe: 200 only if every part is ready. */
export function judgeHealth(parts: HealthParts): {
  readonly status: 200 | 503;
  readonly body: HealthParts & { readonly ready: boolean };
} {
  const ready = Object.values(parts).every((part: HealthPart) => part.ready);
  return { status: ready ? 200 : 503, body: { ready, ...parts } };
}
