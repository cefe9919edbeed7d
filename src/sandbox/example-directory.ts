import { commonName, contractors, escapedValue, everybody, groups, mailsOf, type Person, people } from './example-company.ts';
import { formatEntry } from './ldif.ts';

type Attribute = readonly [name: string, value: string];
/** Entries in two parts: what the groups refer to comes first, since a server may want it to exist. */
type ExampleDirectory = { tree: string; groups: string };

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

  const staff = everybody(extraPeople);
  const dnOf = (person: Person) => personDn(person, suffix);
  const dnByUid = new Map(staff.map((person) => [person.uid, dnOf(person)]));
  const memberDn = (uid: string) => dnByUid.get(uid) ?? `uid=${uid},ou=people,${suffix}`;

  const units = ['people', 'groups', 'system', 'contractors', 'other-groups'].map((ou) =>
    formatEntry(`ou=${ou},${suffix}`, [
      ['objectClass', 'organizationalUnit'],
      ['ou', ou],
    ]),
  );
  const employees = staff.map((person, index) => {
    const reportsTo: Attribute[] = person.reportsTo === undefined ? [] : [['manager', memberDn(person.reportsTo)]];
    return formatEntry(dnOf(person), [...personAttributes({ person, number: index, personPassword }), ...reportsTo]);
  });
  const outsiders = contractors.map((person, index) =>
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
      ...outsiders,
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
  const value = person.rdn === 'cn' ? escapedValue(commonName(person)) : person.uid;
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
    ...mailsOf(person).map((mail): Attribute => ['mail', mail]),
    ['uidNumber', String(20_000 + number)],
    ['gidNumber', '20000'],
    ['homeDirectory', `/home/${person.uid}`],
    ['userPassword', personPassword],
  ];
}
