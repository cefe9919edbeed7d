import type { Secret } from './secret.ts';
import type { SecretSource } from './secret-source.ts';

/** A source that gives out what it read last where it cannot read now, and tells why, once for each reason. */
export function keeping(source: SecretSource, onKept: (why: string) => void): SecretSource {
  let last: Secret | null = null;
  let told: string | null = null;
  return async (onTheWay) => {
    try {
      last = await source(onTheWay);
      told = null;
    } catch (error) {
      if (last === null) throw error;
      const why = error instanceof Error ? error.message : String(error);
      if (why !== told) onKept(why);
      told = why;
    }
    return last;
  };
}
