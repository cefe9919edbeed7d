/** The real image in a real container, beside a real directory: `npm run image`, as root, on a machine with a container engine. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { chmod, chown, copyFile, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ControlPlaneClient } from '../../src/sandbox/control-plane-client.ts';
import { demoPrograms } from '../../src/sandbox/demo-programs.ts';
import type { OpenLdap } from '../../src/sandbox/openldap.ts';
import { until } from '../../src/sandbox/until.ts';
import { buildImage, engine, inContainer, isHealthy, logOf, READ_ONLY, remove, untilIn } from '../support/container-engine.ts';

const IMAGE = 'latchkey';
const NAME = `latchkey-test-${randomUUID().slice(0, 8)}`;
const VOLUME = `${NAME}-state`;
const LOCKED_DOWN = [
  ...READ_ONLY,
  '--cap-drop',
  'ALL',
  '--security-opt',
  'no-new-privileges',
  '--memory',
  '256m',
  '--pids-limit',
  '100',
];
const GRACE_SECONDS = '20';
const WITHIN_MS = 60_000;

interface Stage {
  readonly folder: string;
  readonly openLdap: OpenLdap;
  readonly controlPlane: ControlPlaneClient;
  readonly secrets: readonly string[];
  stop(): Promise<void>;
}
const staged = Promise.withResolvers<Stage>();

before(async () => {
  await buildImage({ tag: IMAGE, file: 'Dockerfile', context: '.' });
  staged.resolve(await openStage());
});
after(async () => {
  await remove({ container: NAME, volumes: [VOLUME, `${VOLUME}-backups`] });
  await (await staged.promise).stop();
});

/** A directory and the stub on this machine, and a folder with what the container is told by files. */
async function openStage(): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-image-'));
  const programs = demoPrograms({ folder, connectorScript: undefined, signal: new AbortController().signal });
  const openLdap = await programs.startDirectory();
  const controlPlane = await programs.startControlPlane();
  const tokenFile = join(folder, 'connector-token');
  // User 1000 reads them; nobody else gets into the folder above.
  await mkdir(join(folder, 'secrets'));
  await chmod(join(folder, 'secrets'), 0o755);
  const given = { token: tokenFile, 'ldap-password': openLdap.connectorPasswordFile, 'ldap-ca.pem': openLdap.caFile };
  for (const [name, from] of Object.entries(given)) {
    await copyFile(from, join(folder, 'secrets', name));
    await chmod(join(folder, 'secrets', name), 0o444);
  }
  return {
    folder,
    openLdap,
    controlPlane,
    secrets: [openLdap.connectorPassword, (await readFile(tokenFile, 'utf8')).trim()],
    async stop() {
      await programs.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Where a container finds its state and its secrets. */
interface Place {
  /** A volume, or a folder of this machine. */
  readonly state: string;
  readonly stateDir: string;
  readonly secrets: string;
  readonly backups: string;
}

/** As Docker does it: a volume of its own, and files. */
const plain = ({ folder }: Stage): Place => ({
  state: VOLUME,
  stateDir: '/var/lib/latchkey',
  secrets: join(folder, 'secrets'),
  backups: `${VOLUME}-backups`,
});

/** Starts the container anew, and resolves once it is healthy. */
async function startContainer({ openLdap, controlPlane }: Stage, place: Place): Promise<void> {
  const env = {
    LATCHKEY_CONTROL_PLANE_URL: `${controlPlane.apiUrl.replace('http', 'ws')}/connect`,
    LATCHKEY_CONTROL_PLANE_TOKEN_FILE: '/run/secrets/token',
    LATCHKEY_CONNECTOR_ID: NAME,
    LDAP_URL: openLdap.ldapsUrl,
    LDAP_CA_FILE: '/run/secrets/ldap-ca.pem',
    LDAP_BIND_DN: openLdap.connectorDn,
    LDAP_BIND_PASSWORD_FILE: '/run/secrets/ldap-password',
    LDAP_BASE_DN: openLdap.baseDn,
    LDAP_USERS_SCOPE: openLdap.usersScope,
    LDAP_GROUPS_SCOPE: openLdap.groupsScope,
    LATCHKEY_STATE_DIR: place.stateDir,
    LATCHKEY_BACKUP_DIR: '/var/backups/latchkey',
    LATCHKEY_HTTP_ADDR: '127.0.0.1:0',
  };
  const told = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const mounts = [
    `${place.state}:/var/lib/latchkey`,
    `${place.backups}:/var/backups/latchkey`,
    `${place.secrets}:/run/secrets:ro`,
  ].flatMap((mount) => ['-v', mount]);
  // The network of this machine, where the directory and the stub listen on loopback.
  await engine('run', '-d', '--name', NAME, '--network', 'host', ...LOCKED_DOWN, ...mounts, ...told, IMAGE);
  await untilIn(NAME, 'the container to be healthy', () => isHealthy(NAME));
}

/** Asks it to stop; resolves with its exit code. */
async function stopContainer(): Promise<number> {
  await engine('stop', '-t', GRACE_SECONDS, NAME);
  return Number(await engine('inspect', '-f', '{{.State.ExitCode}}', NAME));
}

/** The first one is made half a minute after the start. */
async function untilBackedUp(): Promise<void> {
  const folder = `/var/backups/latchkey/latchkey-${NAME}`;
  const holds = async () => /^ledger-\d{8}T\d+Z-[0-9a-f]+\.db$/m.test(await inContainer(NAME, 'ls', folder));
  await untilIn(NAME, 'a backup', holds);
}

async function untilMember({ openLdap }: Stage, uid: string, isThere: boolean): Promise<void> {
  const group = openLdap.groupDn('on-call');
  const holds = async () => ((await openLdap.members(group)).includes(openLdap.personDn(uid)) === isThere ? true : null);
  await until({
    what: `${uid} to be ${isThere ? 'in' : 'out of'} the group`,
    holds,
    withinMs: WITHIN_MS,
    signal: AbortSignal.timeout(2 * WITHIN_MS),
  });
}

const grantOf = (uid: string, durationSeconds: number) =>
  JSON.stringify({ user: { username: uid }, group: { name: 'on-call' }, durationSeconds });

test('the image says who it is, runs as nobody special, and has nothing that fetches or builds', async (t) => {
  const [image] = JSON.parse(await engine('image', 'inspect', IMAGE)) as { Size: number; Config: Record<string, unknown> }[];
  assert.ok(image !== undefined);
  const { Config } = image;
  assert.equal(Config['User'], '1000:1000');
  assert.deepEqual(Config['Volumes'], { '/var/lib/latchkey': {} });
  assert.equal(Config['StopSignal'], 'SIGTERM');
  // An array is the exec form: no shell stands between the engine's signals and it, and it becomes Node.js itself.
  assert.deepEqual(Config['Entrypoint'], ['/app/scripts/latchkey.sh']);
  const listed = await engine(
    'run',
    '--rm',
    '--entrypoint',
    'sh',
    IMAGE,
    '-c',
    'ls /usr/local/bin /usr/local/lib /app /app/node_modules',
  );
  assert.doesNotMatch(listed, /^(?:npm|npx|yarn|corepack|typescript)$/m);
  assert.match(listed, /^ldapts$/m);
  t.diagnostic(`image size: ${(image.Size / 1_000_000).toFixed(0)} MB`);
});

test('a container without any rights is healthy, and can write nothing but its volume', async (t) => {
  const stage = await staged.promise;
  await startContainer(stage, plain(stage));
  assert.match(await inContainer(NAME, 'cat', '/proc/1/cmdline'), /^node\0.*--permission\0/);
  const status = await inContainer(NAME, 'cat', '/proc/1/status');
  assert.match(status, /^Uid:\t1000\t1000\t1000\t1000$/m);
  for (const set of ['CapEff', 'CapPrm', 'CapBnd', 'CapAmb']) assert.match(status, new RegExp(`^${set}:\t0+$`, 'm'));
  assert.match(status, /^NoNewPrivs:\t1$/m);
  for (const folder of ['/app', '/tmp', '/run'])
    await assert.rejects(inContainer(NAME, 'touch', `${folder}/x`), /Read-only file system/);
  const limit = 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || true';
  assert.equal((await inContainer(NAME, 'sh', '-c', limit)).trim(), String(256 * 1024 * 1024));
  assert.match(await inContainer(NAME, 'latchkey', 'check'), /^ok {4}rights to write/m);
  t.diagnostic(`memory at its height: ${/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]} kB`);
});

test('its health follows the directory', async () => {
  const { openLdap } = await staged.promise;
  await openLdap.kill('SIGKILL');
  await untilIn(NAME, 'the container to be unhealthy', async () => !(await isHealthy(NAME)));
  await openLdap.start();
  await untilIn(NAME, 'the container to be healthy again', () => isHealthy(NAME));
});

test('it gives a membership and takes it away on time', async () => {
  const stage = await staged.promise;
  const { grantId } = await stage.controlPlane.createGrant(grantOf('grace', 5));
  await untilMember(stage, 'grace', true);
  await untilMember(stage, 'grace', false);
  await untilIn(NAME, 'the outcome', async () => (await stage.controlPlane.grant(grantId)).ended?.membership === 'removed');
});

test('a verified backup of its ledger lies in its second volume', untilBackedUp);

test('it drains on SIGTERM with exit code 0, and a new one on its volume ends what expired meanwhile', async () => {
  const stage = await staged.promise;
  const { grantId } = await stage.controlPlane.createGrant(grantOf('hiroshi', 5));
  await untilMember(stage, 'hiroshi', true);
  assert.equal(await stopContainer(), 0);
  const log = await logOf(NAME);
  assert.match(log, /"event":"connector\.stopped"/);
  const { grant } = await stage.controlPlane.grant(grantId);
  await untilIn(NAME, 'the time to be up', async () => Date.now() > Date.parse(grant?.expiresAt ?? ''));
  assert.ok((await stage.openLdap.members(stage.openLdap.groupDn('on-call'))).includes(stage.openLdap.personDn('hiroshi')));
  await remove({ container: NAME });
  await startContainer(stage, plain(stage));
  await untilMember(stage, 'hiroshi', false);
  assert.equal(await stopContainer(), 0);
  for (const text of [log, await logOf(NAME), await engine('inspect', NAME)])
    for (const secret of stage.secrets) assert.ok(!text.includes(secret), 'a secret is in what the engine shows');
});

test('it runs on what Kubernetes mounts: a volume of root that its group may write to, and secrets behind links', async () => {
  const stage = await staged.promise;
  await remove({ container: NAME });
  const [state, backups] = [join(stage.folder, 'pod-state'), join(stage.folder, 'pod-backups')];
  for (const volume of [state, backups]) {
    await mkdir(volume);
    await chown(volume, 0, 1000);
    await chmod(volume, 0o2775);
  }
  // The kubelet replaces all files of a secret at once, by another target of the first link.
  const secrets = join(stage.folder, 'pod-secrets');
  await mkdir(join(secrets, '..2026_11_22'), { recursive: true });
  await chmod(secrets, 0o755);
  await symlink('..2026_11_22', join(secrets, '..data'));
  for (const name of ['token', 'ldap-password', 'ldap-ca.pem']) {
    const file = join(secrets, '..2026_11_22', name);
    await copyFile(join(stage.folder, 'secrets', name), file);
    await chown(file, 0, 1000);
    await chmod(file, 0o440);
    await symlink(join('..data', name), join(secrets, name));
  }
  await startContainer(stage, { state, stateDir: '/var/lib/latchkey/state', secrets, backups });
  await untilBackedUp();
  for (const made of ['/var/lib/latchkey/state', `/var/backups/latchkey/latchkey-${NAME}`])
    assert.match(await inContainer(NAME, 'ls', '-ld', made), /^drwx--[S-]--- .* latchkey latchkey /);
  assert.doesNotMatch(await logOf(NAME), /"level":"(?:warn|error|fatal)","[^\n]*"event":"ledger\./);
  assert.equal(await stopContainer(), 0);
});
