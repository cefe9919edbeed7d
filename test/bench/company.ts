import { seeded } from '../support/seeded.ts';
import { type Population, personDn } from './bench-server.ts';
import type { Effort } from './figure.ts';

export interface CompanySize {
  readonly people: number;
  readonly groups: number;
  /** Members of the largest group. */
  readonly largest: number;
}

const PEOPLE = { full: 100_000, quick: 200 };

/** How many users a directory has that is read whole. */
export function peopleOf({ people, isQuick }: Pick<Effort, 'people' | 'isQuick'>): number {
  return people ?? (isQuick ? PEOPLE.quick : PEOPLE.full);
}

/** Of so many people: one group for each twenty, and half of them all in the largest. */
export const companySize = (people: number): CompanySize => ({
  people,
  groups: Math.ceil(people / 20),
  largest: Math.ceil(people / 2),
});

/** Of the largest group's members, in each of the nine after it. */
const LARGE_SHARE = 0.1;
const LARGE_GROUPS = 9;
const SMALL = { least: 5, most: 50 };

/**
 * A company as they are: one group that nearly everybody is in, nine large ones, and all others of 5 to 50. With 100,000 people,
 * 5,000 groups and 50,000 in the largest these are some 230,000 members. The same each time.
 */
export function companyOf({ people, groups, largest }: CompanySize): Population {
  const random = seeded(1);
  const sizeOf = (at: number): number => {
    if (at === 0) return largest;
    if (at <= LARGE_GROUPS) return Math.round(largest * LARGE_SHARE);
    return SMALL.least + Math.floor(random() * (SMALL.most - SMALL.least + 1));
  };
  return {
    people,
    groups: Array.from({ length: groups }, (_, at) => {
      const size = Math.min(sizeOf(at), people);
      const first = Math.floor(random() * people);
      return { cn: `team-${at}`, members: Array.from({ length: size }, (__, i) => personDn(((first + i) % people) + 1)) };
    }),
  };
}
