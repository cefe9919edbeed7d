import { createHash } from 'node:crypto';
import { formatFilter } from '../../../access/filter.ts';
import type { DeltaMeans } from '../../directory-reader.ts';
import type { ReadPlace } from './mapping.ts';

export type MeansName = Exclude<DeltaMeans['name'], null>;

/** Where a delta begins, and of what: any part that is another makes it foreign. */
export interface Cursor {
  readonly means: MeansName;
  /** Which server, or which directory where all servers of it count alike. */
  readonly server: string;
  /** What is read of it: {@link readingHash}. */
  readonly reading: string;
  /** The means' own. */
  readonly state: string;
}

const MEANS: readonly MeansName[] = ['RFC 4533', 'entryCSN', 'entryusn', 'uSNChanged'];
const VERSION = 1;
const MOST_LENGTH = 16_384;

export function formatCursor({ means, server, reading, state }: Cursor): string {
  return JSON.stringify([VERSION, means, server, reading, state]);
}

/** Null for what is none of ours, or of another version. */
export function readCursor(text: string): Cursor | null {
  if (text.length > MOST_LENGTH) return null;
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return null;
  }
  if (!Array.isArray(list) || list.length !== 5 || list[0] !== VERSION) return null;
  const [, name, server, reading, state]: unknown[] = list;
  const means = MEANS.find((one) => one === name);
  if (means === undefined || typeof server !== 'string' || typeof reading !== 'string' || typeof state !== 'string') return null;
  return { means, server, reading, state };
}

/** A text that is another as soon as something else is read, or the same is read as something else. */
export function readingHash({ landscape, mapping }: ReadPlace): string {
  const { flavour, baseDn, usersScope, groupsScope, userFilter, groupFilter } = landscape;
  const parts = [
    flavour.name,
    baseDn,
    usersScope,
    groupsScope,
    userFilter && formatFilter(userFilter),
    groupFilter && formatFilter(groupFilter),
    landscape.usernameAttribute,
    landscape.groupNameAttribute,
    landscape.emailAttribute,
    landscape.memberAttribute,
    mapping.fullNameAttribute,
    mapping.ownerAttribute,
    mapping.managerAttribute,
    mapping.placeholder,
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}
