import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { preparedFolder } from './prepared-folder.ts';
import { runProgram } from './run-program.ts';
import type { Ports } from './throw-away-directory.ts';

/** How Samba, whose ports 389 and 636 are compiled in, comes to serve others. */
export type PortMapping = 'shim' | 'namespace';

/** The words before Samba's own command that give it these ports. */
export type WordsForPorts = (ports: Ports) => string[];

/**
 * By a library that is preloaded, where a compiler can make it; else in a network namespace, with a relay. Which one may be asked for,
 * and then throws where it cannot be had.
 */
export async function portMapping(asked: PortMapping | undefined): Promise<WordsForPorts> {
  if (asked === 'namespace') return inNamespace;
  try {
    return withShim(await compiledShim());
  } catch (error) {
    if (asked === 'shim') throw error;
    return inNamespace;
  }
}

function withShim(library: string): WordsForPorts {
  // The ports of the global catalog are not asked for: they go wherever the system likes.
  return ({ ldap, ldaps }) => ['/usr/bin/env', `LD_PRELOAD=${library}`, `PORT_SHIM=389=${ldap},636=${ldaps},3268=0,3269=0`];
}

function inNamespace({ ldap, ldaps }: Ports): string[] {
  return ['/usr/bin/python3', sourceOf('port-namespace.py'), String(ldap), String(ldaps)];
}

async function compiledShim(): Promise<string> {
  const source = await readFile(sourceOf('port-shim.c'), 'utf8');
  const folder = await preparedFolder({
    name: 'samba-port-shim',
    madeFrom: [source, process.arch, await readFile('/etc/os-release', 'utf8').catch(() => '')],
    env: process.env,
    prepare: async (work) => {
      await writeFile(join(work, 'port-shim.c'), source);
      const args = ['-shared', '-fPIC', '-O1', '-o', 'port-shim.so', 'port-shim.c', '-ldl'];
      const result = await runProgram({ path: 'cc', args, env: process.env, cwd: work });
      if (result.code !== 0) throw new Error(`cc ended with ${result.code}: ${result.stderr.trim()}`);
    },
  });
  return join(folder, 'port-shim.so');
}

function sourceOf(name: string): string {
  return fileURLToPath(new URL(`samba/${name}`, import.meta.url));
}
