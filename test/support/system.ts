import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WireEvent } from '../../src/protocol/event-frame.ts';
import { freePorts } from '../../src/sandbox/loopback.ts';
import { type OpenLdap, type OpenLdapOptions, startOpenLdap } from '../../src/sandbox/openldap.ts';
import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';
import { type Child, startChild } from './child.ts';
import { directoryEnv } from './directory-env.ts';
import { waitedInVain } from './within.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
const CONNECTOR = new URL('./connector-under-test.ts', import.meta.url).pathname;

/** An event as the stub stores it. */
export interface StoredEvent {
  readonly index: number;
  readonly ledgerId: string;
  readonly seq: number;
  readonly event: WireEvent;
}

/** A request for a grant as the stub's API takes it. */
export interface GrantRequest {
  readonly grantId?: string;
  readonly jobId?: string;
  readonly user: Readonly<Record<string, string>>;
  readonly group: Readonly<Record<string, string>>;
  readonly durationSeconds?: number;
  readonly expiresAt?: string;
  readonly notAfter?: string;
  readonly traceparent?: string;
}

/** How long a test waits for one thing before it is a failure; generous, since nothing waits for time. */
const PATIENCE_MS = 60_000;

/**
 * Sandbox directory, control-plane stub and connector as three processes. The directory is read by the independent
 * `ldapsearch`, never by the connector's word.
 */
export async function startSystem({
  ldap = {},
  env = {},
}: {
  ldap?: OpenLdapOptions;
  env?: NodeJS.ProcessEnv;
} = {}): Promise<System> {
  return await startSystemOn(await startOpenLdap(ldap), { env });
}

