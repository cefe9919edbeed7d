/** How many values one modify, or one probe of many, may name. */
const MOST_VALUES = 500;

/**
 * How many bytes of values one request may carry: ldapts' writer cuts a request that just fills its buffer, and 48 KiB stays
 * below the 64 KiB at which that was seen, what stands around each value included.
 */
const MOST_BYTES = 48 * 1024;

/** What stands around a value in a request: an attribute description, tags and lengths (`(!(uniqueMember=…))`). */
const BYTES_AROUND = 28;

/**
 * How many from the beginning fit into one request, each with all of its values; at least one, since a single one cannot be
 * made smaller.
 */
export function batchLength<One>(
  all: readonly One[],
  { valuesOf, most = MOST_VALUES }: { valuesOf: (one: One) => readonly string[]; most?: number },
): number {
  let values = 0;
  let bytes = 0;
  for (const [index, one] of all.entries()) {
    for (const value of valuesOf(one)) {
      values += 1;
      bytes += Buffer.byteLength(value) + BYTES_AROUND;
    }
    if (index > 0 && (values > most || bytes > MOST_BYTES)) return index;
  }
  return all.length;
}

/** Two halves, in order; of at least two. */
export function halves<One>(all: readonly One[]): readonly [readonly One[], readonly One[]] {
  const middle = Math.ceil(all.length / 2);
  return [all.slice(0, middle), all.slice(middle)];
}

/** How many values a request may have now, by what it is about. */
export interface BatchLimits {
  most(key: string): number;
  /** A request of so many values was answered. */
  answered(key: string, values: number): void;
  /** A request of so many values was not answered: it may have been too much for the time that it had. */
  unanswered(key: string, values: number): void;
}

/**
 * Halves the size after each request without an answer, and doubles it after each with one, so that no request is asked for
 * ever which a slow server cannot answer in time. Bounded by the groups whose requests went unanswered.
 */
export function batchLimits(): BatchLimits {
  const limits = new Map<string, number>();
  return {
    most: (key) => limits.get(key) ?? MOST_VALUES,
    answered(key, values) {
      const limit = limits.get(key);
      if (limit === undefined || values < limit) return;
      if (limit * 2 >= MOST_VALUES) limits.delete(key);
      else limits.set(key, limit * 2);
    },
    unanswered(key, values) {
      limits.set(key, Math.max(1, Math.floor(Math.min(values, limits.get(key) ?? MOST_VALUES) / 2)));
    },
  };
}
