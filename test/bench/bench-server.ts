import type { EntryId } from '../../src/access/ids.ts';
import { guidBytes, nsUniqueId, type StableId, uuidText } from '../../src/directory/ldap/flavours/stable-id.ts';
import { startDs389 } from '../../src/sandbox/ds389.ts';
import { formatEntry } from '../../src/sandbox/ldif.ts';
import { type OpenLdap, startOpenLdap } from '../../src/sandbox/openldap.ts';
import { startSambaAd } from '../../src/sandbox/samba-ad.ts';
import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';
import { groupEntry } from '../support/told.ts';

const SUFFIX = 'dc=example,dc=test';
/** Whoever stands in every group, so that none is ever without a member. */
const KEEPER = `uid=rosa,ou=people,${SUFFIX}`;

export const personDn = (number: number): string => `uid=u${String(number).padStart(4, '0')},ou=people,${SUFFIX}`;
export const groupDn = (cn: string): string => `cn=${cn},ou=groups,${SUFFIX}`;

/** A group of the bench: who is in it from the start, by DN. */
export interface BenchGroup {
  readonly cn: string;
  readonly members: readonly string[];
}

/** How many people u0001 and on there are, and the groups. A member who is not among the people is a name and no more. */
export interface Population {
  readonly people: number;
  readonly groups: readonly BenchGroup[];
}

/** A kind of server that the bench can run on. */
export interface BenchServer {
  readonly name: string;
  start(population: Population): Promise<ThrowAwayDirectory>;
  /** The stable id of an entry from a value as `ldapsearch` shows it; undefined where it is none. */
  readonly idAttribute: string;
  readId(value: string): EntryId | undefined;
  /** Of the people u0001 and on, and of groups. */
  readonly filter: string;
  /** A text with the server's own names of people in place of the bench's, and the other way round. */
  spelt(text: string): string;
  unspelt(dn: string): string;
}

const asItIs = (text: string): string => text;
const rfc = (id: StableId) => ({
  idAttribute: id.attribute,
  readId: (value: string) => id.read(Buffer.from(value)),
  filter: '(objectClass=*)',
  spelt: asItIs,
  unspelt: asItIs,
});
export const groupsOfNames = (groups: readonly BenchGroup[]): string =>
  groups.map(({ cn, members }) => groupEntry(cn, { members: [KEEPER, ...members] })).join('');

export async function startSlapd({ people, groups }: Population, { syncs }: { syncs: boolean }): Promise<OpenLdap> {
  const ldap = await startOpenLdap({ people, ldif: groupsOfNames(groups) });
  if (syncs) await syncEachWrite(ldap);
  return ldap;
}

/** A slapd that has each write on disk before it answers, as it does where nobody tells it not to. */
export const OPENLDAP_SERVER: BenchServer = {
  name: 'OpenLDAP',
  ...rfc(uuidText('entryUUID')),
  start: (population) => startSlapd(population, { syncs: true }),
};

/** As it is delivered: it syncs each write. */
export const DS389_SERVER: BenchServer = {
  name: '389 Directory Server',
  ...rfc(nsUniqueId('nsUniqueId')),
  start: ({ people, groups }) => startDs389({ people, ldif: groupsOfNames(groups) }),
};

const GUID = guidBytes('objectGUID');
const BENCH_NAME = /\buid=(u\d{4,}),(?=ou=people,)/g;
const OWN_NAME = /\bCN=(u\d{4,}),(?=ou=people,)/gi;

/**
 * As it is delivered: it syncs each write. A member must be an entry here: who is not among the people is a contact, since
 * these are made in a third of the time.
 */
export const SAMBA_SERVER: BenchServer = {
  name: 'Samba AD',
  idAttribute: GUID.attribute,
  readId: (value) => GUID.read(Buffer.from(value, 'base64')),
  filter: '(|(sAMAccountName=u*)(objectClass=group))',
  spelt: sambaSpelling,
  unspelt: (dn) => dn.replaceAll(OWN_NAME, 'uid=$1,').toLowerCase(),
  async start({ people, groups }) {
    const persons = Array.from({ length: people }, (_, i) => personDn(i + 1));
    const isPerson = new Set(persons);
    const others = new Set(groups.flatMap(({ members }) => members).filter((member) => !isPerson.has(member)));
    const entries = [
      // Enabled, and without the need of a password ([MS-ADTS] §2.2.16).
      ...persons.map((dn, i) => formatEntry(dn, [...USER, ['sAMAccountName', `u${String(i + 1).padStart(4, '0')}`]])),
      ...[...others].map((dn) => formatEntry(dn, [['objectClass', 'contact']])),
      ...groups.map(({ cn, members }) => groupEntry(cn, { objectClass: 'group', members })),
    ];
    return await startSambaAd({ ldif: sambaSpelling(entries.join('')) });
  },
};

function sambaSpelling(text: string): string {
  return text.replace(BENCH_NAME, 'CN=$1,');
}

const USER = [
  ['objectClass', 'user'],
  ['userAccountControl', String(0x200 + 0x20)],
] as const;

/** The sandbox spares the disk (dbnosync), which no server does that people rely on. */
async function syncEachWrite(ldap: OpenLdap): Promise<void> {
  await ldap.configModify('dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\nreplace: olcDbNoSync\nolcDbNoSync: FALSE\n');
}
