/** Whether work takes access away or gives it: endings go before grants everywhere. */
export type Urgency = 'ending' | 'grant';

/** Runs work one at a time for each key; of those that wait for a key, endings go first, else in order of arrival. */
export interface KeyedLock {
  run<T>(key: string, urgency: Urgency, work: () => Promise<T>): Promise<T>;
  /** True while work for that key runs: more would wait. */
  isHeld(key: string): boolean;
}

interface Waiting {
  readonly urgency: Urgency;
  readonly begin: () => void;
}

/** Bounded by its callers: each piece of work waits in at most one queue. */
export function keyedLock(): KeyedLock {
  const queues = new Map<string, Waiting[]>();

  async function run<T>(key: string, urgency: Urgency, work: () => Promise<T>): Promise<T> {
    const queue = queues.get(key);
    if (queue === undefined) queues.set(key, []);
    else await new Promise<void>((begin) => insert(queue, { urgency, begin }));
    try {
      return await work();
    } finally {
      const next = queues.get(key)?.shift();
      if (next === undefined) queues.delete(key);
      else next.begin();
    }
  }

  return { run, isHeld: (key) => queues.has(key) };
}

/**
 * Runs at most `slots` pieces of work at a time; endings go first, and have `reserved` slots to themselves, so that they
 * never wait for grants and questions that hang.
 */
export function workSlots({
  slots,
  reserved,
}: {
  slots: number;
  reserved: number;
}): <T>(urgency: Urgency, work: () => Promise<T>) => Promise<T> {
  const endings: Waiting[] = [];
  const grants: Waiting[] = [];
  let free = slots;

  function beginNext(): void {
    while (free > 0) {
      const next = endings.shift() ?? (free > reserved ? grants.shift() : undefined);
      if (next === undefined) return;
      free -= 1;
      next.begin();
    }
  }

  return async (urgency, work) => {
    await new Promise<void>((begin) => {
      (urgency === 'ending' ? endings : grants).push({ urgency, begin });
      beginNext();
    });
    try {
      return await work();
    } finally {
      free += 1;
      beginNext();
    }
  };
}

function insert(queue: Waiting[], waiting: Waiting): void {
  if (waiting.urgency === 'grant') queue.push(waiting);
  else {
    const firstGrant = queue.findIndex(({ urgency }) => urgency === 'grant');
    if (firstGrant < 0) queue.push(waiting);
    else queue.splice(firstGrant, 0, waiting);
  }
}
