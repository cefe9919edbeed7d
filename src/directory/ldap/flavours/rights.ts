import type { Dn } from '../../../access/dn.ts';
import type { MemberAttribute } from '../../../access/membership.ts';
import type { LdapResult } from '../ldap-message.ts';
import { ldapAnswer } from '../result-codes.ts';
import type { Session } from '../session.ts';

/** Whether the account may do something, and what the server said where it may not, or where that stays unknown. */
export type Right =
  | { readonly verdict: 'allowed' }
  | { readonly verdict: 'refused'; readonly said: string }
  /** This server takes no changes, and says which does. */
  | { readonly verdict: 'referred'; readonly said: string }
  | { readonly verdict: 'unknown'; readonly said: string };

/** A value that is nowhere, in the form that an attribute of members takes, and as any other text. */
export interface AbsentValue {
  readonly dn: Dn;
  readonly text: string;
}

export interface MemberRightAsked {
  readonly group: Dn;
  readonly attribute: MemberAttribute;
  readonly absent: AbsentValue;
}

export interface OtherRightsAsked {
  readonly dn: Dn;
  /** Attributes of the entry that the connector never writes. */
  readonly attributes: readonly string[];
  readonly absent: AbsentValue;
}

/** How the rights of the account are asked for without changing anything. Each may reject as a search or a modify does. */
export interface RightsTest {
  /** Whether it may write the members of a group. */
  readonly members: (session: Session, asked: MemberRightAsked, signal: AbortSignal) => Promise<Right>;
  /** What it may do to an entry though the connector never does it, each in words that go on "it may". */
  readonly others: (session: Session, asked: OtherRightsAsked, signal: AbortSignal) => Promise<readonly string[]>;
  /** Why the account as a whole may do more than it needs, in words that go on "it is". */
  readonly standing: (session: Session, signal: AbortSignal) => Promise<readonly string[]>;
  /** What cannot be asked without leaving a trace; null where nothing is left out. */
  readonly untested: string | null;
}

const NO_SUCH_ATTRIBUTE = 16;
const SUCCESS = 0;
const REFERRAL = 10;
const INSUFFICIENT_ACCESS_RIGHTS = 50;

/**
 * Asks by deleting a value that is nowhere (RFC 4511 §4.6): a server judges the rights first, so that 16 is the answer to
 * whoever may, and 50 to whoever may not. Either way nothing changes.
 */
export async function rightByDeletion(
  session: Session,
  { dn, attribute, value }: { dn: Dn; attribute: string; value: string },
): Promise<Right> {
  const result = await session.modify({ dn, attribute, add: [], remove: [value] });
  return rightOf(result);
}

function rightOf(result: LdapResult): Right {
  const { resultCode, resultName, diagnosticMessage } = ldapAnswer(result);
  const said = `${resultCode} (${resultName})${diagnosticMessage === '' ? '' : `: ${diagnosticMessage}`}`;
  switch (resultCode) {
    case SUCCESS:
    case NO_SUCH_ATTRIBUTE:
      return { verdict: 'allowed' };
    case REFERRAL:
      return { verdict: 'referred', said };
    case INSUFFICIENT_ACCESS_RIGHTS:
      return { verdict: 'refused', said };
    default:
      return { verdict: 'unknown', said };
  }
}

/** The absent value as a member. */
export function memberValue(attribute: MemberAttribute, { dn, text }: AbsentValue): string {
  return attribute === 'memberUid' ? text : dn;
}

/** The members of a group, asked by deletion. */
export async function memberRightByDeletion(session: Session, { group, attribute, absent }: MemberRightAsked): Promise<Right> {
  return await rightByDeletion(session, { dn: group, attribute, value: memberValue(attribute, absent) });
}

/** For servers that tell nothing of effective rights. */
export const RIGHTS_BY_DELETION: RightsTest = {
  members: memberRightByDeletion,
  async others(session, { dn, attributes, absent }) {
    const allowed: string[] = [];
    for (const attribute of attributes) {
      const right = await rightByDeletion(session, { dn, attribute, value: absent.text });
      if (right.verdict === 'allowed') allowed.push(`change ${attribute}`);
    }
    return allowed;
  },
  standing: async () => [],
  untested: 'whether it may create, rename or delete entries was not tested: this server does not say so without a trace',
};
