import { startDs389 } from '../../src/sandbox/ds389.ts';
import { startSambaAd } from '../../src/sandbox/samba-ad.ts';
import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';

/** A kind of directory server beside OpenLDAP, which most tests run on. */
export interface KnownDirectory {
  readonly name: string;
  /** With so many generated people. */
  start(people: number): Promise<ThrowAwayDirectory>;
}

/** 389 Directory Server as it is delivered, without referential integrity. */
export const PLAIN_389: KnownDirectory = { name: '389 Directory Server', start: (people) => startDs389({ people }) };
/** Here both are always on. */
export const SAMBA_AD: KnownDirectory = { name: 'Samba Active Directory', start: (people) => startSambaAd({ people }) };
