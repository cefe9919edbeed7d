import { leafRdn, parseDn, sameDn } from '../access/dn.ts';
import type { Grant, PendingGrant } from '../access/grant.ts';
import { type EntryId, parseEntryId } from '../access/ids.ts';
import type { GrantChoice } from '../access/operator.ts';
import { type EntryRef, type GroupRef, shownRef, type UserRef } from '../access/reference.ts';
import { DirectoryError } from '../directory/directory.ts';
import type { EngineParts } from './engine-parts.ts';
import { splitJobs } from './grant-attempt.ts';

/** The grants that a person means, and the choice by which they are meant again. */
export type Chosen =
  | { readonly ok: true; readonly grants: readonly Grant[]; readonly choice: GrantChoice }
  | { readonly ok: false; readonly message: string };

type Side = 'user' | 'group';
type NamedChoice = Extract<GrantChoice, { by: Side }>;

/** Grants read from the ledger at a time. */
const PAGE = 500;
/** How many of several meanings are shown. */
const SHOWN = 10;
/** How long the directory may take to say whom a name means; without it, the ledger alone says. */
const LOOK_UP_MS = 10_000;

/**
 * Finds the grants that a choice means: by what the ledger knows and, where that is not a stable id, by what the directory says too.
 * What could mean several entries means none of them.
 */
export async function chooseGrants(parts: EngineParts, choice: GrantChoice, signal: AbortSignal): Promise<Chosen> {
  switch (choice.by) {
    case 'grant': {
      const { grant } = await parts.ledger.known(choice.grantId);
      if (grant === null) return { ok: false, message: `the ledger knows no grant "${choice.grantId}"` };
      return { ok: true, grants: [grant], choice };
    }
    case 'all':
      return { ok: true, grants: await openGrants(parts), choice };
    case 'user':
    case 'group':
      return chooseNamed(parts, choice, signal);
    default:
      return choice satisfies never;
  }
}

/** Every grant that has not ended. */
export async function openGrants({ ledger }: EngineParts): Promise<readonly Grant[]> {
  const all: Grant[] = [];
  // Ends: each page begins after the one before, and ids are not reused.
  for (;;) {
    const page = await ledger.listGrants({ endedSince: null, after: all.at(-1)?.grantId ?? null, limit: PAGE });
    all.push(...page);
    if (page.length < PAGE) return all;
  }
}

async function chooseNamed(parts: EngineParts, choice: NamedChoice, signal: AbortSignal): Promise<Chosen> {
  const { by: side } = choice;
  const named = choice.named.trim();
  const open = await openGrants(parts);
  const exact = choice.id ?? idOf(named);
  const unresolved = await unresolvedGrants(parts, { open, side, named });
  if (exact !== null) {
    const grants = open.filter((grant) => grant.pair?.[side].id === exact);
    return { ok: true, grants: [...grants, ...unresolved], choice: { by: side, named, id: exact } };
  }
  const found = new Map<EntryId, string>();
  for (const { pair } of open) if (pair !== null && isNamed(pair[side], named)) found.set(pair[side].id, pair[side].dn);
  const looked = await lookUp(parts, { side, named }, signal);
  if (looked.kind === 'several') {
    const known = found.size === 0 ? '' : `, and open grants are of ${listOf([...found])}`;
    return { ok: false, message: `the directory has ${looked.count} entries for "${named}"${known}; name one by its id` };
  }
  for (const { id, dn } of looked.entries) found.set(id, dn);
  const [only, ...others] = found;
  if (others.length > 0) return { ok: false, message: `"${named}" could mean ${listOf([...found])}; name one by its id` };
  if (only === undefined && unresolved.length === 0) {
    const asked = looked.kind === 'unknown' ? `the directory cannot be asked (${looked.why})` : 'the directory has none in scope';
    return { ok: false, message: `no open grant is of a ${side} "${named}", and ${asked}; name it by DN or id` };
  }
  const [id] = only ?? [];
  const grants = open.filter((grant) => id !== undefined && grant.pair?.[side].id === id);
  return { ok: true, grants: [...grants, ...unresolved], choice: { by: side, named, ...(id === undefined ? {} : { id }) } };
}

/** Some of several meanings, each by its name and its id. */
function listOf(found: readonly (readonly [EntryId, string])[]): string {
  const shown = found.slice(0, SHOWN).map(([id, dn]) => `"${dn}" (${id})`);
  const more = found.length > SHOWN ? ` and ${found.length - SHOWN} more` : '';
  return `${shown.join(', ')}${more}`;
}

function idOf(named: string): EntryId | null {
  const read = parseEntryId(named);
  return read.ok ? read.value : null;
}

/** As the ledger has it: by its whole name, or by the leaf of that. */
function isNamed({ dn }: EntryRef, named: string): boolean {
  const read = parseDn(named);
  if (read.ok && named !== '') return sameDn(dn, read.value);
  return leafRdn(dn).some(({ value }) => typeof value === 'string' && value.toLowerCase() === named.toLowerCase());
}

type LookedUp =
  | { readonly kind: 'known'; readonly entries: readonly EntryRef[] }
  | { readonly kind: 'several'; readonly count: number; readonly entries: readonly EntryRef[] }
  | { readonly kind: 'unknown'; readonly why: string; readonly entries: readonly EntryRef[] };

/** What the directory says of a name; nothing where it cannot be asked, which must keep no ending from being done. */
async function lookUp(
  { directory }: EngineParts,
  { side, named }: { side: Side; named: string },
  signal: AbortSignal,
): Promise<LookedUp> {
  const status = directory.status();
  if (status.state === 'down') return { kind: 'unknown', why: status.error.message, entries: [] };
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(LOOK_UP_MS)]);
  try {
    if (side === 'group') return { kind: 'known', entries: await directory.groupsNamed(named, bounded) };
    const found = await directory.findUser(userRefOf(named), null, bounded);
    if (found.kind === 'ambiguous') return { kind: 'several', count: found.count, entries: [] };
    return { kind: 'known', entries: found.kind === 'found' ? [found.entry] : [] };
  } catch (error) {
    if (signal.aborted || !(error instanceof DirectoryError || bounded.aborted)) throw error;
    return { kind: 'unknown', why: error instanceof Error ? error.message : String(error), entries: [] };
  }
}

/** Whom a person means: what reads as a stable id is one, a DN is one, what has an @ is an e-mail address, else it is a user name. */
export function userRefOf(named: string): UserRef {
  const id = idOf(named);
  if (id !== null) return { by: 'id', id };
  const dn = parseDn(named);
  if (dn.ok) return { by: 'dn', dn: dn.value };
  return named.includes('@') ? { by: 'email', email: named } : { by: 'username', username: named };
}

/** Which group a person means, likewise. */
export function groupRefOf(named: string): GroupRef {
  const id = idOf(named);
  if (id !== null) return { by: 'id', id };
  const dn = parseDn(named);
  return dn.ok && named.includes('=') ? { by: 'dn', dn: dn.value } : { by: 'name', name: named };
}

/** Grants that nobody has looked up yet, whose job says that very name. */
async function unresolvedGrants(
  { ledger }: EngineParts,
  { open, side, named }: { open: readonly Grant[]; side: Side; named: string },
): Promise<readonly PendingGrant[]> {
  const meant: PendingGrant[] = [];
  for (const grant of open) {
    if (grant.state !== 'pending' || grant.pair !== null) continue;
    const { waiting } = splitJobs(await ledger.attachedJobs(grant.grantId));
    if (waiting.some(({ job }) => shownRef(job[side]).toLowerCase() === named.toLowerCase())) meant.push(grant);
  }
  return meant;
}
