import { directoryReturns } from './directory-returns.ts';
import { eachServer } from './each-server.ts';
import { endingsAtOnce } from './endings-at-once.ts';
import type { Figure } from './figure.ts';
import { grantsAlone } from './grants-alone.ts';
import { grantsInFlight } from './grants-in-flight.ts';
import { lateness } from './lateness.ts';
import { readGroup, readUsers, readUsersOverTls } from './reads.ts';
import { refusedPair } from './refused-pair.ts';
import { syncDelta } from './sync-delta.ts';
import { syncFull } from './sync-full.ts';

/** In the order of the document. */
export const FIGURES: readonly Figure[] = [
  grantsAlone,
  grantsInFlight,
  endingsAtOnce,
  lateness,
  directoryReturns,
  refusedPair,
  ...eachServer,
  readUsers,
  readUsersOverTls,
  syncFull,
  readGroup,
  syncDelta,
];
