import { type Dn, foldDn, parseDn } from '../../access/dn.ts';
import type { FailPoints } from '../../access/fail-point.ts';
import { and, equality, type Filter, not, or } from '../../access/filter.ts';
import { type MemberAttribute, type Presence, presenceOf } from '../../access/membership.ts';
import { batchLength, halves } from '../batch.ts';
import { type ChangeAnswer, DirectoryError, type MembershipChange, type ProbedValues } from '../directory.ts';
import type { Landscape } from './landscape.ts';
import type { LdapResult } from './ldap-message.ts';
import { faultOf, ldapAnswer } from './result-codes.ts';
import type { Session } from './session.ts';

/** So few values are asked for one by one, two searches each, all at a time. */
const FEW = 4;

/** A session, and how what it says is to be read. */
interface Asked {
  readonly session: Session;
  readonly landscape: Pick<Landscape, 'flavour'>;
}

/**
 * The presence of each value in one group, in order: two base searches on the group, `(attribute=value)` and its
 * negation. An answer other than success means `unknown`; no answer rejects.
 *
 * Many values share two searches as long as they are alike: the proof is the same one, of each (RFC 4511 §4.5.1.7). Where the
 * flavour has many compared instead, the answer to each is what the same assertion comes to.
 */
export async function probe(asked: Asked, probed: ProbedValues, signal?: AbortSignal): Promise<readonly Presence[]> {
  const { landscape } = asked;
  const presences: Presence[] = [];
  for (let rest = probed.values; rest.length > 0; ) {
    const length = batchLength(rest, { valuesOf: (value) => [value], most: landscape.flavour.probedTogether });
    const some = { ...probed, values: rest.slice(0, length) };
    presences.push(...(await probeMany(asked, some, signal)));
    rest = rest.slice(length);
  }
  const { misjudges } = landscape.flavour;
  if (misjudges !== null)
    for (const [at, value] of probed.values.entries())
      if (presences[at] === 'absent' && misjudges(value)) presences[at] = 'unknown';
  if (!presences.includes('absent') || (await mayRead(asked, probed, signal))) return presences;
  return presences.map((presence) => (presence === 'absent' ? 'unknown' : presence));
}

/** Whether an absence can be believed. A refusal proves nothing. */
async function mayRead({ session, landscape }: Asked, { group, attribute }: ProbedValues, signal: AbortSignal | undefined) {
  const { mayReadMembers } = landscape.flavour;
  if (mayReadMembers === null) return true;
  try {
    return await mayReadMembers(session, { group, attribute }, signal);
  } catch (error) {
    if (error instanceof DirectoryError && error.ldap !== null) return false;
    throw error;
  }
}

/** Compares what can be compared, and asks for what is left by filters. */
async function probeMany(asked: Asked, probed: ProbedValues, signal: AbortSignal | undefined): Promise<readonly Presence[]> {
  const compared = await compareAll(asked, probed, signal);
  const values = probed.values.filter((_, i) => compared[i] === undefined);
  const others = [...(await probeSome(asked.session, { ...probed, values }, signal))];
  return probed.values.map((_, i) => compared[i] ?? others.shift() ?? 'unknown');
}

/**
 * The presence of each value by a compare of its own, all at a time: `compareTrue` and `compareFalse` are what the assertion
 * comes to, and where it is Undefined, or may not be evaluated, there is another answer (RFC 4511 §4.10). Undefined of a value
 * that got another one, and of all that are not to be compared.
 */
async function compareAll(
  { session, landscape: { flavour } }: Asked,
  { group, attribute, values }: ProbedValues,
  signal: AbortSignal | undefined,
): Promise<readonly (Presence | undefined)[]> {
  const { comparable } = flavour;
  if (comparable === null || values.length <= FEW) return [];
  const answers = await Promise.allSettled(
    values.map(async (text) => {
      const value = comparable(attribute, text);
      return value === null ? null : await session.compare({ dn: group, attribute, value }, signal);
    }),
  );
  return answers.map((answer) => {
    if (answer.status === 'fulfilled') return answer.value === null ? undefined : answer.value ? 'member' : 'absent';
    if (answer.reason instanceof DirectoryError && answer.reason.ldap !== null) return undefined;
    throw answer.reason;
  });
}

