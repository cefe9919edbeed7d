export type Person = { uid: string; givenName: string; sn: string; title: string; rdn?: 'cn'; cn?: string; reportsTo?: string };

/** Who works there. */
export const people: readonly Person[] = [
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

/** Who is in which group, by the class that the group has where a directory has the choice. */
export const groups = {
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

/** Two who work for the company and are kept apart from its people. */
export const contractors: readonly Person[] = [
  { uid: 'xavier', givenName: 'Xavier', sn: 'Dubois', title: 'Contractor' },
  { uid: 'yara', givenName: 'Yara', sn: 'Costa', title: 'Contractor' },
];

/** The named people, and as many generated ones as asked for: u0001 and on. */
export function everybody(extraPeople: number): Person[] {
  return [...people, ...Array.from({ length: extraPeople }, (_, index) => generatedPerson(index + 1))];
}

export function mailsOf(person: Person): readonly string[] {
  return mails[person.uid] ?? [`${person.uid}@example.test`];
}

/** A value as it stands in a DN: with the characters escaped that RFC 4514 §2.4 wants escaped; no name here has others of them. */
export function escapedValue(value: string): string {
  return value.replace(/[,+]/g, '\\$&');
}

export function commonName(person: Person): string {
  return person.cn ?? `${person.givenName} ${person.sn}`;
}

function generatedPerson(number: number): Person {
  const digits = String(number).padStart(4, '0');
  return { uid: `u${digits}`, givenName: 'User', sn: digits, title: 'Employee' };
}
