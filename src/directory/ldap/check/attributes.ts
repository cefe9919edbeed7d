import type { Dn } from '../../../access/dn.ts';
import { and, type Filter } from '../../../access/filter.ts';
import { groups, type Kind, users, wholeFilter } from '../kinds.ts';
import { readRootDse } from '../landscape.ts';
import type { Place } from '../place.ts';
import { readAttributeTypes } from '../schema.ts';
import { type Finding, failed, findingOf, ok, type Steps, warned } from './steps.ts';

/** An attribute that entries are to be named by, as configured or by the flavour. */
interface NamingAttribute {
  readonly step: string;
  readonly variable: string;
  readonly attribute: string;
  readonly entry: 'user' | 'group';
  readonly scopes: readonly Dn[];
  readonly filter: Filter;
}

/** The attributes that users are named by: e-mail addresses are always told of, usernames where something is wrong. */
export async function checkUserAttributes(place: Place, list: Steps, signal: AbortSignal): Promise<void> {
  const { usernameAttribute, emailAttribute } = place.landscape;
  const those = { entry: 'user', ...searched(users(place)) } as const;
  const username = { step: 'username attribute', variable: 'LDAP_USERNAME_ATTRIBUTE', attribute: usernameAttribute, ...those };
  const email = { step: 'e-mail attribute', variable: 'LDAP_USER_EMAIL_ATTRIBUTE', attribute: emailAttribute, ...those };
  addTrouble(list, username, await findingOf(() => checkAttribute(place, username, signal)));
  await list.run(email.step, () => checkAttribute(place, email, signal));
}

/** The attribute that groups are named by: a line where something is wrong. */
export async function checkGroupName(place: Place, list: Steps, signal: AbortSignal): Promise<void> {
  const attribute = place.landscape.groupNameAttribute;
  const those = { entry: 'group', ...searched(groups(place)) } as const;
  const name = { step: 'group name', variable: 'LDAP_GROUP_NAME_ATTRIBUTE', attribute, ...those };
  addTrouble(list, name, await findingOf(() => checkAttribute(place, name, signal)));
}

function searched<Entry>(kind: Kind<Entry>): Pick<NamingAttribute, 'scopes' | 'filter'> {
  return { scopes: kind.scopes, filter: wholeFilter(kind) };
}

function addTrouble(list: Steps, { step }: NamingAttribute, finding: Finding): void {
  if (finding.status !== 'ok') list.add(step, finding);
}

/** One entry that has it is enough; where there is none, the schema says whether there can be one. */
async function checkAttribute(place: Place, naming: NamingAttribute, signal: AbortSignal): Promise<Finding> {
  const { variable, attribute, entry, scopes, filter } = naming;
  const having = and(filter, { kind: 'present', attribute });
  for (const base of scopes) {
    const request = { base, scope: 'sub', filter: having, attributes: ['1.1'], sizeLimit: 1 } as const;
    if ((await place.session.search(request, signal)).entries.length > 0) return ok(`${entry}s have ${attribute}`);
  }
  const known = await readAttributeTypes(place.session, (await readRootDse(place.session)).subschemaSubentry);
  if (known.size > 0 && !known.has(attribute.toLowerCase()))
    return failed(`the schema of this server has no attribute ${attribute}: set ${variable} to the one that its ${entry}s have`);
  return warned(`no ${entry} has ${attribute}: check ${variable}, and that the account may search it`);
}
