import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { breaches, type SourceFile } from './architecture-rules.ts';

const ROOT = join(import.meta.dirname, '..');

test('the import table of the architecture is true', () => {
  const files: SourceFile[] = globSync('src/**/*.ts', { cwd: ROOT }).map((path) => ({
    path: path.replaceAll('\\', '/'),
    text: readFileSync(join(ROOT, path), 'utf8'),
  }));
  assert.ok(files.length > 40);
  assert.deepEqual(breaches(files), []);
});

/** Asserts that a file with this text, and nothing else, is a breach; and with the other text it is none. */
function forbidden(path: string, text: string): void {
  assert.equal(breaches([{ path, text }]).length, 1, `${path}: ${text}`);
}

function permitted(path: string, text: string): void {
  assert.deepEqual(breaches([{ path, text }]), []);
}

test('access imports nothing but hashes', () => {
  permitted('src/access/x.ts', "import { createHash } from 'node:crypto';\nimport { y } from './y.ts';");
  forbidden('src/access/x.ts', "import { readFileSync } from 'node:fs';");
  forbidden('src/access/x.ts', "import { z } from 'zod';");
  forbidden('src/access/x.ts', "import type { Logger } from '../observability/logger.ts';");
  forbidden('src/access/x.ts', "import { frame } from '../protocol/frames.ts';");
});

test('a folder imports only what its row names', () => {
  for (const folder of ['protocol', 'ledger', 'directory', 'link', 'secrets', 'observability', 'operator'])
    forbidden(`src/${folder}/x.ts`, "import { createEngine } from '../engine/engine.ts';");
  forbidden('src/ledger/sqlite/x.ts', "import { frame } from '../../protocol/frames.ts';");
  forbidden('src/directory/ldap/x.ts', "import type { Ledger } from '../../ledger/ledger.ts';");
  forbidden('src/main.ts', "import { openConnector } from './connector.ts';");
  forbidden('src/stray.ts', "import { main } from './cli/main-command.ts';");
  forbidden('src/util/x.ts', "import { join } from 'node:path';");
  forbidden('src/engine/x.ts', "import { fixture } from '../../test/support/fixture.ts';");
});

test('nothing leaves a certificate unverified but the look at one that was refused', () => {
  for (const text of [
    'connect({ rejectUnauthorized: false })',
    'connect({ rejectUnauthorized: isStrict })',
    'x({ checkServerIdentity: () => undefined })',
  ])
    forbidden('src/link/x.ts', text);
  permitted(
    'src/link/x.ts',
    'connect({ rejectUnauthorized: true, checkServerIdentity: (_name, certificate) => check(certificate) })',
  );
  permitted('src/directory/ldap/check/peer.ts', 'connect({ rejectUnauthorized: false })');
});

test('every form of import is seen', () => {
  for (const text of [
    "import '../engine/engine.ts';",
    "import * as engine from '../engine/engine.ts';",
    "import {\n  a,\n  type B,\n} from '../engine/engine.ts';",
    "export { a } from '../engine/engine.ts';",
    "export type { A } from '../engine/engine.ts';",
    "const engine = await import('../engine/engine.ts');",
    "type A = import('../engine/engine.ts').A;",
    '/* import */ import { a } from "../engine/engine.ts"; // from \'./x.ts\'',
    'const engine = await import(name);',
    'const engine = await import(`../engine/engine.ts`);',
  ])
    forbidden('src/link/x.ts', text);
  permitted('src/link/x.ts', "// import '../engine/engine.ts';\n/*\nimport '../engine/engine.ts';\n*/");
});

test('the logger is known by its type, in every folder but access and sandbox', () => {
  const type = "import type { Logger } from '../observability/logger.ts';";
  for (const folder of ['protocol', 'ledger', 'directory', 'link', 'secrets', 'engine', 'control-plane', 'cli']) {
    permitted(`src/${folder}/x.ts`, type);
    forbidden(`src/${folder}/x.ts`, "import { logger } from '../observability/logger.ts';");
    forbidden(`src/${folder}/x.ts`, "import type { HealthParts } from '../observability/health.ts';");
  }
});

test('observability and the control plane know access by its types only', () => {
  for (const folder of ['observability', 'control-plane']) {
    permitted(`src/${folder}/x.ts`, "import type { Dn } from '../access/dn.ts';");
    forbidden(`src/${folder}/x.ts`, "import { parseDn } from '../access/dn.ts';");
    forbidden(`src/${folder}/x.ts`, "import { type Dn } from '../access/dn.ts';");
  }
});

