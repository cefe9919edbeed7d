import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runProgram } from '../../src/sandbox/run-program.ts';
import { type Manifest, manifests } from '../support/deployment.ts';

const ROOT = join(import.meta.dirname, '../..');

/**
 * What the API of Kubernetes says of the objects, a line for each complaint. Its types are those that its maintainers publish as OpenAPI,
 * as the package kubernetes-types has them (of the version that it is named by); the compiler knows no field that they do not have.
 */
async function complaints(objects: readonly unknown[]): Promise<readonly string[]> {
  const cache = join(ROOT, 'node_modules/.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'latchkey-kubernetes-'));
  try {
    const lines = objects.map((object, index) => {
      const { apiVersion, kind } = object as Manifest;
      // "v1" is that of the core; "networking.k8s.io/v1" is in the module networking/v1.
      const place = apiVersion.includes('/') ? apiVersion.replace('.k8s.io', '') : `core/${apiVersion}`;
      return `import type { ${kind} as Kind${index} } from 'kubernetes-types/${place}';
export const object${index}: Kind${index} = ${JSON.stringify(object, null, 1)};`;
    });
    await writeFile(join(folder, 'objects.ts'), lines.join('\n'));
    const flags = [
      '--noEmit',
      '--strict',
      '--exactOptionalPropertyTypes',
      '--module',
      'esnext',
      '--moduleResolution',
      'bundler',
      '--types',
      '',
      '--ignoreConfig',
    ];
    const args = [join(ROOT, 'node_modules/.bin/tsc'), ...flags, 'objects.ts'];
    const { code, stdout, stderr } = await runProgram({ path: process.execPath, args, env: process.env, cwd: folder });
    const said = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('error TS'));
    assert.equal(code === 0, said.length === 0, `${stdout}${stderr}`);
    return said;
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('every manifest is what the API of Kubernetes takes', async () => {
  assert.deepEqual(
    manifests()
      .map(({ kind }) => kind)
      .toSorted(),
    ['ConfigMap', 'NetworkPolicy', 'Service', 'ServiceAccount', 'StatefulSet'],
  );
  assert.deepEqual(await complaints(manifests()), []);
});

test('a field that there is not, one in the wrong place, and one of the wrong kind are found', async () => {
  const statefulSet = manifests().find(({ kind }) => kind === 'StatefulSet');
  const policy = manifests().find(({ kind }) => kind === 'NetworkPolicy');
  const broken = (manifest: Manifest | undefined, from: string, to: string): unknown => {
    const text = JSON.stringify(manifest);
    assert.ok(text.includes(from), from);
    return JSON.parse(text.replace(from, to));
  };
  const wrong: readonly [unknown, RegExp][] = [
    [broken(statefulSet, '"enableServiceLinks"', '"enableServiceLink"'), /enableServiceLink/],
    [broken(statefulSet, '"readOnlyRootFilesystem":true', '"runAsNonRoots":true'), /runAsNonRoots/],
    [broken(statefulSet, '"failureThreshold":60', '"failureThreshold":"60"'), /string.*number/],
    [broken(statefulSet, '"serviceName":"latchkey",', ''), /serviceName/],
    [broken(policy, '"policyTypes":["Ingress","Egress"]', '"policyTypes":"Egress"'), /string.*string\[\]/],
    [broken(policy, '"podSelector"', '"selector"'), /selector/],
  ];
  const said = await complaints(wrong.map(([object]) => object));
  for (const [, complaint] of wrong)
    assert.ok(
      said.some((line) => complaint.test(line)),
      `${String(complaint)}\n${said.join('\n')}`,
    );
});
