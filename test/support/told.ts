import { randomUUID } from 'node:crypto';
import type { WireEvent, WireGrant } from '../../src/protocol/event-frame.ts';
import { formatEntry } from '../../src/sandbox/ldif.ts';
import type { AnySystem, System } from './system.ts';

/**
 * What the control plane was told about grants and jobs, in order, in short. Without `job.delayed` and `grant.overdue`, of
 * which any number may come.
 */
export async function told(s: AnySystem, ...ids: readonly string[]): Promise<string[]> {
  const events = (await s.events()).map(({ event }) => event);
  return events.filter((event) => idsOf(event).some((id) => ids.includes(id))).flatMap(inShort);
}

function idsOf(event: WireEvent): string[] {
  const { jobId, grant } = event as { jobId?: string; grant?: WireGrant };
  return [jobId, grant?.grantId].filter((id) => id !== undefined);
}

function inShort(event: WireEvent): string[] {
  switch (event.kind) {
    case 'job.succeeded':
      return [`succeeded ${event.outcome}${event.repeat === true ? ' again' : ''}`];
    case 'job.failed':
      return [`failed ${event.error.code}${event.repeat === true ? ' again' : ''}`];
    case 'grant.ended':
      return [`ended ${event.cause} ${event.membership}`];
    case 'grant.drifted':
      return [`drifted ${event.observed} ${event.action}`];
    case 'job.delayed':
    case 'grant.overdue':
    case 'directory.changed':
    case 'sync.completed':
    case 'sync.failed':
    case 'policy.tripped':
    case 'ledger.replaced':
    case 'audit.checkpoint':
      return [];
    default:
      return event satisfies never;
  }
}

/** The outcome or the error code of a job. */
export async function answer(s: AnySystem, jobId: string): Promise<string> {
  const result = await s.outcome(jobId);
  return result.kind === 'job.succeeded' ? result.outcome : result.error.code;
}

/** The grant as the outcome of a job tells it. Throws where it tells none. */
export async function grantOf(s: AnySystem, jobId: string): Promise<WireGrant> {
  const { grant } = await s.outcome(jobId);
  if (grant === undefined) throw new Error(`the outcome of job ${jobId} carries no grant`);
  return grant;
}

/** How long a grant lasts from its activation, in seconds. */
export function lastsSeconds({ activatedAt, expiresAt }: WireGrant): number {
  return (Date.parse(expiresAt ?? '') - Date.parse(activatedAt ?? '')) / 1000;
}

/** The event that says that a job waits. */
export async function delayOf(s: AnySystem, jobId: string) {
  const { event } = await s.event((one) => one.kind === 'job.delayed' && one.jobId === jobId);
  return event as Extract<WireEvent, { kind: 'job.delayed' }>;
}

/** The event that says that an ending is due and cannot be done. */
export async function overdueOf(s: AnySystem, grantId: string) {
  const { event } = await s.event((one) => one.kind === 'grant.overdue' && one.grant.grantId === grantId);
  return event as Extract<WireEvent, { kind: 'grant.overdue' }>;
}

/** A grant job as it goes over the wire, with fresh ids. */
export function grantJob(fields: Readonly<Record<string, unknown>>) {
  return {
    kind: 'grant',
    jobId: randomUUID(),
    grantId: randomUUID(),
    issuedAt: new Date().toISOString(),
    ...('expiresAt' in fields ? {} : { durationSeconds: 3600 }),
    ...fields,
  };
}

/** The directory's id of an entry, as the independent client reads it. */
export async function idOf(s: System, dn: string): Promise<string> {
  const [entry] = await s.ldap.search({ base: dn, scope: 'base', filter: '(objectClass=*)', attributes: ['entryUUID'] });
  const id = entry?.attributes.get('entryuuid')?.[0];
  if (id === undefined) throw new Error(`${dn} is not there`);
  return id;
}

/** Takes away the right to write from everybody, the connector too (result 53), or gives it back. */
export async function readOnly(s: System, value: boolean): Promise<void> {
  await s.ldap.configModify(
    `dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\nreplace: olcReadOnly\nolcReadOnly: ${value ? 'TRUE' : 'FALSE'}\n`,
  );
}

/** Adds or deletes one value of a group by the administrator's hand. */
export async function byHand(
  s: AnySystem,
  change: { group: string; attribute?: string; add?: string; delete?: string },
): Promise<void> {
  const attribute = change.attribute ?? 'member';
  const [verb, value] = change.add === undefined ? ['delete', change.delete ?? ''] : ['add', change.add];
  await s.ldap.modify(`dn: ${change.group}\nchangetype: modify\n${verb}: ${attribute}\n${valueLine(attribute, value)}\n`);
}

function valueLine(attribute: string, value: string): string {
  // ldapmodify reads no empty value in base64.
  return value === '' ? `${attribute}:` : `${attribute}:: ${Buffer.from(value).toString('base64')}`;
}

const BASE = 'dc=example,dc=test';

/** LDIF of a group in the example directory. `members` are values of its member attribute; `group` is Active Directory's class. */
export function groupEntry(
  cn: string,
  {
    objectClass = 'groupOfNames',
    members = [`uid=rosa,ou=people,${BASE}`],
    beneath = `ou=groups,${BASE}`,
  }: { objectClass?: keyof typeof ATTRIBUTE_OF; members?: readonly string[]; beneath?: string } = {},
): string {
  return formatEntry(`cn=${cn},${beneath}`, [
    ['objectClass', objectClass],
    ['cn', cn],
    ...(objectClass === 'posixGroup' ? [['gidNumber', '31000'] as const] : []),
    ...members.map((member) => [ATTRIBUTE_OF[objectClass], member] as const),
  ]);
}

const ATTRIBUTE_OF = {
  groupOfNames: 'member',
  groupOfUniqueNames: 'uniqueMember',
  posixGroup: 'memberUid',
  group: 'member',
} as const;
