import { randomFillSync } from 'node:crypto';
import { closeSync, constants, fstatSync, ftruncateSync, statfsSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from '../../observability/logger.ts';
import type { Space } from '../ledger.ts';
import { flush, openDurable } from './durable.ts';
import { preparePrivateFile } from './state-directory.ts';

/** Disk space that is set aside, so that endings can still be written when the disk is full. */
export interface Reserve {
  /** Gives some of it back to the disk; false where nothing is left but what an opening needs. */
  give(): boolean;
  /** The same for an opening, which may take all of it. */
  giveForOpening(): boolean;
  /** How much is left; makes the reserve whole again first, where the disk has room again. */
  space(): Space;
  close(): void;
}

/**
 * Room for some thousand endings, of 2 to 3 KiB each (reliability facts, 4.6). It is given back in portions, so that
 * another program that fills the disk does not get all of it at once.
 */
export const RESERVE_BYTES = 8 * 1024 * 1024;
const PORTIONS = 64;
/** Portions that are kept for the next start: to open a log takes about a hundred KiB. */
const FOR_OPENING = 4;

/** Opens the reserve and makes it whole where it can; a disk that is too full for it is no reason not to start. */
export function openReserve({ path, bytes, logger }: { path: string; bytes: number; logger: Logger | undefined }): Reserve {
  // From here on it is kept for endings alone: a refusal of a grant takes as much as an ending.
  const forEndings = bytes / 2;
  // Free beyond it before it is made again: with less it would be used up at once, and grants accepted only to be refused.
  const margin = bytes / 2;
  preparePrivateFile(path);
  const descriptor = openDurable(path, constants.O_RDWR);
  let left = Math.min(fstatSync(descriptor).size, bytes);
  let said = false;
  refill();
  if (left < bytes) sayLow();

  function sayLow(): void {
    if (said) return;
    said = true;
    logger?.error(
      { event: 'ledger.space-low', path, reserveBytes: left },
      'the disk of the state directory is full; grants go on ending, new grants are refused as no_space. Free space on it',
    );
  }

  function refill(): void {
    if (left === bytes) return;
    if (!hasRoomFor(bytes - left + margin)) return;
    const had = left;
    try {
      // Random, since some file systems do not store what they can compress; synced, since some find room only then.
      const portion = Buffer.alloc(bytes / PORTIONS);
      while (left < bytes) {
        randomFillSync(portion);
        left += writeSync(descriptor, portion, 0, Math.min(portion.length, bytes - left), left);
      }
      flush(descriptor);
    } catch {
      // Full again meanwhile: half a reserve is not one, but what was there stays.
      left = had;
      shrink();
      return;
    }
    if (!said) return;
    said = false;
    logger?.info({ event: 'ledger.space-back' }, 'the disk of the state directory has space again; grants are accepted again');
  }

  /** Asked of the directory: somebody who needs room may have removed the file. */
  function hasRoomFor(needed: number): boolean {
    try {
      const { bavail, bsize } = statfsSync(dirname(path));
      return bavail * bsize >= needed;
    } catch {
      return false;
    }
  }

  function giveDownTo(least: number): boolean {
    sayLow();
    if (left <= least) return false;
    left = Math.max(0, left - bytes / PORTIONS);
    return shrink();
  }

  /** False where even that fails: what is on disk already must not be taken for failed. */
  function shrink(): boolean {
    try {
      ftruncateSync(descriptor, left);
      return true;
    } catch {
      return false;
    }
  }

  return {
    give: () => giveDownTo((FOR_OPENING * bytes) / PORTIONS),
    giveForOpening: () => giveDownTo(0),
    space() {
      refill();
      if (left === bytes) return 'ok';
      return left > forEndings ? 'low' : 'endings_only';
    },
    close: () => closeSync(descriptor),
  };
}
