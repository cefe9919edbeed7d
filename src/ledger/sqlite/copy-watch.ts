import type { PageSums } from './page-sums.ts';
import { PAGE_BYTES } from './write-ahead-log.ts';

/** Whether a copy holds what was committed; `unknown` where the checksums themselves lag behind, as on a full disk. */
export type CopyVerdict = { readonly kind: 'same' | 'unknown' } | { readonly kind: 'other'; readonly page: number };

/** Knows which pages were written since a copy was begun: of all others it must hold what was committed last. */
export interface CopyWatch {
  /** Given the sum of each page of the copy. Ends the watch. */
  judge(copied: Uint32Array): CopyVerdict;
  /** Ends the watch; there is no copy. */
  end(): void;
}

/** Tells of each copy that is being made which pages were committed since it was begun. */
export function copyWatches(sums: PageSums) {
  const watches = new Set<Set<number>>();
  return {
    committed(pages: ReadonlyMap<number, number>): void {
      for (const watch of watches) for (const page of pages.keys()) watch.add(page);
    },
    /** `isKnown` says whether the sums are those of all that was committed. */
    watch(isKnown: () => boolean): CopyWatch {
      const written = new Set<number>();
      watches.add(written);
      return {
        judge(copied) {
          watches.delete(written);
          // What has no sums yet, or failed as it was committed, says nothing of a copy.
          return isKnown() ? verdictOn(sums, { copied, written }) : { kind: 'unknown' };
        },
        end: () => void watches.delete(written),
      };
    },
  };
}

/** The page with the byte at 1 GiB, on which SQLite locks; it holds nothing (https://sqlite.org/fileformat2.html#the_lock_byte_page). */
const LOCK_PAGE = 0x4000_0000 / PAGE_BYTES + 1;

/** The first page is written by the making of a copy itself, which counts it as a change. */
function verdictOn(sums: PageSums, { copied, written }: { copied: Uint32Array; written: ReadonlySet<number> }): CopyVerdict {
  for (let page = 2; page <= sums.pages(); page += 1)
    if (page !== LOCK_PAGE && !written.has(page) && copied[page] !== sums.latest(page)) return { kind: 'other', page };
  return { kind: 'same' };
}
