/** What several rounds came to. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: quantile(values, 0.5), min: Math.min(...values), max: Math.max(...values) };
}

/** The value that the given share of the values does not exceed (nearest rank); the median of an even number is the lower one. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new Error('there is nothing to take a quantile of');
  return value;
}

/** Three digits that matter; a bench does not know more. */
export function shown(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits);
}

/** `median unit (min–max)`. */
export function shownSpread(values: readonly number[], unit: string): string {
  const { median, min, max } = spreadOf(values);
  return `${shown(median)}${unit === '' ? '' : ` ${unit}`} (${shown(min)}–${shown(max)})`;
}
