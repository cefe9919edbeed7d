import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { Ajv, type AnySchemaObject } from 'ajv';
import { default as addFormats } from 'ajv-formats';
import { runProgram } from '../../src/sandbox/run-program.ts';
import { projectFile, projectYaml } from '../support/deployment.ts';

interface Bom {
  readonly metadata: { readonly component: { readonly name: string; readonly version: string } };
  readonly components: readonly { readonly name: string; readonly version: string; readonly hashes: readonly unknown[] }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}
interface Locked {
  readonly version: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
}

const bomOf = Promise.withResolvers<Bom>();
before(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-sbom-'));
  const args = [join(import.meta.dirname, '../../scripts/write-sbom.ts'), join(folder, 'bom.json')];
  const { code, stderr } = await runProgram({ path: process.execPath, args, env: process.env, cwd: folder });
  assert.equal(code, 0, stderr);
  bomOf.resolve(JSON.parse(await readFile(join(folder, 'bom.json'), 'utf8')) as Bom);
  await rm(folder, { recursive: true });
});

/** CycloneDX's own schema, as its library has it. */
function validator() {
  const schema = (name: string) =>
    JSON.parse(
      projectFile(`node_modules/@cyclonedx/cyclonedx-library/res/schema/${name}.SNAPSHOT.schema.json`),
    ) as AnySchemaObject;
  const ajv = new Ajv({ strict: false });
  addFormats.default(ajv);
  // Of international names, which nothing here has: not looked at.
  ajv.addFormat('iri-reference', true).addFormat('idn-email', true);
  // Beside the schema, by the names that it refers to.
  for (const name of ['spdx', 'jsf-0.82'])
    ajv.addSchema(schema(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
  return ajv.compile(schema('bom-1.5'));
}

test('the bill of materials is CycloneDX, and its schema finds what is not', async () => {
  const bom = await bomOf.promise;
  const validate = validator();
  assert.equal(validate(bom), true, JSON.stringify(validate.errors));
  assert.equal(validate({ ...bom, components: [{ ...bom.components[0], type: 'box' }] }), false);
  assert.equal(validate({ ...bom, serialNumber: '1' }), false);
});

test('it names Latchkey and exactly what runs, each with its hash', async () => {
  const { metadata, components, dependencies } = await bomOf.promise;
  const { name, version } = projectYaml('package.json') as { name: string; version: string };
  assert.deepEqual([metadata.component.name, metadata.component.version], [name, version]);
  const { packages } = projectYaml('package-lock.json') as { packages: Readonly<Record<string, Locked>> };
  const runs = Object.entries(packages).filter(
    ([path, { dev, optional, devOptional }]) => path !== '' && !(dev ?? optional ?? devOptional ?? false),
  );
  assert.ok(runs.length >= 15);
  assert.deepEqual(
    components.map((component) => `${component.name}@${component.version}`).toSorted(),
    runs.map(([path, locked]) => `${path.replace(/^.*node_modules\//, '')}@${locked.version}`).toSorted(),
  );
  for (const { hashes, name: component } of components) assert.equal(hashes.length, 1, component);
  assert.deepEqual(
    dependencies.map(({ ref }) => ref).toSorted(),
    [`${name}@${version}`, ...components.map((component) => `${component.name}@${component.version}`)].toSorted(),
  );
});
