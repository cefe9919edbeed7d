import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ChildProgram, startChildProgram } from './child-program.ts';
import { type ControlPlaneClient, controlPlaneClient } from './control-plane-client.ts';
import { freePorts } from './loopback.ts';
import { type OpenLdap, startOpenLdap } from './openldap.ts';
import { until } from './until.ts';

/** The three processes of the demo, by the name a person reads. */
export type Part = 'directory' | 'control plane' | 'connector';

export type DemoPrograms = {
  startDirectory(): Promise<OpenLdap>;
  /** Starts the stub, or starts it again on the same port with the same state; resolves once it listens. */
  startControlPlane(): Promise<ControlPlaneClient>;
  /** Resolves once the process has ended. */
  stopControlPlane(): Promise<void>;
  /** Starts the connector; resolves with the URL of its health endpoint once it is ready. */
  startConnector(openLdap: OpenLdap): Promise<string>;
  isControlPlaneRunning(): boolean;
  /** Undefined where the part never ran. */
  pid(part: Part): number | undefined;
  /** Undefined where the part was not started. */
  logFile(part: Part): string | undefined;
  /** Ends all that run, the directory last. */
  stop(): Promise<void>;
};

const mainScript = fileURLToPath(new URL('../main.ts', import.meta.url));
// Each is up within a second or two; the rest is for a busy machine.
const startWithinMs = 20_000;
const answerWithinMs = 5_000;

/**
 * The demo's programs, each in a process of its own with a log file in `folder`. Nothing of the caller's environment that could
 * configure them is passed on. A wait ends early when its program ends or the signal aborts.
 */
export function demoPrograms(options: {
  folder: string;
  connectorScript: string | undefined;
  signal: AbortSignal;
}): DemoPrograms {
  const { folder, connectorScript = mainScript, signal } = options;
  const file = (name: string) => join(folder, name);
  const tokenFile = file('connector-token');
  const children = new Map<Part, ChildProgram>();
  const logFiles = new Map<Part, string>([['directory', file('openldap/slapd.log')]]);
  let directory: OpenLdap | undefined;
  let controlPlaneStarts = 0;
  let port = 0;

  async function start(
    part: Part,
    command: { args: readonly string[]; env: NodeJS.ProcessEnv; log: string },
  ): Promise<ChildProgram> {
    const { args, log } = command;
    logFiles.set(part, file(log));
    const env = { ...inheritedEnvironment(process.env), ...command.env };
    // Not the caller's folder: a .env file there is not meant for us.
    const child = await startChildProgram({ path: process.execPath, args, env, cwd: folder, logFile: file(log) });
    children.set(part, child);
    return child;
  }

  return {
    async startDirectory() {
      directory = await startOpenLdap({ dir: file('openldap') });
      signal.throwIfAborted();
      return directory;
    },
    async startControlPlane() {
      if (controlPlaneStarts === 0) await writeFile(tokenFile, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
      controlPlaneStarts += 1;
      // Its own until the demo ends: it is stopped and started again.
      if (port === 0) [port = 0] = await freePorts(1);
      const flags = ['--listen', `127.0.0.1:${port}`, '--state', file('control-plane.json'), '--token-file', tokenFile];
      const args = [mainScript, 'control-plane', ...flags, '--heartbeat', '5'];
      const child = await start('control plane', { args, env: {}, log: `control-plane.${controlPlaneStarts}.log` });
      const apiUrl = await said(
        child,
        { pattern: /^listening: .* API (http:\S+?)\/?$/m, what: 'the control plane to listen' },
        signal,
      );
      return controlPlaneClient(apiUrl);
    },
    stopControlPlane: async () => await children.get('control plane')?.kill('SIGTERM'),
    async startConnector(openLdap) {
      const env = connectorEnvironment({ openLdap, port, tokenFile, stateDir: file('connector-state') });
      // For the commands that a person tries in that folder.
      const settings = Object.entries(env).map(([name, value]) => `${name}='${value}'\n`);
      await writeFile(file('.env'), settings.join(''), { mode: 0o600 });
      const child = await start('connector', { args: [connectorScript], env, log: 'connector.log' });
      const healthUrl = await said(child, { pattern: /"healthUrl":"(http:[^"]+)"/, what: 'the connector to start' }, signal);
      return await ready(child, `${healthUrl}/readyz`, signal);
    },
    isControlPlaneRunning: () => children.get('control plane')?.ended.aborted === false,
    pid: (part) => (part === 'directory' ? directory?.pid : children.get(part)?.pid),
    logFile: (part) => logFiles.get(part),
    async stop() {
      await children.get('connector')?.kill('SIGTERM');
      await children.get('control plane')?.kill('SIGTERM');
      await directory?.stop();
    },
  };
}

/** Waits until the program has printed what the pattern finds; resolves with its first group. */
async function said(
  child: ChildProgram,
  { pattern, what }: { pattern: RegExp; what: string },
  signal: AbortSignal,
): Promise<string> {
  const holds = async () => pattern.exec(child.output())?.[1];
  return await until({ what, holds, withinMs: startWithinMs, unlessEnded: child.ended, signal });
}

/** Waits until the URL is answered with a status of success; resolves with it. */
async function ready(child: ChildProgram, url: string, signal: AbortSignal): Promise<string> {
  const holds = async () => {
    const answer = await fetch(url, { signal: AbortSignal.timeout(answerWithinMs) });
    if (!answer.ok) throw new Error(`${answer.status} ${(await answer.text()).trim()}`);
    return url;
  };
  return await until({ what: `${url} to be green`, holds, withinMs: startWithinMs, unlessEnded: child.ended, signal });
}

/** What a program needs to run at all; LD_LIBRARY_PATH is how the pinned Node.js finds a library that a machine may lack. */
function inheritedEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const names = ['PATH', 'HOME', 'LD_LIBRARY_PATH', 'TMPDIR', 'TZ', 'LANG', 'LC_ALL', 'SystemRoot'];
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}

/** The configuration that README.md describes. Secrets are in files, so that no command line and no environment shows them. */
function connectorEnvironment(options: {
  openLdap: OpenLdap;
  port: number;
  tokenFile: string;
  stateDir: string;
}): NodeJS.ProcessEnv {
  const { openLdap, port, tokenFile, stateDir } = options;
  return {
    LATCHKEY_CONTROL_PLANE_URL: `ws://127.0.0.1:${port}/connect`,
    LATCHKEY_CONTROL_PLANE_TOKEN_FILE: tokenFile,
    LATCHKEY_CONNECTOR_ID: 'demo',
    LATCHKEY_NAME: 'Demo connector',
    LDAP_URL: openLdap.ldapsUrl,
    LDAP_CA_FILE: openLdap.caFile,
    LDAP_BIND_DN: openLdap.connectorDn,
    LDAP_BIND_PASSWORD_FILE: openLdap.connectorPasswordFile,
    LDAP_BASE_DN: openLdap.baseDn,
    LDAP_USERS_SCOPE: openLdap.usersScope,
    LDAP_GROUPS_SCOPE: openLdap.groupsScope,
    LATCHKEY_PROTECTED_GROUPS: 'domain-admins',
    LATCHKEY_STATE_DIR: stateDir,
    LATCHKEY_HTTP_ADDR: '127.0.0.1:0',
    // Below the time after which a child that does not end is killed.
    LATCHKEY_SHUTDOWN_GRACE: '3s',
  };
}
