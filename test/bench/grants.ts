import { randomUUID } from 'node:crypto';
import { grantJob } from '../support/told.ts';
import type { BenchControlPlane } from './bench-control-plane.ts';
import { type BenchGroup, groupDn, personDn } from './bench-server.ts';
import type { Site } from './site.ts';

/** One user in one group, as a job names them. */
export interface Wanted {
  readonly cn: string;
  readonly person: number;
}

/** Every person of the range once, spread over the groups, neighbours in different ones. */
export function spreadOver(cns: readonly string[], persons: number): readonly Wanted[] {
  return Array.from({ length: persons }, (_, i) => ({ cn: cns[i % cns.length] ?? '', person: i + 1 }));
}

/** The names of groups `prefix-01` and on. */
export function groupNames(prefix: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}-${String(i + 1).padStart(2, '0')}`);
}

/** Groups of ten who are not granted anything. */
export function groupsOfTen(cns: readonly string[]): readonly BenchGroup[] {
  const members = Array.from({ length: 10 }, (_, i) => personDn(9_001 + i));
  return cns.map((cn) => ({ cn, members }));
}

/** How long one job took, as the control plane saw it. */
export interface Answered {
  readonly grantId: string;
  readonly sentMs: number;
  readonly toldMs: number;
}

/** Asks for the grants, `inFlight` at a time; resolves when every one was granted. */
export async function grantAll(
  { controlPlane, spelt }: Pick<Site, 'controlPlane' | 'spelt'>,
  { wanted, inFlight }: { wanted: readonly Wanted[]; inFlight: number },
): Promise<readonly Answered[]> {
  const answers: Answered[] = [];
  const left = [...wanted].toReversed();
  const lane = async (): Promise<void> => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const job = grantJob({ user: { dn: spelt(personDn(next.person)) }, group: { dn: groupDn(next.cn) } });
      answers.push({ grantId: job.grantId, ...(await answered(controlPlane, { job, outcome: 'granted' })) });
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return answers;
}

/** Takes the grants back one at a time; resolves when every one was revoked. */
export async function revokeAll(
  { controlPlane }: Pick<Site, 'controlPlane'>,
  grants: readonly Pick<Answered, 'grantId'>[],
): Promise<readonly Answered[]> {
  const answers: Answered[] = [];
  for (const { grantId } of grants) {
    const job = { kind: 'revoke', jobId: randomUUID(), grantId, issuedAt: new Date().toISOString() };
    answers.push({ grantId, ...(await answered(controlPlane, { job, outcome: 'revoked' })) });
  }
  return answers;
}

async function answered(
  controlPlane: BenchControlPlane,
  { job, outcome }: { job: { readonly jobId: string }; outcome: 'granted' | 'revoked' },
): Promise<Omit<Answered, 'grantId'>> {
  const { jobId } = job;
  const sentMs = controlPlane.send({ ...job });
  await controlPlane.until(`job ${jobId} is answered`, () => controlPlane.results.has(jobId));
  const told = controlPlane.results.get(jobId);
  if (told?.event.kind !== 'job.succeeded' || told.event.outcome !== outcome)
    throw new Error(`the job did not come to "${outcome}": ${JSON.stringify(told?.event)}`);
  return { sentMs, toldMs: told.atMs };
}

/** The same as LDIF, one value a record. */
export function records(verb: 'add' | 'delete', wanted: readonly Wanted[]): string {
  return wanted
    .map(({ cn, person }) => `dn: ${groupDn(cn)}\nchangetype: modify\n${verb}: member\nmember: ${personDn(person)}\n\n`)
    .join('');
}
