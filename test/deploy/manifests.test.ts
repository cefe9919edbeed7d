import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEnv } from 'node:util';
import { SECRETS } from '../../src/config/variables.ts';
import { loadedAsDeployed, type Manifest, manifests, projectFile, projectYaml } from '../support/deployment.ts';

interface Pod {
  readonly [field: string]: unknown;
  readonly securityContext: object;
  readonly containers: readonly Container[];
  readonly volumes: readonly unknown[];
}
interface Container {
  readonly [field: string]: unknown;
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly securityContext: object;
}
interface StatefulSet extends Manifest {
  readonly spec: { readonly replicas: number; readonly template: { readonly spec: Pod } };
}
interface ConfigMap extends Manifest {
  readonly data: Readonly<Record<string, string>>;
}
interface Service {
  readonly [field: string]: unknown;
  readonly environment: Readonly<Record<string, string>>;
}

const MANIFESTS = manifests();
const COMPOSE = (projectYaml('docker/compose.yaml') as { services: Readonly<Record<string, Service>> }).services;
const ofKind = (kind: string): Manifest => {
  const found = MANIFESTS.find((manifest) => manifest.kind === kind);
  assert.ok(found !== undefined, `there is no ${kind}`);
  return found;
};
const statefulSet = () => ofKind('StatefulSet') as StatefulSet;
const pod = (): Pod => statefulSet().spec.template.spec;
const container = (): Container => {
  const [only, ...others] = pod().containers;
  assert.ok(only !== undefined && others.length === 0);
  return only;
};
const unit = projectFile('deploy/systemd/latchkey.service');

/** The configurations that are handed out. */
const deployed = (): Readonly<Record<string, Readonly<Record<string, string>>>> => ({
  kubernetes: {
    ...(ofKind('ConfigMap') as ConfigMap).data,
    ...Object.fromEntries(container().env.map(({ name, value }) => [name, value])),
  },
  compose: COMPOSE['connector']?.environment ?? {},
  systemd: parseEnv(projectFile('deploy/systemd/latchkey.env')) as Readonly<Record<string, string>>,
});

/** How long a connector takes to stop, at most. */
const graceMs = (): number => {
  const loaded = loadedAsDeployed(deployed()['kubernetes'] ?? {});
  assert.ok(loaded.ok);
  return loaded.config.process.shutdownGraceMs;
};

test('what is deployed is a configuration that loads', () => {
  for (const [where, environment] of Object.entries(deployed())) {
    const loaded = loadedAsDeployed(environment);
    assert.deepEqual(loaded.ok ? [] : loaded.problems, [], where);
  }
  assert.equal(loadedAsDeployed({ ...deployed()['kubernetes'], LDAP_GROUP_SCOPE: 'ou=groups' }).ok, false);
});

test('every secret is a file, wherever it is deployed', () => {
  for (const environment of Object.values(deployed()))
    for (const name of SECRETS) assert.match(environment[name] ?? 'credential:', /^credential:/, name);
  for (const text of [unit, projectFile('Dockerfile')])
    for (const name of SECRETS) assert.doesNotMatch(text, new RegExp(`\\b${name}=`));
});

