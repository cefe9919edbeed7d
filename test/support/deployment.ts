import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { parse } from 'yaml';
import { type LoadedConfig, loadConfig } from '../../src/config/load-config.ts';
import { makeCertificate } from '../../src/control-plane/certificates.ts';

const ROOT = join(import.meta.dirname, '../..');
export const KUBERNETES = 'deploy/kubernetes';

/** A file of the project, by its path from the root of it. */
export const projectFile = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** What a file of YAML or JSON holds. */
export const projectYaml = (path: string): unknown => parse(projectFile(path));

/** What of a Kubernetes object tells its kind. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
}

/** Every object that `kubectl apply -k` makes. */
export function manifests(): readonly Manifest[] {
  const { resources } = projectYaml(`${KUBERNETES}/kustomization.yaml`) as { resources: readonly string[] };
  return resources.map((file) => projectYaml(`${KUBERNETES}/${file}`) as Manifest);
}

/** Loads a configuration as it is deployed, with files that are as good as those that it names. */
export function loadedAsDeployed(environment: Readonly<Record<string, string>>): LoadedConfig {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-deployed-'));
  try {
    writeFileSync(join(folder, 'secret'), 'a-secret', { mode: 0o600 });
    writeFileSync(join(folder, 'ca.pem'), makeCertificate(['localhost'], Date.now()).ca);
    const key = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
    writeFileSync(join(folder, 'keys.json'), JSON.stringify({ keys: [{ ...key, kid: 'one' }] }));
    const there = Object.entries(environment).map(([name, value]) => {
      if (name === 'CREDENTIALS_DIRECTORY') return [name, folder] as const;
      if (value.startsWith('credential:'))
        writeFileSync(join(folder, value.replace('credential:', '')), 'a-secret', { mode: 0o600 });
      if (!name.endsWith('_FILE')) return [name, value] as const;
      return [name, join(folder, { '.pem': 'ca.pem', '.json': 'keys.json' }[extname(value)] ?? 'secret')] as const;
    });
    return loadConfig({ environment: Object.fromEntries(there), terminal: false });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
