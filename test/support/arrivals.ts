/** What arrives, in order, for whoever waits for it. */
export interface Arrivals<T> {
  push(value: T): void;
  /** The next one, at once if it is there. Rejects once `end` was called and nothing is left. */
  next(): Promise<T>;
  end(why: string): void;
  /** What arrived and was not yet taken. */
  readonly left: readonly T[];
}

export function arrivals<T>(): Arrivals<T> {
  const left: T[] = [];
  const waiting: { resolve: (value: T) => void; reject: (error: Error) => void }[] = [];
  let ended: string | null = null;
  return {
    left,
    push(value) {
      const wait = waiting.shift();
      if (wait === undefined) left.push(value);
      else wait.resolve(value);
    },
    next() {
      const value = left.shift();
      if (value !== undefined) return Promise.resolve(value);
      if (ended !== null) return Promise.reject(new Error(ended));
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    end(why) {
      ended = why;
      for (const { reject } of waiting.splice(0)) reject(new Error(why));
    },
  };
}
