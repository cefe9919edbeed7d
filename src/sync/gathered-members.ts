import type { MemberAttribute } from '../access/membership.ts';
import type { NameKey } from '../ledger/snapshots.ts';
import type { NameKeys } from './name-keys.ts';
import type { Named } from './name-table.ts';
import type { Turns } from './turns.ts';

/** A group's members as its values said. */
export interface Members {
  /** Numbers of users, each once. */
  readonly numbers: Set<number>;
  /** Keys of the values that are no user in scope. */
  readonly unresolved: Float64Array;
}

/** Gathers the members of one group, chunk by chunk, before it is known by which attribute it has them. */
export interface GatheredMembers {
  add(values: readonly string[]): void;
  /** Those of a group whose members are held by that attribute; begins anew. */
  take(attribute: MemberAttribute): Promise<Members>;
}

/** So many values are looked up before the time is looked at. */
const STEPS = 256;

/** Each value is kept by its key as a DN and as a `uid`: which one it is, the group's head tells. */
export function gatheredMembers({
  keys,
  named,
  turns,
}: {
  keys: NameKeys;
  named: (key: NameKey) => Named;
  turns: Turns;
}): GatheredMembers {
  let dns = growingKeys();
  let uids = growingKeys();
  return {
    add(values) {
      for (const value of values) {
        dns.push(keys.dn(value));
        uids.push(keys.plain('uid', value));
      }
    },
    async take(attribute) {
      const values = (attribute === 'memberUid' ? uids : dns).all();
      dns = growingKeys();
      uids = growingKeys();
      const numbers = new Set<number>();
      const unresolved = growingKeys();
      for (let from = 0; from < values.length; from += STEPS) {
        for (const key of values.subarray(from, from + STEPS)) {
          const user = named(key);
          if (typeof user === 'number') numbers.add(user);
          else unresolved.push(key);
        }
        const rest = turns.rest();
        if (rest !== null) await rest;
      }
      return { numbers, unresolved: unresolved.all() };
    },
  };
}

function growingKeys(): { push(key: NameKey): void; all(): Float64Array } {
  let keys = new Float64Array(16);
  let length = 0;
  return {
    push(key) {
      if (length === keys.length) {
        const grown = new Float64Array(length * 2);
        grown.set(keys);
        keys = grown;
      }
      keys[length] = key;
      length += 1;
    },
    all: () => keys.slice(0, length),
  };
}
