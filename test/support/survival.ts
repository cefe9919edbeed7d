import assert from 'node:assert/strict';
import type { WireEvent } from '../../src/protocol/event-frame.ts';
import type { Child } from './child.ts';
import { type AnySystem, until } from './system.ts';

type Result = Extract<WireEvent, { kind: 'job.succeeded' | 'job.failed' }>;

/** Every group of the directory with its members, by the independent client. */
export async function memberships(s: AnySystem): Promise<Readonly<Record<string, readonly string[]>>> {
  const attributes = ['member', 'uniqueMember', 'memberUid'];
  const filter = '(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)(objectClass=group))';
  const groups = await s.ldap.search({ base: s.ldap.baseDn, scope: 'sub', filter, attributes });
  return Object.fromEntries(
    groups.map((group) => [
      group.dn,
      attributes.flatMap((name) => group.attributes.get(name.toLowerCase()) ?? []).toSorted((a, b) => a.localeCompare(b)),
    ]),
  );
}

/** Nothing was told twice, nothing was left untold, and no rule of the protocol was broken. */
export async function assertToldOnce(s: AnySystem): Promise<void> {
  const told = (await s.events()).map(({ event }) => event);
  const jobs = await s.api<{ jobId: string; receivedAt: string | null }[]>('/jobs');
  for (const { jobId } of jobs) {
    const results = told.filter((event): event is Result => isResult(event) && event.jobId === jobId && event.repeat !== true);
    assert.equal(results.length, 1, `job ${jobId} has ${results.length} results: ${JSON.stringify(results)}`);
  }
  const ended = told.filter((event) => event.kind === 'grant.ended').map(({ grant }) => grant.grantId);
  assert.deepEqual(ended, [...new Set(ended)], 'a grant was told to have ended twice');
  assert.deepEqual(await s.violations(), []);
}

function isResult(event: WireEvent): event is Result {
  return event.kind === 'job.succeeded' || event.kind === 'job.failed';
}

/** Starts the connector, and resolves when it has told of this process that its directory is up. */
export async function startReady(s: AnySystem, options: Parameters<AnySystem['startConnector']>[0] = {}): Promise<Child> {
  const from = await lastIndex(s);
  const child = await s.startConnector(options);
  await s.event(({ kind, ...told }) => kind === 'directory.changed' && 'state' in told && told.state === 'up', from);
  return child;
}

export async function lastIndex(s: AnySystem): Promise<number> {
  return (await s.events()).at(-1)?.index ?? 0;
}

/** The connector, which must have been started and not be stopped. */
export function runningConnector(s: AnySystem): Child {
  const child = s.connector();
  assert.ok(child !== null);
  return child;
}

/** Waits for the end of the running connector, which must be the kill that the test asked for. */
export async function killed(s: AnySystem): Promise<void> {
  const child = runningConnector(s);
  const patience = AbortSignal.timeout(30_000);
  const impatient = new Promise<'no kill'>((resolve) => {
    patience.addEventListener('abort', () => resolve('no kill'), { once: true });
  });
  assert.equal(await Promise.race([child.ended, impatient]), 'SIGKILL', child.lines.slice(-15).join('\n'));
  await s.stopConnector();
}

/** Resolves when the wall clock has passed the instant: what a test of an expiry cannot do without. */
export async function past(instant: string | number | null | undefined): Promise<void> {
  assert.ok(instant !== null && instant !== undefined);
  const at = typeof instant === 'number' ? instant : Date.parse(instant);
  for (let leftMs = at - Date.now(); leftMs >= 0; leftMs = at - Date.now()) {
    await new Promise((resolve) => setTimeout(resolve, leftMs + 1));
  }
}

/** A grant that was granted: its id and its times. */
export async function granted(
  s: AnySystem,
  request: Parameters<AnySystem['grant']>[0],
): Promise<{ grantId: string; jobId: string; activatedAt: string; expiresAt: string }> {
  const { grantId, jobId } = await s.grant(request);
  const result = await s.outcome(jobId);
  assert.equal(result.kind === 'job.succeeded' ? result.outcome : result.error.code, 'granted');
  const { activatedAt, expiresAt } = result.grant ?? {};
  assert.ok(typeof activatedAt === 'string' && typeof expiresAt === 'string');
  return { grantId, jobId, activatedAt, expiresAt };
}

/** The outcome of a job that must have succeeded. */
export async function succeeded(s: AnySystem, jobId: string): Promise<string> {
  const result = await s.outcome(jobId);
  return result.kind === 'job.succeeded' ? result.outcome : `${result.error.code}: ${result.error.message}`;
}

/** Where the connector serves its health. */
export async function healthUrl(child: Child): Promise<string> {
  const line = JSON.parse(await child.line((text) => text.includes('"connector.started"'))) as { healthUrl: string };
  return line.healthUrl;
}

export interface Readiness {
  readonly status: number;
  readonly body: Readonly<Record<string, Readonly<Record<string, unknown>>>> & { readonly ready: boolean };
}

export async function readiness(child: Child): Promise<Readiness> {
  const answer = await fetch(`${await healthUrl(child)}/readyz`, { signal: AbortSignal.timeout(60_000) });
  return { status: answer.status, body: (await answer.json()) as Readiness['body'] };
}

/** Waits until the readiness satisfies, and returns it. */
export async function ready(child: Child, satisfies: (readiness: Readiness) => boolean): Promise<Readiness> {
  let last = await readiness(child);
  await until('the readiness that the test expects', async () => satisfies((last = await readiness(child))));
  return last;
}
