import { commonName, contractors, escapedValue, everybody, groups, mailsOf, type Person, people } from './example-company.ts';
import { formatEntry } from './ldif.ts';

type Attribute = readonly [name: string, value: string];

// [MS-ADTS] 2.2.12: 2 is global, 4 domain local, 8 universal; the sign bit makes a security group, and without it mail is all it is for.
const groupTypes = {
  globalSecurity: '-2147483646',
  domainLocalSecurity: '-2147483644',
  universalSecurity: '-2147483640',
  globalDistribution: '2',
  universalDistribution: '8',
} as const;

/** Every scope and both types; what is not named here is a global security group, which is what one gets without a choice. */
const typeOfGroup: Readonly<Record<string, keyof typeof groupTypes>> = {
  'on-call': 'domainLocalSecurity',
  'vpn-users': 'universalSecurity',
  'release-approvers': 'globalDistribution',
  'billing-readers': 'universalDistribution',
};

// Enabled, and no password needed: nobody logs in as these people ([MS-ADTS] 2.2.16).
const normalAccount = String(0x200 + 0x20);

/**
 * The company of `exampleDirectory` as Active Directory keeps it, as LDIF: people are named by their full name, uid is their
 * sAMAccountName, a second mail address is a proxy address, and each group is a `group`. Without the connector's account.
 */
export function exampleActiveDirectory(options: { baseDn: string; dnsDomain: string }): string {
  const { baseDn, dnsDomain } = options;
  const units = ['people', 'groups', 'system', 'contractors', 'other-groups'].map((ou) =>
    formatEntry(`OU=${ou},${baseDn}`, [['objectClass', 'organizationalUnit']]),
  );
  const staff = people.map((person, index) => personEntry({ person, number: index, unit: 'people', baseDn, dnsDomain }));
  const outsiders = contractors.map((person, index) =>
    personEntry({ person, number: 50_000 + index, unit: 'contractors', baseDn, dnsDomain }),
  );
  return [...units, ...staff, ...outsiders, ...groupEntries(baseDn)].join('');
}

/** The generated people of `exampleDirectory`, u0001 and on. */
export function generatedActiveDirectoryPeople(options: { baseDn: string; dnsDomain: string; count: number }): string {
  return everybody(options.count)
    .map((person, number) => ({ person, number }))
    .slice(people.length)
    .map(({ person, number }) => personEntry({ ...options, person, number, unit: 'people' }))
    .join('');
}

/** The DN of a person of OU=people, whether named here, generated, or added by a test under the same rule. */
export function activeDirectoryPersonDn(uid: string, baseDn: string): string {
  const digits = /^u(\d{4,})$/.exec(uid)?.[1];
  const generated = digits === undefined ? uid : `User ${digits}`;
  const named = people.find((person) => person.uid === uid);
  return `CN=${named === undefined ? generated : escapedValue(commonName(named))},OU=people,${baseDn}`;
}

function personEntry(options: { person: Person; number: number; unit: string; baseDn: string; dnsDomain: string }): string {
  const { person, number, unit, baseDn, dnsDomain } = options;
  const [mail = '', ...others] = mailsOf(person);
  // By convention the address one writes from has SMTP in capitals; mail itself has one value.
  const addresses = others.length === 0 ? [] : [`SMTP:${mail}`, ...others.map((other) => `smtp:${other}`)];
  return formatEntry(`CN=${escapedValue(commonName(person))},OU=${unit},${baseDn}`, [
    ['objectClass', 'user'],
    ['sAMAccountName', person.uid],
    ['userPrincipalName', `${person.uid}@${dnsDomain}`],
    ['userAccountControl', normalAccount],
    ['displayName', commonName(person)],
    ['sn', person.sn],
    ['givenName', person.givenName],
    ['title', person.title],
    ['mail', mail],
    ...addresses.map((address): Attribute => ['proxyAddresses', address]),
    ['uid', person.uid],
    ['uidNumber', String(20_000 + number)],
    ['gidNumber', '20000'],
    ...(person.reportsTo === undefined ? [] : [['manager', activeDirectoryPersonDn(person.reportsTo, baseDn)] as const]),
  ]);
}

function groupEntries(baseDn: string): string[] {
  const entry = (options: { cn: string; unit: string; attributes: readonly Attribute[] }) =>
    formatEntry(`CN=${options.cn},OU=${options.unit},${baseDn}`, [
      ['objectClass', 'group'],
      ['sAMAccountName', options.cn],
      ['groupType', groupTypes[typeOfGroup[options.cn] ?? 'globalSecurity']],
      ['description', `Members of ${options.cn}`],
      ...options.attributes,
    ]);
  const members = (uids: readonly string[]) => uids.map((uid): Attribute => ['member', activeDirectoryPersonDn(uid, baseDn)]);
  const withMembers = { ...groups.groupOfNames, ...groups.groupOfUniqueNames };
  return [
    ...Object.entries(withMembers).map(([cn, uids]) => entry({ cn, unit: 'groups', attributes: members(uids) })),
    ...Object.entries(groups.posixGroup).map(([cn, uids], index) => {
      const gidNumber: Attribute = ['gidNumber', String(30_000 + index)];
      return entry({ cn, unit: 'groups', attributes: [gidNumber, ...uids.map((uid): Attribute => ['memberUid', uid])] });
    }),
    entry({ cn: 'facilities', unit: 'other-groups', attributes: members(['rosa']) }),
  ];
}
