import { formatEntry } from './ldif.ts';

type Attribute = readonly [name: string, value: string];
type Person = { uid: string; givenName: string; sn: string; title: string; rdn?: 'cn'; cn?: string; reportsTo?: string };

/** Entries in two parts: what the groups refer to comes first, since a server may want it to exist. */
type ExampleDirectory = { tree: string; groups: string };

const people: readonly Person[] = [
  { uid: 'amara', givenName: 'Amara', sn: 'Okafor', title: 'Chief Technology Officer' },
  { uid: 'bjorn', givenName: 'Björn', sn: 'Lindqvist', title: 'Head of Platform', reportsTo: 'amara' },
  { uid: 'chen', givenName: 'Wei', sn: 'Chen', title: 'Site Reliability Engineer', reportsTo: 'bjorn' },
  { uid: 'dana', givenName: 'Dana', sn: 'Levi', title: 'Site Reliability Engineer', reportsTo: 'bjorn' },
  { uid: 'elif', givenName: 'Elif', sn: 'Yıldız', title: 'Database Administrator', reportsTo: 'bjorn' },
  { uid: 'farid', givenName: 'Farid', sn: 'Haddad', title: 'Software Engineer', reportsTo: 'amara' },
  { uid: 'grace', givenName: 'Grace', sn: 'Mbeki', title: 'Software Engineer', reportsTo: 'farid' },
  { uid: 'hiroshi', givenName: 'ひろし', sn: '田中', title: 'Software Engineer', reportsTo: 'farid' },
  { uid: 'ines', givenName: 'Inês', sn: 'Carvalho', title: 'Security Engineer', reportsTo: 'amara' },
  { uid: 'jsmith', givenName: 'John', sn: 'Smith', title: 'Partner Engineer', rdn: 'cn', cn: 'Smith, John + Co' },
  { uid: 'jnandu', givenName: 'José', sn: 'Ñandú', title: 'Data Analyst', rdn: 'cn', cn: 'José Ñandú' },
  { uid: 'katya', givenName: 'Катя', sn: 'Соколова', title: 'Data Engineer', reportsTo: 'amara' },
  { uid: 'liam', givenName: 'Liam', sn: "O'Brien", title: 'Support Engineer' },
  { uid: 'maria', givenName: 'María', sn: 'Fernández', title: 'Head of Finance' },
  { uid: 'nadia', givenName: 'Nadia', sn: 'Benali', title: 'Payroll Specialist', reportsTo: 'maria' },
  { uid: 'oskar', givenName: 'Oskar', sn: 'Nowak', title: 'Accountant', reportsTo: 'maria' },
  { uid: 'priya', givenName: 'Priya', sn: 'Raman', title: 'Internal Auditor', reportsTo: 'maria' },
  { uid: 'quinn', givenName: 'Quinn', sn: 'Harper', title: 'Release Engineer', reportsTo: 'bjorn' },
  { uid: 'rosa', givenName: 'Rosa', sn: 'Klein', title: 'Front Desk' },
  { uid: 'sam', givenName: 'Sam', sn: 'Taylor', title: 'Front Desk' },
  { uid: 'tomas', givenName: 'Tomáš', sn: 'Dvořák', title: 'Network Engineer', reportsTo: 'bjorn' },
  { uid: 'uma', givenName: 'Uma', sn: 'Pillai', title: 'Product Owner', reportsTo: 'amara' },
  { uid: 'viktor', givenName: 'Viktor', sn: 'Horvat', title: 'Quality Engineer', reportsTo: 'farid' },
  { uid: 'zoe', givenName: 'Zoë', sn: 'van den Berg', title: 'Designer', reportsTo: 'uma' },
];

/** Two people who share one address, and one who has two: what a mail address alone does not decide. */
const mails: Readonly<Record<string, readonly string[]>> = {
  rosa: ['shared@example.test'],
  sam: ['shared@example.test'],
  dana: ['dana@example.test', 'dana.levi@example.test'],
};

const groups = {
  groupOfNames: {
    engineering: ['amara', 'bjorn', 'farid', 'grace', 'hiroshi', 'viktor'],
    'on-call': ['chen', 'dana'],
    'vpn-users': ['tomas', 'jsmith', 'jnandu'],
    'release-approvers': ['quinn', 'uma'],
    'billing-readers': ['maria'],
    'domain-admins': ['amara', 'ines'],
  },
  groupOfUniqueNames: { 'payroll-readers': ['nadia'], 'audit-reviewers': ['priya', 'ines'] },
  posixGroup: { 'db-operators': ['elif'], deploy: [] },
} as const;

/**
 * A believable small company as LDIF: 24 people (and `extraPeople` generated ones, u0001 and on) and two contractors outside
 * their branch, ten groups and one outside their branch, and the account the connector binds with. `suffix` is a DN of dc's.
 */
