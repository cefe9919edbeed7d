import type { ControlPlaneClient, GrantAnswer } from './control-plane-client.ts';
import type { DemoPrograms, Part } from './demo-programs.ts';
import type { DemoTerminal } from './demo-terminal.ts';
import { isFreePort } from './loopback.ts';
import type { OpenLdap } from './openldap.ts';
import { shellLine } from './shell-words.ts';
import { until } from './until.ts';

/** A step that was not seen, and whose log says most about it. */
export class StepFailed extends Error {
  readonly part: Part;

  constructor(title: string, part: Part, cause: unknown) {
    super(`${title}: ${messageOf(cause)}`, { cause });
    this.part = part;
  }
}

/** What there is to try once all steps were seen. */
export type DemoSystem = { openLdap: OpenLdap; controlPlane: ControlPlaneClient; readyUrl: string };

type Stage = { programs: DemoPrograms; terminal: DemoTerminal; signal: AbortSignal };

const grantSeconds = 4;
// The connector looks at its clock at least once a second; the other second is for ldapsearch on a busy machine.
const latenessMs = 2_000;
// The directory and the stub answer in milliseconds.
const seenWithinMs = 10_000;
// The connector dials again after at most 30 s (PROTOCOL, full-jitter backoff); after a few seconds of absence, at most 8.
const reconnectedWithinMs = 45_000;

/** Grace Mbeki, a software engineer, goes on call; the group is a groupOfNames, whose member values are DNs. */
const request = {
  user: { email: 'grace@example.test' },
  group: { name: 'on-call' },
  durationSeconds: grantSeconds,
  justification: 'pages of the shop, incident 2041',
};

/** Shows the whole story, a line for each step that was seen. Rejects with {@link StepFailed} at the first that was not. */
export async function playDemo(stage: Stage): Promise<DemoSystem> {
  const system = await startAll(stage);
  const { grantId, expiresAt } = await seeGrant(stage, system);
  await seeExpiryWithoutControlPlane(stage, system, expiresAt);
  await seeOutcomesArrive(stage, grantId);
  return system;
}

/** Runs one step; `show` makes the line of what was seen. */
async function step<T>(
  stage: Stage,
  { title, part, run, show }: { title: string; part: Part; run: () => Promise<T>; show: (seen: T) => string },
): Promise<T> {
  try {
    const seen = await run();
    stage.terminal.seen(`${title}: ${show(seen)}`);
    return seen;
  } catch (error) {
    // An interruption is nobody's fault.
    stage.signal.throwIfAborted();
    throw new StepFailed(title, part, error);
  }
}

async function startAll(stage: Stage): Promise<DemoSystem> {
  const { programs, signal } = stage;
  const openLdap = await step(stage, {
    title: 'directory is up',
    part: 'directory',
    run: () => programs.startDirectory(),
    show: ({ ldapsUrl }) => `a real slapd at ${ldapsUrl}, process ${programs.pid('directory')}`,
  });
  const controlPlane = await step(stage, {
    title: 'control plane is up',
    part: 'control plane',
    run: () => programs.startControlPlane(),
    show: ({ apiUrl }) => `the stub at ${apiUrl}, process ${programs.pid('control plane')}`,
  });
  const readyUrl = await step(stage, {
    title: 'connector is connected',
    part: 'connector',
    run: async () => {
      const url = await programs.startConnector(openLdap);
      await until({
        what: 'the control plane to say that the connector is connected',
        holds: async () => (await controlPlane.connectors()).find(({ connected }) => connected),
        withinMs: seenWithinMs,
        signal,
      });
      return url;
    },
    show: (url) => `process ${programs.pid('connector')}, ready at ${url}`,
  });
  return { openLdap, controlPlane, readyUrl };
}

async function seeGrant(stage: Stage, system: DemoSystem): Promise<{ grantId: string; expiresAt: number }> {
  const { terminal, signal } = stage;
  const { controlPlane } = system;
  await step(stage, {
    title: 'before',
    part: 'directory',
    run: async () => {
      if (await isMember(system)) throw new Error('the member is there already');
    },
    show: () => `ldapsearch shows no ${memberValue(system)} in ${groupDn(system)}`,
  });
  const body = JSON.stringify(request);
  terminal.say(`\n         $ ${shellLine(['curl', '-sd', body, `${controlPlane.apiUrl}/grants`])}\n`);
  const { grantId } = await step(stage, {
    title: 'grant requested',
    part: 'control plane',
    run: () => controlPlane.createGrant(body),
    show: (created) => `${grantSeconds} s for Grace Mbeki in ${request.group.name}, grant ${created.grantId}`,
  });
  await step(stage, {
    title: 'after',
    part: 'connector',
    run: () => until({ what: 'ldapsearch to show the member', ...membership(system, true), withinMs: seenWithinMs, signal }),
    show: () => `ldapsearch shows member: ${memberValue(system)}`,
  });
  const expiresAt = await step(stage, {
    title: 'outcome',
    part: 'connector',
    run: () =>
      until({
        what: 'the outcome of the grant',
        holds: async () => expiryOf(await controlPlane.grant(grantId)),
        withinMs: seenWithinMs,
        signal,
      }),
    show: (at) => `the control plane was told "granted", until ${new Date(at).toISOString()}`,
  });
  return { grantId, expiresAt };
}