/** The same on a directory of any kind that runs already; it ends with the system. */
export async function startSystemOn<Server extends ThrowAwayDirectory>(
  ldap: Server,
  { env = {} }: { env?: NodeJS.ProcessEnv } = {},
) {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-system-'));
  await chmod(folder, 0o700);
  const removeAtExit = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeAtExit);
  const tokenFile = join(folder, 'token');
  const token = `token-${randomUUID()}`;
  await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
  const stateDir = join(folder, 'state');
  let stub: Child | null = null;
  // Its own for good: the stub is stopped and started again, and must be found where it was.
  const [stubPort = 0] = await freePorts(1);
  let apiUrl = '';
  let connector: Child | null = null;
  const output: string[] = [];
  const connectorLines: string[] = [];
  const commandLines: string[] = [];

  async function startStub(stubEnv: NodeJS.ProcessEnv = {}): Promise<void> {
    const child = startChild({
      script: MAIN,
      args: [
        'control-plane',
        '--listen',
        `127.0.0.1:${stubPort}`,
        '--state',
        join(folder, 'control-plane.json'),
        '--token-file',
        tokenFile,
        '--heartbeat',
        '5',
      ],
      cwd: folder,
      env: stubEnv,
    });
    stub = child;
    const line = await child.line((text) => text.startsWith('listening: '));
    const url = /API (http:\/\/\S+)/.exec(line)?.[1];
    if (url === undefined) throw new Error(`no URL in "${line}"`);
    apiUrl = url.replace(/\/$/, '');
  }

  async function stopStub(name: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (stub === null) return;
    await stub.end(name);
    output.push(...stub.lines);
    stub = null;
  }

  /** The environment that the connector under test is configured with. */
  const connectorEnv = (): NodeJS.ProcessEnv => ({
    LATCHKEY_CONTROL_PLANE_URL: `ws://127.0.0.1:${stubPort}/connect`,
    LATCHKEY_CONTROL_PLANE_TOKEN_FILE: tokenFile,
    LATCHKEY_CONNECTOR_ID: 'connector-under-test',
    ...directoryEnv(ldap),
    LATCHKEY_STATE_DIR: stateDir,
    LATCHKEY_HTTP_ADDR: '127.0.0.1:0',
    // A sync that begins by itself is what tests of syncs ask for.
    SYNC_SCHEDULE: 'off',
    SYNC_FULL_SCHEDULE: 'off',
    LATCHKEY_LOG_LEVEL: 'trace',
    // What a test asks for comes faster than people ask.
    LATCHKEY_MAX_GRANTS_PER_MINUTE: '1000000',
    TEST_GONE_CONFIRM_MS: '300',
    TEST_LATE_WRITE_MS: '300',
    ...env,
  });

  /** Starts the connector; resolves when it has been welcomed, or as soon as it logs, where `welcome` is false. */
  async function startConnector({
    killAt,
    env: extra = {},
    launcher = [],
    script = CONNECTOR,
    welcome = true,
  }: {
    killAt?: string;
    env?: NodeJS.ProcessEnv;
    launcher?: readonly string[];
    /** Another entry than that of the tests. */
    script?: string;
    welcome?: boolean;
  } = {}): Promise<Child> {
    const child = startChild({
      script,
      launcher,
      cwd: folder,
      env: { ...connectorEnv(), ...(killAt === undefined ? {} : { TEST_KILL_AT: killAt }), ...extra },
    });
    connector = child;
    const { pid } = child;
    const started = await child.line((text) => text.includes('"connector.started"'));
    commandLines.push(await commandLineOf(pid));
    void started;
    if (welcome && stub !== null)
      await until('the connector is connected', async () => (await connectors()).some(({ connected }) => connected));
    return child;
  }

  async function stopConnector(name: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals> {
    if (connector === null) return 0;
    const how = await connector.end(name);
    connectorLines.push(...connector.lines);
    connector = null;
    return how;
  }

  async function api<T>(path: string, { method = 'GET', body }: { method?: string; body?: unknown } = {}): Promise<T> {
    const answer = await fetch(`${apiUrl}${path}`, {
      method,
      signal: AbortSignal.timeout(PATIENCE_MS),
      // Each on a connection of its own: a server that was stopped for a while closes an idle one as it is used again.
      headers: { connection: 'close', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text) as T;
  }

  const connectors = () => api<{ connectorId: string; connected: boolean; ledgerId: string }[]>('/connectors');
  const events = () => api<StoredEvent[]>('/events?limit=10000');

  /** The first event, past or future, that satisfies; waits on the stub's long poll. */
  async function event(satisfies: (event: WireEvent) => boolean, from = 0): Promise<StoredEvent> {
    const deadline = performance.now() + PATIENCE_MS;
    let after = from;
    for (;;) {
      const batch = await api<StoredEvent[]>(`/events?after=${after}&limit=1000&waitSeconds=5`);
      for (const one of batch) {
        if (satisfies(one.event)) return one;
        after = Math.max(after, one.index);
      }
      if (performance.now() > deadline)
        throw new Error(
          `the event did not come; there are:\n${(await events()).map(({ event: told }) => JSON.stringify(told)).join('\n')}\n${(connector?.lines ?? []).slice(-25).join('\n')}`,
        );
    }
  }

  const outcome = async (jobId: string) =>
    (await event((told) => (told.kind === 'job.succeeded' || told.kind === 'job.failed') && told.jobId === jobId))
      .event as Extract<WireEvent, { kind: 'job.succeeded' | 'job.failed' }>;
  const endOf = async (grantId: string) =>
    (await event((told) => told.kind === 'grant.ended' && told.grant.grantId === grantId)).event as Extract<
      WireEvent,
      { kind: 'grant.ended' }
    >;

  return {
    folder,
    stateDir,
    ldap,
    token,
    output,
    connectorLines,
    commandLines,
    startStub,
    stopStub,
    startConnector,
    stopConnector,
    connectorEnv,
    api,
    events,
    connectors,
    event,
    outcome,
    endOf,
    person: ldap.personDn,
    group: ldap.groupDn,
    connector: () => connector,
    stub: () => stub,
    apiUrl: () => apiUrl,
    grant: (request: GrantRequest) => api<{ grantId: string; jobId: string }>('/grants', { method: 'POST', body: request }),
    revoke: (grantId: string) => api<{ grantId: string; jobId: string }>(`/grants/${grantId}`, { method: 'DELETE' }),
    job: (job: Readonly<Record<string, unknown>>) => api<{ jobId: string }>('/jobs', { method: 'POST', body: { job } }),
    violations: () => api<unknown[]>('/violations'),
    /** Waits until the independent client sees the value among the group's members, or no longer does. */
    async member(groupDn: string, value: string, expected: boolean): Promise<void> {
      await until(
        `${value} ${expected ? 'in' : 'out of'} ${groupDn}`,
        async () => (await ldap.members(groupDn)).some((one) => one.toLowerCase() === value.toLowerCase()) === expected,
      );
    },
    async [Symbol.asyncDispose]() {
      for (const child of [connector, stub]) if (child !== null) await child[Symbol.asyncDispose]();
      await ldap.stop();
      process.off('exit', removeAtExit);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export type System<Server extends ThrowAwayDirectory = OpenLdap> = Awaited<ReturnType<typeof startSystemOn<Server>>>;

/** A system on a directory of any kind. */
export type AnySystem = System<ThrowAwayDirectory>;

/** Asks again, without a pause but that of asking, until it holds; for states that no event announces. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  await untilWithin({ awaited: what, ms: PATIENCE_MS, known: () => '' }, holds);
}

/** The same with a bound of one's own, and with what is known when that has passed. */
export async function untilWithin(
  wait: { awaited: string; ms: number; known: () => string },
  holds: () => Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + wait.ms;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(waitedInVain(wait));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function commandLineOf(pid: number): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