async function probeSome(session: Session, probed: ProbedValues, signal: AbortSignal | undefined): Promise<readonly Presence[]> {
  const { values, likely = 'member' } = probed;
  if (values.length <= FEW)
    return await Promise.all(values.map(async (value) => await probeOne(session, { ...probed, value }, signal)));
  const other = likely === 'member' ? 'absent' : 'member';
  const first = await provesAll(session, { ...probed, likely }, signal);
  if (first.all) return values.map(() => likely);
  const second = await provesAll(session, { ...probed, likely: other }, signal);
  if (second.all) return values.map(() => other);
  // No assertion is true of any value, and no negation: (0,0) for each.
  if (first.noneAgainst && second.noneAgainst) return values.map(() => 'unknown');
  const presences: Presence[] = [];
  for (const half of halves(values)) presences.push(...(await probeSome(session, { ...probed, values: half }, signal)));
  return presences;
}

/**
 * Whether all values are as `likely` says: the conjunction of what would be true is true, and the disjunction of what
 * would be false is not. A refusal proves nothing.
 */
async function provesAll(
  session: Session,
  { group, attribute, values, likely }: ProbedValues & { likely: Exclude<Presence, 'unknown'> },
  signal: AbortSignal | undefined,
): Promise<{ all: boolean; noneAgainst: boolean }> {
  const assertions = values.map((value) => equality(attribute, value));
  const negations = assertions.map(not);
  const [expected, unexpected] = likely === 'member' ? [assertions, negations] : [negations, assertions];
  try {
    const [matching, against] = await Promise.all([
      matches(session, { group, filter: and(...expected) }, signal),
      matches(session, { group, filter: or(...unexpected) }, signal),
    ]);
    return { all: matching === 1 && against === 0, noneAgainst: against === 0 };
  } catch (error) {
    if (!(error instanceof DirectoryError) || error.ldap === null) throw error;
    // The base of the search is the group: where that is not there, the same is said of every value.
    return { all: false, noneAgainst: error.fault === 'gone' };
  }
}

async function probeOne(
  session: Session,
  { group, attribute, value }: Omit<ProbedValues, 'values'> & { value: string },
  signal: AbortSignal | undefined,
): Promise<Presence> {
  const asserted = equality(attribute, value);
  try {
    const [matching, notMatching] = await Promise.all([
      matches(session, { group, filter: asserted }, signal),
      matches(session, { group, filter: not(asserted) }, signal),
    ]);
    return presenceOf({ matching, notMatching });
  } catch (error) {
    if (error instanceof DirectoryError && error.ldap !== null) return 'unknown';
    throw error;
  }
}

/** How many entries a base search of the group finds: none or one. */
async function matches(
  session: Session,
  { group, filter }: { group: Dn; filter: Filter },
  signal: AbortSignal | undefined,
): Promise<number> {
  const request = { base: group, scope: 'base', filter, attributes: ['1.1'], sizeLimit: 2 } as const;
  return (await session.search(request, signal)).entries.length;
}

/**
 * One modify of exactly the values, then the probe on the same session: what the server says about the modify is a hint.
 * Rejects with `sent: true` where the session ended after the modify had been handed to the socket.
 */
export async function change(
  asked: Asked,
  options: { change: MembershipChange; probed: readonly string[]; failPoints: FailPoints },
): Promise<ChangeAnswer> {
  const { failPoints, probed } = options;
  const { group, attribute } = options.change;
  const add = distinct(attribute, options.change.add);
  const remove = distinct(attribute, options.change.remove);
  // A modify without changes is an error for some servers.
  const result = add.length + remove.length === 0 ? null : await asked.session.modify({ dn: group, attribute, add, remove });
  failPoints(add.some((value) => probed.includes(value)) ? 'grant.modify-answered' : 'end.modify-answered');
  try {
    const likely = add.length > 0 ? 'member' : 'absent';
    const presences = await probe(asked, { group, attribute, values: probed, likely });
    return { result: resultOf(result), ldap: result === null || result.resultCode === 0 ? null : ldapAnswer(result), presences };
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    throw new DirectoryError(error.fault, error.message, { sent: result !== null, ldap: error.ldap, cause: error });
  }
}

function resultOf(result: LdapResult | null): ChangeAnswer['result'] {
  if (result === null || result.resultCode === 0) return 'ok';
  const fault = faultOf(result.resultCode);
  // Result 49 belongs to the bind; in answer to a modify it is one more refusal.
  return fault === 'bind_refused' ? 'refused' : fault;
}

/**
 * The values without repetitions in another spelling. A directory may store the same name twice when it comes twice in one
 * modify, and then cannot delete it again.
 */
function distinct(attribute: MemberAttribute, values: readonly string[]): readonly string[] {
  const byKey = new Map<string, string>();
  for (const value of values) {
    const name = attribute === 'memberUid' ? undefined : parseDn(value);
    const key = name?.ok ? foldDn(name.value) : value;
    if (!byKey.has(key)) byKey.set(key, value);
  }
  return [...byKey.values()];
}