async function seeExpiryWithoutControlPlane(stage: Stage, system: DemoSystem, expiresAt: number): Promise<void> {
  const { programs, signal } = stage;
  const port = Number(new URL(system.controlPlane.apiUrl).port);
  const expectStopped = async () => {
    if (programs.isControlPlaneRunning() || !(await isFreePort(port))) throw new Error('the control plane is running');
  };
  await step(stage, {
    title: 'control plane stopped',
    part: 'control plane',
    run: async () => {
      const pid = programs.pid('control plane');
      await programs.stopControlPlane();
      await expectStopped();
      if (!(await isMember(system))) throw new Error('the grant ended before that, so that this machine is too busy to show it');
      return pid;
    },
    show: (pid) => `process ${pid} has ended, nobody listens on port ${port}, the member is still there`,
  });
  await step(stage, {
    title: 'expired without the control plane',
    part: 'connector',
    run: async () => {
      const withinMs = Math.max(0, expiresAt - Date.now()) + latenessMs;
      await until({ what: 'ldapsearch to show that the member left', ...membership(system, false), withinMs, signal });
      const lateMs = Date.now() - expiresAt;
      if (lateMs < 0) throw new Error(`the member left ${-lateMs} ms before the grant expired`);
      await expectStopped();
      return lateMs;
    },
    show: (lateMs) => `ldapsearch no longer shows the member, ${lateMs} ms after the expiry`,
  });
}

async function seeOutcomesArrive(stage: Stage, grantId: string): Promise<void> {
  const { programs, signal } = stage;
  const controlPlane = await step(stage, {
    title: 'control plane started again',
    part: 'control plane',
    run: () => programs.startControlPlane(),
    show: () => `process ${programs.pid('control plane')}`,
  });
  await step(stage, {
    title: 'outcomes arrived',
    part: 'connector',
    run: async () => {
      const ended = await until({
        what: 'the end of the grant to be told',
        holds: async () => (await controlPlane.grant(grantId)).ended,
        withinMs: reconnectedWithinMs,
        signal,
      });
      if (ended.cause !== 'expired' || ended.membership !== 'removed') {
        throw new Error(`the grant ended otherwise: cause ${ended.cause}, membership ${ended.membership}`);
      }
      const granted = (await controlPlane.grant(grantId)).jobs[0];
      if (granted?.outcome !== 'granted') throw new Error(`the outcome of the job is ${granted?.outcome}`);
    },
    show: () => 'job.succeeded (granted), and grant.ended (cause expired, membership removed)',
  });
}

const groupDn = ({ openLdap }: DemoSystem) => `cn=on-call,${openLdap.groupsScope}`;
const memberValue = ({ openLdap }: DemoSystem) => `uid=grace,${openLdap.usersScope}`;

async function isMember(system: DemoSystem): Promise<boolean> {
  const members = await system.openLdap.members(groupDn(system));
  return members.some((value) => value.toLowerCase() === memberValue(system).toLowerCase());
}

/** The question whether the membership is as expected, for `until`. */
function membership(system: DemoSystem, expected: boolean): { holds: () => Promise<true | undefined> } {
  return { holds: async () => ((await isMember(system)) === expected ? true : undefined) };
}

/** When the grant ends, in milliseconds since 1970; undefined while there is no outcome. Throws where it is another one. */
function expiryOf({ jobs, grant }: GrantAnswer): number | undefined {
  const job = jobs[0];
  if (job?.state === 'succeeded' && job.outcome === 'granted' && typeof grant?.expiresAt === 'string') {
    return Date.parse(grant.expiresAt);
  }
  if (job?.state === 'succeeded' || job?.state === 'failed' || job?.state === 'refused') {
    throw new Error(`the outcome is ${job.outcome ?? `${job.error?.code}: ${job.error?.message}`}`);
  }
  return undefined;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${messageOf(error.cause)})` : error.message;
}
