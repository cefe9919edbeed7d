import { foldDn, parseDn } from '../../access/dn.ts';
import type { FailPoints } from '../../access/fail-point.ts';
import { equality, type Filter, not } from '../../access/filter.ts';
import { type MemberAttribute, type Presence, presenceOf } from '../../access/membership.ts';
import { type ChangeAnswer, DirectoryError, type MembershipChange, type ProbedValues } from '../directory.ts';
import type { LdapResult } from './ldap-message.ts';
import { faultOf, ldapAnswer } from './result-codes.ts';
import type { Session } from './session.ts';

/** How many values are probed at a time: two searches each wait on the connection. */
const AT_ONCE = 8;

/**
 * The presence of each value in one group, in order: two base searches on the group, `(attribute=value)` and its
 * negation. An answer other than success means `unknown`; no answer rejects.
 */
export async function probe(session: Session, probed: ProbedValues, signal?: AbortSignal): Promise<readonly Presence[]> {
  const presences: Presence[] = [];
  for (let at = 0; at < probed.values.length; at += AT_ONCE) {
    const some = probed.values.slice(at, at + AT_ONCE);
    presences.push(...(await Promise.all(some.map((value) => probeOne(session, { ...probed, value }, signal)))));
  }
  return presences;
}

async function probeOne(
  session: Session,
  { group, attribute, value }: Omit<ProbedValues, 'values'> & { value: string },
  signal: AbortSignal | undefined,
): Promise<Presence> {
  const asserted = equality(attribute, value);
  const count = async (filter: Filter): Promise<number> => {
    const request = { base: group, scope: 'base', filter, attributes: ['1.1'], sizeLimit: 2 } as const;
    return (await session.search(request, signal)).entries.length;
  };
  try {
    const [matching, notMatching] = await Promise.all([count(asserted), count(not(asserted))]);
    return presenceOf({ matching, notMatching });
  } catch (error) {
    if (error instanceof DirectoryError && error.ldap !== null) return 'unknown';
    throw error;
  }
}

/**
 * One modify of exactly the values, then the probe on the same session: what the server says about the modify is a hint.
 * Rejects with `sent: true` where the session ended after the modify had been handed to the socket.
 */
export async function change(
  session: Session,
  options: { change: MembershipChange; probed: readonly string[]; failPoints: FailPoints },
): Promise<ChangeAnswer> {
  const { failPoints, probed } = options;
  const { group, attribute } = options.change;
  const add = distinct(attribute, options.change.add);
  const remove = distinct(attribute, options.change.remove);
  // A modify without changes is an error for some servers.
  const result = add.length + remove.length === 0 ? null : await session.modify({ dn: group, attribute, add, remove });
  failPoints(add.some((value) => probed.includes(value)) ? 'grant.modify-answered' : 'end.modify-answered');
  try {
    const presences = await probe(session, { group, attribute, values: probed });
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
