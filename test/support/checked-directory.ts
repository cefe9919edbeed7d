import { createHash } from 'node:crypto';
import { type Dn, isBeneath, sameDn } from '../../src/access/dn.ts';
import type { CheckStep } from '../../src/access/event.ts';
import type { Filter } from '../../src/access/filter.ts';
import { instant } from '../../src/access/instant.ts';
import { DirectoryError } from '../../src/directory/directory.ts';
import { checkContents } from '../../src/directory/ldap/check/contents.ts';
import { steps } from '../../src/directory/ldap/check/steps.ts';
import type { LdapEntry } from '../../src/directory/ldap/entry.ts';
import type { Scopes } from '../../src/directory/ldap/landscape.ts';
import type { LdapResult } from '../../src/directory/ldap/ldap-message.ts';
import type { ModifyRequest, SearchRequest, Session } from '../../src/directory/ldap/session.ts';
import { dn, realClock } from './ldap-directory-under-test.ts';

/** An OpenLDAP without a server: enough of one for what `check` asks of the contents. */
export interface CheckedDirectory {
  /** What the root DSE shows. */
  root: Readonly<Record<string, readonly string[]>>;
  /** The result of each attempt to delete a value. */
  onDelete: (request: ModifyRequest) => number;
  /** Where the clock of this machine is, beside the server's. */
  skewMs: number;
}

const BASE = 'dc=example,dc=test';
const ACCOUNT = dn(`cn=latchkey,ou=system,${BASE}`);
export const GROUPS = dn(`ou=groups,${BASE}`);
export const PEOPLE = dn(`ou=people,${BASE}`);
const NOW = Date.UTC(2026, 0, 1);
/** Of the paged results control, whose answer ends here: an empty cookie (RFC 2696). */
const PAGED_RESULTS = '1.2.840.113556.1.4.319';
const LAST_PAGE = Buffer.from([0x30, 0x05, 0x02, 0x01, 0x00, 0x04, 0x00]);

const ENTRIES: readonly LdapEntry[] = [
  entry(BASE, { objectClass: ['organization'] }),
  entry(ACCOUNT, { objectClass: ['organizationalRole'] }),
  entry(PEOPLE, { objectClass: ['organizationalUnit'] }),
  entry(GROUPS, { objectClass: ['organizationalUnit'] }),
  entry(`uid=ada,${PEOPLE}`, { objectClass: ['person'], uid: ['ada'], mail: ['ada@example.test'] }),
  entry(`cn=on-call,${GROUPS}`, { objectClass: ['groupOfNames'], cn: ['on-call'], member: ['cn=nobody'] }),
  entry('cn=subschema', {
    objectClass: ['subschema'],
    objectClasses: ["( 2.5.6.9 NAME 'groupOfNames' SUP top STRUCTURAL MUST ( member $ cn ) MAY description )"],
    attributeTypes: [
      "( 0.9.1 NAME ( 'uid' 'userid' ) )",
      "( 0.9.3 NAME 'mail' )",
      "( 2.5.4.3 NAME 'cn' )",
      "( 2.5.4.20 NAME 'title' )",
    ],
  }),
];

export const MEANT: CheckedDirectory = {
  root: { objectClass: ['OpenLDAProotDSE'], namingContexts: [BASE], subschemaSubentry: ['cn=Subschema'] },
  // Who may write members is told that the value is not there, and of all else that the right is missing.
  onDelete: ({ attribute }) => (attribute === 'member' ? 16 : 50),
  skewMs: 0,
};

const SCOPES: Scopes = {
  flavour: null,
  baseDn: dn(BASE),
  usersScope: [PEOPLE],
  groupsScope: [GROUPS],
  userFilter: null,
  groupFilter: null,
  emailAttribute: 'mail',
  usernameAttribute: null,
  groupNameAttribute: null,
  memberAttribute: null,
};

/** The steps that are found of the contents, with what is different from what is meant, there and in the configuration. */
export async function checkedContents({
  there = {},
  scopes = {},
}: {
  there?: Partial<CheckedDirectory>;
  scopes?: Partial<Scopes>;
}): Promise<readonly CheckStep[]> {
  const directory = { ...MEANT, ...there };
  const list = steps();
  await checkContents(
    {
      session: sessionWith(directory),
      scopes: { ...SCOPES, ...scopes },
      clock: { ...realClock, wall: () => instant(NOW + directory.skewMs) },
      tryLogin: async () => ({ status: 'ok', detail: '' }),
      asked: { protectedGroups: [], ruleGroups: [], login: null },
      otherServers: 'not_asked',
      list,
    },
    new AbortController().signal,
  );
  return list.found;
}

function sessionWith({ root, onDelete }: CheckedDirectory): Session {
  const all = [entry('', { currentTime: ['20260101000000.0Z'], ...root }), ...ENTRIES];
  const session = {
    account: ACCOUNT,
    async search({ base, scope, filter, sizeLimit }: SearchRequest) {
      if (!all.some((one) => sameDn(one.dn, base as Dn))) throw gone(base);
      const found = all
        .filter((one) => sameDn(one.dn, base as Dn) || (scope === 'sub' && isBeneath(one.dn, base as Dn)))
        .filter((one) => matches(one, filter));
      const entries = sizeLimit === 0 ? found : found.slice(0, sizeLimit);
      const result = { controls: new Map([[PAGED_RESULTS, LAST_PAGE]]) };
      return { entries, isCut: entries.length < found.length, references: [], result };
    },
    async modify(request: ModifyRequest): Promise<LdapResult> {
      const resultCode = onDelete(request);
      return { resultCode, matchedDn: '', diagnosticMessage: '', referral: [], controls: new Map() };
    },
  };
  // Of a session, these are all that is asked.
  return session as unknown as Session;
}

function gone(base: string): DirectoryError {
  return new DirectoryError('gone', `The directory answered 32 (noSuchObject) to: search of "${base}".`);
}

function entry(name: string, attributes: Readonly<Record<string, readonly string[]>>): LdapEntry {
  // An id that is made of the name, so that each has its own.
  const id = createHash('sha256').update(name).digest('hex');
  const entryUUID = [`${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20, 32)}`];
  const shown = Object.entries({ objectClass: ['top'], entryUUID, ...attributes });
  return {
    dn: dn(name),
    attributes: new Map(shown.map(([key, values]) => [key.toLowerCase(), values.map((text) => Buffer.from(text))])),
  };
}

function matches(at: LdapEntry, filter: Filter): boolean {
  switch (filter.kind) {
    case 'and':
      return filter.filters.every((one) => matches(at, one));
    case 'or':
      return filter.filters.some((one) => matches(at, one));
    case 'not':
      return !matches(at, filter.filter);
    case 'present':
      return at.attributes.has(filter.attribute.toLowerCase());
    case 'equality': {
      const wanted = Buffer.from(filter.value).toString().toLowerCase();
      return (at.attributes.get(filter.attribute.toLowerCase()) ?? []).some((value) => value.toString().toLowerCase() === wanted);
    }
    case 'approx':
    case 'extensible':
    case 'greaterOrEqual':
    case 'lessOrEqual':
    case 'substrings':
      throw new Error(`check asks for no ${filter.kind}`);
    default:
      return filter satisfies never;
  }
}