test('only connector.ts names adapters', () => {
  const adapters = [
    'ledger/sqlite/open',
    'directory/ldap/open',
    'link/websocket-link',
    'secrets/file-secret',
    'observability/http',
  ];
  for (const adapter of adapters) {
    permitted('src/connector.ts', `import { open } from './${adapter}.ts';`);
    for (const folder of ['engine', 'cli', 'sync', 'operator'])
      forbidden(`src/${folder}/x.ts`, `import { open } from '../${adapter}.ts';`);
  }
  for (const port of ['ledger/ledger', 'directory/directory', 'link/link', 'secrets/secret-source'])
    permitted('src/engine/x.ts', `import { port } from '../${port}.ts';`);
  forbidden('src/connector.ts', "import { startOpenLdap } from './sandbox/openldap.ts';");
  forbidden('src/connector.ts', "import { runControlPlane } from './control-plane/control-plane.ts';");
});

test('a port knows none of its adapters, and an adapter no other one', () => {
  forbidden('src/ledger/ledger.ts', "import { open } from './sqlite/open.ts';");
  forbidden('src/link/link.ts', "import { open } from './websocket-link.ts';");
  forbidden('src/ledger/postgres/x.ts', "import { open } from '../sqlite/open.ts';");
  permitted('src/ledger/sqlite/x.ts', "import { open } from './open.ts';\nimport { LedgerError } from '../ledger.ts';");
});

test('the command line loads the control plane only when asked for it', () => {
  permitted('src/cli/x.ts', "const { run } = await import('../control-plane/control-plane.ts');");
  forbidden('src/cli/x.ts', "import { run } from '../control-plane/control-plane.ts';");
  forbidden('src/engine/x.ts', "const { run } = await import('../control-plane/control-plane.ts');");
});

test('the preflight may know every adapter, and the command line nothing of them but by it', () => {
  permitted('src/connector/x.ts', "import { openLdapDirectory } from '../directory/ldap/open-ldap-directory.ts';");
  permitted('src/cli/x.ts', "import { preflight } from '../connector/preflight.ts';");
  forbidden('src/cli/x.ts', "import { directoryOptions } from '../connector/directory-options.ts';");
  forbidden('src/cli/x.ts', "import { openLdapDirectory } from '../directory/ldap/open-ldap-directory.ts';");
});

test('the sandbox imports nothing of the product, and the product nothing of the sandbox', () => {
  permitted('src/sandbox/x.ts', "import { spawn } from 'node:child_process';\nimport { y } from './y.ts';");
  forbidden('src/sandbox/x.ts', "import type { Dn } from '../access/dn.ts';");
  forbidden('src/sandbox/x.ts', "import { Client } from 'ldapts';");
  forbidden('src/control-plane/x.ts', "import { y } from '../sandbox/y.ts';");
});

test('each package is imported in its own folder', () => {
  for (const [home, name] of [
    ['src/protocol/x.ts', 'zod'],
    ['src/config/x.ts', 'zod'],
    ['src/ledger/sqlite/x.ts', 'zod'],
    ['src/ledger/sqlite/x.ts', 'node:sqlite'],
    ['src/directory/ldap/x.ts', 'ldapts'],
    ['src/link/websocket-link.ts', 'ws'],
    ['src/control-plane/x.ts', 'ws'],
    ['src/config/x.ts', 'dotenv'],
    ['src/observability/x.ts', 'pino'],
  ] as const)
    permitted(home, `import { y } from '${name}';`);
  for (const [elsewhere, name] of [
    ['src/ledger/ledger.ts', 'zod'],
    ['src/engine/x.ts', 'zod'],
    ['src/engine/x.ts', 'node:sqlite'],
    ['src/directory/directory.ts', 'ldapts'],
    ['src/link/link.ts', 'ws'],
    ['src/cli/x.ts', 'pino'],
    ['src/connector.ts', 'dotenv'],
    ['src/link/x.ts', 'left-pad'],
    ['src/link/x.ts', '@scope/any'],
    ['src/link/x.ts', 'fs'],
  ] as const)
    forbidden(elsewhere, `import { y } from '${name}';`);
});

test('the environment of the process is read in one file', () => {
  permitted('src/config/read-environment.ts', 'const { HOME } = process.env;');
  permitted('src/sandbox/x.ts', 'const home = process.env.HOME;');
  for (const text of [
    "const home = process.env['HOME'];",
    'const { env } = process;',
    "import { env } from 'node:process';",
    "const home = process['env'].HOME;",
    'const home = globalThis.process?.env;',
  ])
    forbidden('src/config/load-config.ts', text);
  permitted('src/config/load-config.ts', '// process.env is read elsewhere');
});

test('what the style rules out is found', () => {
  for (const text of [
    'export default function open() {}',
    'export enum State {\n  Open,\n}',
    'const enum State {\n  Open,\n}',
    'namespace Inner {}',
    "export * from './y.ts';",
    "console.log('x');",
    'fsyncSync(descriptor);',
    "const y = require('./y.ts');",
  ])
    forbidden('src/link/x.ts', text);
});