test('Kubernetes runs one, without rights, without service links, and with time to stop', () => {
  assert.equal(statefulSet().spec.replicas, 1);
  const { securityContext, volumes } = pod();
  assert.deepEqual(securityContext, {
    runAsNonRoot: true,
    runAsUser: 1000,
    runAsGroup: 1000,
    fsGroup: 1000,
    fsGroupChangePolicy: 'OnRootMismatch',
    seccompProfile: { type: 'RuntimeDefault' },
  });
  assert.deepEqual(container().securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  assert.equal(pod()['enableServiceLinks'], false);
  assert.equal(pod()['automountServiceAccountToken'], false);
  assert.ok(Number(pod()['terminationGracePeriodSeconds']) * 1000 > graceMs());
  // A directory that is away must not restart it, and must be seen.
  const path = (probe: string) => (container()[probe] as { httpGet: { path: string } }).httpGet.path;
  assert.deepEqual(['startupProbe', 'livenessProbe', 'readinessProbe'].map(path), ['/livez', '/livez', '/readyz']);
  // 0440 in octal, which YAML 1.1 and 1.2 write differently: the owner is root, the group is the pod's.
  assert.deepEqual(volumes, [{ name: 'secrets', secret: { secretName: 'latchkey', defaultMode: 0o440 } }]);
});

test('each container of the sandbox is without rights, and none can be reached from other machines', () => {
  assert.deepEqual(Object.keys(COMPOSE).toSorted(), ['connector', 'control-plane', 'directory']);
  for (const [name, service] of Object.entries(COMPOSE)) {
    // The key << is YAML 1.1's, which engines of containers read.
    const merged = { ...(service['<<'] as object | undefined), ...service } as Readonly<Record<string, unknown>>;
    assert.equal(merged['read_only'], true, name);
    assert.deepEqual(merged['cap_drop'], ['ALL'], name);
    assert.deepEqual(merged['security_opt'], ['no-new-privileges:true'], name);
    for (const port of (merged['ports'] ?? []) as readonly string[]) assert.match(port, /^127\.0\.0\.1:/, name);
  }
});

test('the image is a nobody with one program, that says whether it is healthy and what it is', () => {
  const stages = projectFile('Dockerfile').split(/^(?=FROM )/m);
  const last = stages.at(-1) ?? '';
  assert.match(last, /^FROM \$\{DEBIAN_IMAGE\}$/m);
  assert.match(last, /^USER 1000:1000$/m);
  assert.match(last, /^HEALTHCHECK .* CMD \["latchkey", "health"\]$/m);
  assert.match(last, /^ENTRYPOINT \[".+"\]$/m);
  assert.match(last, /^VOLUME \/var\/lib\/latchkey$/m);
  assert.doesNotMatch(last, /npm|yarn|corepack|apt-get/m);
  const { version, license } = projectYaml('package.json') as { version: string; license: string };
  assert.ok(last.includes(`org.opencontainers.image.version="${version}"`));
  assert.ok(last.includes(`org.opencontainers.image.licenses="${license}"`));
});

test('what the Dockerfile copies is not kept from it', () => {
  const kept = projectFile('.dockerignore').split('\n');
  const copied = [...projectFile('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, files = '']) =>
    files.split(' '),
  );
  assert.ok(copied.length >= 7);
  for (const file of copied) assert.ok(kept.includes(`!${file}`), file);
});

/** The values of a key of the unit, in order. */
const valuesOf = (key: string) => [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value);

test('the systemd unit starts again but for what does not mend itself, and stops in order', () => {
  assert.deepEqual(valuesOf('Type'), ['exec']);
  assert.deepEqual(valuesOf('Restart'), ['on-failure']);
  assert.deepEqual(valuesOf('RestartPreventExitStatus'), ['64 78']);
  assert.deepEqual(valuesOf('StartLimitIntervalSec'), ['0']);
  assert.deepEqual(valuesOf('ExecReload'), ['kill -HUP $MAINPID']);
  assert.ok(Number.parseInt(valuesOf('TimeoutStopSec')[0] ?? '', 10) * 1000 > graceMs());
});

test('the systemd unit gives no rights, no core dump, and secrets as credentials', () => {
  const credentials = valuesOf('LoadCredential').map((value) => `credential:${value.replace(/:.*/, '')}`);
  const named = Object.values(deployed()['systemd'] ?? {}).filter((value) => value.startsWith('credential:'));
  assert.deepEqual(credentials.toSorted(), named.toSorted());
  for (const name of ['CapabilityBoundingSet', 'AmbientCapabilities']) assert.deepEqual(valuesOf(name), ['']);
  for (const name of ['NoNewPrivileges', 'ProtectHome', 'PrivateTmp', 'PrivateDevices', 'RestrictNamespaces'])
    assert.deepEqual(valuesOf(name), ['yes'], name);
  assert.deepEqual(valuesOf('ProtectSystem'), ['strict']);
  assert.deepEqual(valuesOf('LimitCORE'), ['0']);
  assert.deepEqual(valuesOf('User'), ['latchkey']);
  assert.deepEqual(valuesOf('StateDirectoryMode'), ['0700']);
});