export function exampleDirectory(options: {
  suffix: string;
  extraPeople: number;
  /** userPassword of the connector's account, hashed. */
  connectorPassword: string;
  /** userPassword of everybody else, hashed, so that there is something that must not be seen. */
  personPassword: string;
}): ExampleDirectory {
  const { suffix, extraPeople, personPassword } = options;
  const dc = /^dc=([^,]+)/i.exec(suffix)?.[1];
  if (dc === undefined) throw new Error(`The suffix must begin with dc=, which ${suffix} does not.`);

  const everybody = [...people, ...Array.from({ length: extraPeople }, (_, index) => generatedPerson(index + 1))];
  const dnOf = (person: Person) => personDn(person, suffix);
  const dnByUid = new Map(everybody.map((person) => [person.uid, dnOf(person)]));
  const memberDn = (uid: string) => dnByUid.get(uid) ?? `uid=${uid},ou=people,${suffix}`;

  const units = ['people', 'groups', 'system', 'contractors', 'other-groups'].map((ou) =>
    formatEntry(`ou=${ou},${suffix}`, [
      ['objectClass', 'organizationalUnit'],
      ['ou', ou],
    ]),
  );
  const employees = everybody.map((person, index) => {
    const reportsTo: Attribute[] = person.reportsTo === undefined ? [] : [['manager', memberDn(person.reportsTo)]];
    return formatEntry(dnOf(person), [...personAttributes({ person, number: index, personPassword }), ...reportsTo]);
  });
  const contractors = [
    { uid: 'xavier', givenName: 'Xavier', sn: 'Dubois', title: 'Contractor' },
    { uid: 'yara', givenName: 'Yara', sn: 'Costa', title: 'Contractor' },
  ].map((person, index) =>
    formatEntry(
      `uid=${person.uid},ou=contractors,${suffix}`,
      personAttributes({ person, number: 50_000 + index, personPassword }),
    ),
  );

  return {
    tree: [
      formatEntry(suffix, [
        ['objectClass', 'domain'],
        ['dc', dc],
      ]),
      ...units,
      connectorEntry(suffix, options.connectorPassword),
      ...employees,
      ...contractors,
    ].join(''),
    groups: groupEntries(suffix, memberDn).join(''),
  };
}

/** The DN of a person of ou=people, whether named here, generated, or added by a test under the same rule. */
export function examplePersonDn(uid: string, suffix: string): string {
  const named = people.find((person) => person.uid === uid);
  return named === undefined ? `uid=${uid},ou=people,${suffix}` : personDn(named, suffix);
}

function groupEntries(suffix: string, memberDn: (uid: string) => string): string[] {
  const entry = (options: { cn: string; unit: string; attributes: readonly Attribute[] }) => {
    const { cn, unit, attributes } = options;
    return formatEntry(`cn=${cn},ou=${unit},${suffix}`, [['cn', cn], ['description', `Members of ${cn}`], ...attributes]);
  };
  const named =
    (objectClass: string, attribute: string) =>
    (uids: readonly string[]): Attribute[] => [
      ['objectClass', objectClass],
      ...uids.map((uid): Attribute => [attribute, memberDn(uid)]),
    ];
  const ofNames = named('groupOfNames', 'member');
  const ofUniqueNames = named('groupOfUniqueNames', 'uniqueMember');
  return [
    ...Object.entries(groups.groupOfNames).map(([cn, uids]) => entry({ cn, unit: 'groups', attributes: ofNames(uids) })),
    ...Object.entries(groups.groupOfUniqueNames).map(([cn, uids]) =>
      entry({ cn, unit: 'groups', attributes: ofUniqueNames(uids) }),
    ),
    ...Object.entries(groups.posixGroup).map(([cn, uids], index) => {
      const posix: Attribute[] = [
        ['objectClass', 'posixGroup'],
        ['gidNumber', String(30_000 + index)],
      ];
      return entry({ cn, unit: 'groups', attributes: [...posix, ...uids.map((uid): Attribute => ['memberUid', uid])] });
    }),
    entry({ cn: 'facilities', unit: 'other-groups', attributes: ofNames(['rosa']) }),
  ];
}

function connectorEntry(suffix: string, userPassword: string): string {
  return formatEntry(`cn=latchkey,ou=system,${suffix}`, [
    ['objectClass', 'organizationalRole'],
    ['objectClass', 'simpleSecurityObject'],
    ['cn', 'latchkey'],
    ['userPassword', userPassword],
  ]);
}

function personDn(person: Person, suffix: string): string {
  // The characters RFC 4514 §2.4 wants escaped; the names above have no others of them.
  const value = person.rdn === 'cn' ? commonName(person).replace(/[,+]/g, '\\$&') : person.uid;
  return `${person.rdn ?? 'uid'}=${value},ou=people,${suffix}`;
}

function personAttributes(options: { person: Person; number: number; personPassword: string }): Attribute[] {
  const { person, number, personPassword } = options;
  return [
    ['objectClass', 'inetOrgPerson'],
    ['objectClass', 'posixAccount'],
    ['uid', person.uid],
    ['cn', commonName(person)],
    ['sn', person.sn],
    ['givenName', person.givenName],
    ['title', person.title],
    ...(mails[person.uid] ?? [`${person.uid}@example.test`]).map((mail): Attribute => ['mail', mail]),
    ['uidNumber', String(20_000 + number)],
    ['gidNumber', '20000'],
    ['homeDirectory', `/home/${person.uid}`],
    ['userPassword', personPassword],
  ];
}

function commonName(person: Person): string {
  return person.cn ?? `${person.givenName} ${person.sn}`;
}

function generatedPerson(number: number): Person {
  const digits = String(number).padStart(4, '0');
  return { uid: `u${digits}`, givenName: 'User', sn: digits, title: 'Employee' };
}
