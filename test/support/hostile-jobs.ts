import { formatInstant, type Instant, later } from '../../src/access/instant.ts';

type Members = Readonly<Record<string, unknown>>;

/** A job that is signed as it should be, and asks for what no job may have; with the code that it has to fail with. */
export interface HostileJob {
  readonly title: string;
  readonly job: Members;
  readonly code: string;
}

const DAY_MS = 86_400_000;
const BASE = 'dc=example,dc=test';
const GROUPS = `ou=groups,${BASE}`;
const PEOPLE = `ou=people,${BASE}`;

/** How deep a group is nested in a protected one. */
export const DEEPEST = 12;
export const nestedGroup = (depth: number): string => `nested-${depth}`;

/** Groups of the example company that are protected by one name, one DN, and by lying within those. */
function protectedOnes(): readonly (readonly [what: string, group: Members])[] {
  return [
    ['by name', { name: 'domain-admins' }],
    ['by name in capitals', { name: 'DOMAIN-ADMINS' }],
    ['by name with blanks around it', { name: ' domain-admins ' }],
    ['by DN', { dn: `cn=domain-admins,${GROUPS}` }],
    ['by DN in capitals', { dn: `CN=DOMAIN-ADMINS,${GROUPS.toUpperCase()}` }],
    ['by DN with blanks', { dn: `cn = domain-admins , ${GROUPS}` }],
    ['by DN with escapes', { dn: `cn=domain\\2dadmins,${GROUPS}` }],
    ['by a name that it shares with a group beneath another container', { dn: `cn=outer-unique,ou=sub,${GROUPS}` }],
    ['nested in it, by name', { name: nestedGroup(1) }],
    ['nested in it, by DN', { dn: `cn=${nestedGroup(1)},${GROUPS}` }],
    ...Array.from({ length: DEEPEST - 1 }, (_, index) => [`nested ${index + 2} deep`, { name: nestedGroup(index + 2) }] as const),
    ['in a ring with one that is nested in it', { name: 'ring-a' }],
    ['on the other side of that ring', { name: 'ring-b' }],
    ['nested by uniqueMember', { name: 'inner-unique' }],
  ];
}

/** What no signature makes right. `person` gives somebody new at each call; grants of more than `maxGrantMs` are too long. */
export function hostileJobs({
  person,
  now,
  maxGrantMs,
  jobOf,
}: {
  person: () => string;
  now: Instant;
  maxGrantMs: number;
  jobOf: (fields: Members) => Members;
}): readonly HostileJob[] {
  const grant = (title: string, code: string, fields: Members): HostileJob => ({
    title,
    code,
    job: jobOf({ user: { username: person() }, group: { name: 'on-call' }, ...fields }),
  });
  const of = (code: string, cases: readonly (readonly [string, Members])[]) =>
    cases.map(([title, fields]) => grant(title, code, fields));
  return [
    ...protectedOnes().map(([what, group]) => grant(`a protected group ${what}`, 'group_protected', { group })),
    ...of('out_of_scope', [
      ['a user beside the scope, by DN', { user: { dn: `uid=xavier,ou=contractors,${BASE}` } }],
      ['the account of the administrator', { user: { dn: `cn=admin,${BASE}` } }],
      ['the base as a user', { user: { dn: BASE } }],
      ['a group as a user', { user: { dn: `cn=on-call,${GROUPS}` } }],
      ['a user beneath another base', { user: { dn: `uid=grace,${PEOPLE},dc=evil` } }],
      ['a user beneath a container whose name only ends alike', { user: { dn: `uid=grace,ou=more-people,${BASE}` } }],
      ['a user beneath a container whose name holds a comma', { user: { dn: `uid=grace,ou=people\\2cdc=example,dc=test` } }],
      ['a user as a group', { group: { dn: `uid=grace,${PEOPLE}` } }],
      ['a group beneath another base', { group: { dn: `cn=on-call,${GROUPS},dc=evil` } }],
      ['a group beneath a shorter base', { group: { dn: 'cn=on-call,ou=groups,dc=test' } }],
      ['a group beneath a scope that is joined', { group: { dn: `cn=on-call,ou=groups+cn=x,${BASE}` } }],
      ['the configuration of the server as a group', { group: { dn: 'cn=config' } }],
      ['the root as a group', { group: { dn: 'cn=Monitor' } }],
    ]),
    ...of('user_not_found', [
      ['a user beside the scope, by username', { user: { username: 'xavier' } }],
      ['a user beside the scope, by e-mail address', { user: { email: 'xavier@example.test' } }],
      ['every user', { user: { username: '*' } }],
      ['a user by a filter', { user: { username: '*)(uid=grace' } }],
      ['an id that nobody has', { user: { id: '00000000-0000-4000-8000-00000000dead' } }],
    ]),
    ...of('user_ambiguous', [['an address that two people have', { user: { email: 'shared@example.test' } }]]),
    ...of('group_not_found', [
      ['the name of a container', { group: { name: 'groups' } }],
      ['every group', { group: { name: '*' } }],
      // OpenLDAP takes neither for a name.
      ['a protected group by DN in hexadecimal', { group: { dn: `cn=#040d646f6d61696e2d61646d696e73,${GROUPS}` } }],
      ['a group of two names', { group: { dn: `cn=on-call+cn=domain-admins,${GROUPS}` } }],
      ['an id that no group has', { group: { id: '00000000-0000-4000-8000-00000000dead' } }],
    ]),
    ...of('policy_denied', [
      ['a second longer than allowed', { durationSeconds: maxGrantMs / 1000 + 1 }],
      ['sixty-eight years', { durationSeconds: 2 ** 31 - 1 }],
      ['until the year 9999', { durationSeconds: undefined, expiresAt: '9999-12-31T23:59:59.999Z' }],
      [
        'until an hour later than allowed',
        { durationSeconds: undefined, expiresAt: formatInstant(later(now, maxGrantMs + 3_600_000)) },
      ],
    ]),
    ...of('job_expired', [
      ['an end that is past', { durationSeconds: undefined, expiresAt: formatInstant(later(now, -1_000)) }],
      ['a write that should have begun', { notAfter: formatInstant(later(now, -1_000)) }],
      ['a job from before what is remembered', { issuedAt: formatInstant(later(now, -200 * DAY_MS)) }],
    ]),
    ...of('invalid_job', [
      ...['adopt', 'pause', 'resume', 'clock', 'policy', 'config', 'exec', 'update', 'delete', 'GRANT'].map(
        (kind) => [`the kind ${kind}`, { kind }] as const,
      ),
      ['no end', { durationSeconds: undefined }],
      ['two ends', { durationSeconds: 60, expiresAt: formatInstant(later(now, 60_000)) }],
      ['an end without end', { durationSeconds: 2 ** 31 }],
      ['two users', { user: { username: 'grace', dn: `uid=grace,${PEOPLE}` } }],
      ['two groups', { group: { name: 'on-call', dn: `cn=domain-admins,${GROUPS}` } }],
      ['a list of users', { user: [{ username: 'grace' }] }],
      ['a list of groups', { group: { name: ['on-call', 'domain-admins'] } }],
    ]),
  ];
}
