import type { Dn } from '../../../access/dn.ts';
import type { Filter } from '../../../access/filter.ts';
import type { MemberAttribute } from '../../../access/membership.ts';
import type { LdapEntry } from '../entry.ts';
import type { Session } from '../session.ts';
import type { AccessRules } from './access-rules.ts';
import type { FlavourName } from './names.ts';
import type { RightsTest } from './rights.ts';
import type { StableId } from './stable-id.ts';

/** What a server's root DSE says of its kind (RFC 4512 §5.1); every list may be empty. */
export interface RootDse {
  readonly objectClasses: readonly string[];
  readonly vendorName: string | undefined;
  readonly vendorVersion: string | undefined;
  readonly namingContexts: readonly string[];
  readonly defaultNamingContext: string | undefined;
  /** Active Directory's own list of what it can do ([MS-ADTS] §3.1.1.3.4.3). */
  readonly supportedCapabilities: readonly string[];
  /**
   * The name of this one server, which may share that of LDAP_URL with others: `dsServiceName` ([MS-ADTS] §3.1.1.3.2.9), or the host and
   * port that 389 Directory Server gives.
   */
  readonly serviceName: string | undefined;
  /** Where the schema is (RFC 4512 §4.2). */
  readonly subschemaSubentry: string | undefined;
}

/** What a user's entry says about itself beyond its names. */
export interface UserFacts {
  /** Why no grant is made to it, as a sentence; null where nothing stands against one. */
  readonly refusal: string | null;
  /** The group that it is in by an attribute of its own and by no value of the group's, as {@link GroupFacts} names it. */
  readonly primaryGroup: string | null;
  /** False where the server's own state says that it may not log in. */
  readonly enabled: boolean;
}

/** What a group's entry says about itself beyond its names. */
export interface GroupFacts {
  /** Why it is never granted, as a sentence; null where nothing stands against it. */
  readonly refusal: string | null;
  /** What makes it privileged on every server of this kind; null for any other group. */
  readonly builtIn: string | null;
  /** How a user's own attribute names it; null where none can. */
  readonly primaryName: string | null;
}

/** How the access list of a group is asked for, and judged. */
export interface MemberRights {
  /** The attribute that the list is in, and the control without which it is not given. */
  readonly list: string;
  readonly control: { readonly type: string; readonly critical: boolean; readonly value: Buffer };
  /** The attribute of the root DSE with the ids of the accounts that a connection acts by. */
  readonly accounts: string;
  /** Ids are hexadecimal text. A list that cannot be read allows nothing. */
  mayRead(list: Buffer, asked: { readonly accounts: ReadonlySet<string>; readonly attribute: MemberAttribute }): boolean;
}

/** Reads facts from an entry that was read with these attributes, beside its names and object classes. */
export interface FactsRule<Facts> {
  readonly attributes: readonly string[];
  facts(entry: LdapEntry): Facts;
}

/**
 * What differs between kinds of directory servers: one file each beside this one. A further kind is one more file, its name
 * in `names.ts`, and its place in `flavour-of.ts`.
 */
export interface Flavour {
  readonly name: FlavourName;
  /** Told where the root DSE names no vendor. */
  readonly vendor: string;
  readonly isSpokenBy: (root: RootDse) => boolean;
  readonly id: StableId;
  readonly usernameAttribute: string;
  readonly fullNameAttribute: string;
  readonly groupNameAttribute: string;
  readonly ownerAttribute: string;
  /** The attribute whose values `memberUid` holds (RFC 2307 §2.2). */
  readonly uidAttribute: string;
  /** All that may be named as a user or as a group, those included that are then refused with a reason. */
  readonly users: Filter;
  readonly groups: Filter;
  /** Those of the users who are people of this directory: what a sync tells of. */
  readonly people: Filter;
  /** An attribute with more e-mail addresses than the configured one has, and how each of its values is read; null for no address. */
  readonly otherEmails: { readonly attribute: string; readonly read: (value: string) => string | null } | null;
  readonly user: FactsRule<UserFacts>;
  readonly group: FactsRule<GroupFacts>;
  /** What each object class lets a group hold its members in, in lower case; what is not here is looked up in the schema. */
  readonly memberClasses: ReadonlyMap<string, readonly MemberAttribute[]>;
  /** Whether values that are names follow their entries when these are renamed or deleted: by design, or only as configured. */
  readonly references: 'kept' | 'as_configured';
  /**
   * True where a value that is a name is a link to the entry itself. One by a user's earlier name is then another's, and is
   * never deleted (ARCHITECTURE, invariant 12).
   */
  readonly linksMembers: boolean;
  /**
   * Whether a session may read the members of a group; null where a filter tells, since one about what must not be read is
   * neither true nor false (RFC 4511 §4.5.1.7).
   */
  readonly mayReadMembers:
    | ((
        session: Session,
        asked: { readonly group: Dn; readonly attribute: MemberAttribute },
        signal: AbortSignal | undefined,
      ) => Promise<boolean>)
    | null;
  /** The same from the access lists of many groups, which one search asks for; null likewise. */
  readonly memberRights: MemberRights | null;
  /** Member values that this server tells absent where they are there; null where there are none. What it says of them proves nothing. */
  readonly misjudges: ((value: string) => boolean) | null;
  /**
   * How a value is spelt for a compare (RFC 4511 §4.10), by which many are asked for one by one where the server finds it by an
   * order it keeps, but for a filter passes over every member of the group. Null for one whose compare is not to be
   * believed, and for every one where compares are not used.
   */
  readonly comparable: ((attribute: MemberAttribute, value: string) => string | null) | null;
  /** How many values one probe may ask for together: what a filter costs the server, and how much of one it takes. */
  readonly probedTogether: number;
  /** Whether the schema lets a group of names be without a member, or a placeholder must stand in (result 65). */
  readonly emptyGroups: 'allowed' | 'refused';
  /**
   * The matching rule by which an entry says that it is in a group, at any depth; null where there is none.
   */
  readonly inChain: string | null;
  /** Finds the groups that rule over the directory by nature ({@link GroupFacts}); null where there are none. */
  readonly ruling: Filter | null;
  /** How the rights of the account are asked for, and how they are given (`latchkey check`, `latchkey acl`). */
  readonly rights: RightsTest;
  readonly accessRules: AccessRules;
  /** How what has changed since a moment is found. */
  readonly delta: 'entryCSN' | 'entryusn' | 'uSNChanged' | null;
}
