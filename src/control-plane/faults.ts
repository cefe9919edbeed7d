/** Acknowledgements that can be lost. */
export const LOSABLE = ['event', 'page', 'end'] as const;
export type Losable = (typeof LOSABLE)[number];

/** Faults that a developer asked for: so many acknowledgements of a kind are not sent, as if the network had lost them. */
export interface Faults {
  /** The next so many are lost; 0 ends it. */
  lose(kind: Losable, count: number): void;
  /** True where this one is to be lost. */
  loses(kind: Losable): boolean;
  left(): Readonly<Record<Losable, number>>;
}

export function openFaults(): Faults {
  const left: Record<Losable, number> = { event: 0, page: 0, end: 0 };
  return {
    lose(kind, count) {
      left[kind] = count;
    },
    loses(kind) {
      if (left[kind] === 0) return false;
      left[kind] -= 1;
      return true;
    },
    left: () => ({ ...left }),
  };
}
