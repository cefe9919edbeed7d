import { posix } from 'node:path';

/** One TypeScript file; the path begins with `src/`. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

interface Import {
  /** As written, where it is a package or `node:…`; else the path of the file. Null where only a run would tell. */
  readonly target: string | null;
  readonly how: 'types' | 'values' | 'dynamic';
}

/** What a folder may import from src besides itself. A pattern is matched against the whole path of the imported file. */
interface Allowed {
  readonly values: readonly RegExp[];
  readonly types: readonly RegExp[];
  readonly dynamic?: readonly RegExp[];
}

const ACCESS = /^src\/access\//;
const PROTOCOL = /^src\/protocol\//;
/** The port files: what a folder that uses a port may know of it. */
const PORTS =
  /^src\/(?:ledger\/(?:ledger|snapshots)|directory\/(?:directory|directory-reader)|link\/link|secrets\/secret-source|secrets\/secret)\.ts$/;
const LISTEN_ERROR = /^src\/observability\/listen-error\.ts$/;
const OBSERVABILITY_PORTS = /^src\/observability\/(?:logger|metrics)\.ts$/;
const ANYTHING = /^src\/(?!sandbox\/|control-plane\/|cli\/|main\.ts$)/;

/** The table of the architecture, row by row. Types of a folder whose values may be imported may be imported too. */
const FOLDERS: Readonly<Record<string, Allowed>> = {
  access: { values: [], types: [] },
  protocol: { values: [ACCESS], types: [] },
  ledger: { values: [ACCESS], types: [] },
  directory: { values: [ACCESS], types: [] },
  link: { values: [ACCESS, PROTOCOL], types: [] },
  secrets: { values: [ACCESS], types: [] },
  engine: { values: [ACCESS, PROTOCOL, PORTS], types: [] },
  sync: { values: [ACCESS, PROTOCOL, PORTS], types: [] },
  // A configured secret is known by its source, so config makes the sources; a start must know whether each can be read.
  // So is it with the kinds of directory servers: their names have one home, and a configured one must be among them.
  config: {
    values: [
      ACCESS,
      /^src\/secrets\//,
      /^src\/sync\/schedule\.ts$/,
      /^src\/directory\/ldap\/flavours\/names\.ts$/,
      // What the file holds that the control plane's keys come in is part of what was agreed with it.
      /^src\/protocol\/job-keys\.ts$/,
      // What is wrong with a JSON text before anything is made of it has one home too.
      /^src\/protocol\/json-shape\.ts$/,
    ],
    types: [],
  },
  observability: { values: [], types: [ACCESS] },
  operator: { values: [ACCESS], types: [/^src\/engine\//, /^src\/sync\//] },
  'connector.ts': { values: [ANYTHING], types: [] },
  // What the connector's start and its preflight share, or only the latter needs.
  connector: { values: [ANYTHING], types: [] },
  // The logger is there before the connector is: a bad configuration and a failed start are logged too.
  cli: {
    values: [
      /^src\/connector(?:\.ts|\/(?:preflight|local-sync|break-glass|audit)\.ts)$/,
      // Pure: how a record, a time or an id is read and written has one home.
      ACCESS,
      /^src\/operator\/ask\.ts$/,
      /^src\/config\//,
      PORTS,
      LISTEN_ERROR,
      /^src\/observability\/(?:pino-logger|scrubber)\.ts$/,
    ],
    types: [],
    dynamic: [/^src\/control-plane\//],
  },
  'main.ts': { values: [/^src\/cli\//], types: [] },
  'control-plane': { values: [PROTOCOL], types: [ACCESS] },
  sandbox: { values: [], types: [] },
};

/** Where each npm package, and each built-in module with a home, may be imported. */
const PACKAGES: Readonly<Record<string, readonly RegExp[]>> = {
  zod: [PROTOCOL, /^src\/config\//, /^src\/ledger\/[^/]+\//],
  'node:sqlite': [/^src\/ledger\/[^/]+\//],
  ldapts: [/^src\/directory\/ldap\//],
  ws: [/^src\/link\/(?!link\.ts$)/, /^src\/control-plane\//],
  jose: [/^src\/link\/(?!link\.ts$)/, /^src\/control-plane\//],
  'node-cron': [/^src\/sync\/schedule\.ts$/],
  dotenv: [/^src\/config\//],
  pino: [/^src\/observability\//],
  'pino-pretty': [/^src\/observability\//],
  '@elastic/ecs-pino-format': [/^src\/observability\//],
  'prom-client': [/^src\/observability\//],
};

/** What must not stand in the code of src, and where it may all the same. */
const WORDS: readonly { readonly pattern: RegExp; readonly says: string; readonly except?: RegExp }[] = [
  {
    pattern: /\bprocess\s*(?:\?\.|\.)\s*env\b|\bprocess\s*\[/,
    says: 'reads the environment of the process',
    // The sandbox is programs of its own.
    except: /^src\/(?:config\/read-environment\.ts$|sandbox\/)/,
  },
  {
    pattern: /\benv\b[^;]*\bfrom\s+'(?:node:)?process'|\{[^}]*\benv\b[^}]*\}\s*=\s*process\b/,
    says: 'reads the environment of the process',
    except: /^src\/(?:config\/read-environment\.ts$|sandbox\/)/,
  },
  { pattern: /^\s*export\s+default\b|\bas\s+default\b/m, says: 'has a default export' },
  { pattern: /^\s*(?:export\s+)?(?:declare\s+)?(?:const\s+)?enum\s/m, says: 'has an enum' },
  { pattern: /^\s*(?:export\s+)?(?:declare\s+)?(?:namespace|module)\s+\w/m, says: 'has a namespace' },
  { pattern: /^\s*export\s+(?:type\s+)?\*/m, says: 'is a barrel' },
  { pattern: /\bconsole\s*\./, says: 'writes to the console' },
  {
    pattern: /\bf(?:data)?sync(?:Sync)?\b/,
    says: 'calls fsync, which the permission model takes away: durable.ts knows how else',
    except: /^src\/ledger\/sqlite\/durable\.ts$/,
  },
  {
    pattern: /\brejectUnauthorized\s*:(?!\s*true\b)|\bNODE_TLS_REJECT_UNAUTHORIZED\b|\bcheckServerIdentity\s*:\s*\(\)/,
    says: 'may leave a certificate unverified',
    // The one look at a certificate that was refused, to say whose it is; and what refuses the variable.
    except: /^src\/(?:directory\/ldap\/check\/peer|config\/node-switches)\.ts$/,
  },
  { pattern: /\brequire\s*\(|\bcreateRequire\b/, says: 'requires instead of importing', except: /^src\/sandbox\// },
];

/** Every breach of the table and of the rules beside it, as sentences; none where the files are in order. */
export function breaches(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap((file) => {
    const code = withoutComments(file.text);
    const words = WORDS.filter(({ pattern, except }) => pattern.test(code) && except?.test(file.path) !== true);
    return [
      ...words.map(({ says }) => `${file.path} ${says}`),
      ...importsOf(file.path, code).flatMap((found) => judgeImport(file.path, found)),
    ];
  });
}

function judgeImport(path: string, { target, how }: Import): readonly string[] {
  const folder = folderOf(path);
  const allowed = FOLDERS[folder];
  if (allowed === undefined) return [`${path} lies in no folder of the table`];
  if (target === null) return [`${path} imports what only a run would tell`];
  const breach = [`${path} imports ${how} of ${target}`];
  if (!target.startsWith('src/')) return packageAllowed(path, target) ? [] : breach;
  if (folderOf(target) === folder) return betweenAdapters(path, target) ? breach : [];
  const fits = (patterns: readonly RegExp[] = []) => patterns.some((pattern) => pattern.test(target));
  if (how === 'dynamic') return fits(allowed.dynamic) ? [] : breach;
  if (fits(allowed.values)) return [];
  if (how === 'types' && fits(allowed.types)) return [];
  const logs = folder !== 'access' && folder !== 'sandbox' && OBSERVABILITY_PORTS.test(target);
  return how === 'types' && logs ? [] : breach;
}

function packageAllowed(path: string, target: string): boolean {
  if (target.startsWith('/') || target.startsWith('..')) return false;
  const name = target.startsWith('@') ? target.split('/').slice(0, 2).join('/') : (target.split('/')[0] ?? target);
  const homes = PACKAGES[name];
  if (homes !== undefined) return homes.some((home) => home.test(path));
  if (!target.startsWith('node:')) return false;
  return folderOf(path) !== 'access' || target === 'node:crypto';
}

/** The parts of one folder: a port knows none of its adapters, and an adapter (a folder of its own) no other one. */
function betweenAdapters(path: string, target: string): boolean {
  const adapterOf = (file: string) => /^src\/(?:ledger|directory|link)\/([^/]+)\//.exec(file)?.[1];
  if (PORTS.test(path)) return !PORTS.test(target);
  const [from, to] = [adapterOf(path), adapterOf(target)];
  return to !== undefined && from !== to;
}

function folderOf(path: string): string {
  return path.split('/')[1] ?? path;
}

function importsOf(path: string, code: string): readonly Import[] {
  const found: Import[] = [];
  const resolved = (specifier: string) => (specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : specifier);
  for (const [, types, specifier = ''] of code.matchAll(
    /^\s*(?:import|export)\s+(type\s)?[\w\s{},*$]*?\bfrom\s*['"]([^'"]+)['"]/gm,
  ))
    found.push({ target: resolved(specifier), how: types === undefined ? 'values' : 'types' });
  for (const [, specifier = ''] of code.matchAll(/^\s*import\s*['"]([^'"]+)['"]/gm))
    found.push({ target: resolved(specifier), how: 'values' });
  for (const [, specifier] of code.matchAll(/\bimport\s*\(\s*(?:['"]([^'"]+)['"]\s*[,)])?/g))
    found.push({ target: specifier === undefined ? null : resolved(specifier), how: 'dynamic' });
  return found;
}

/** Source without comments; texts stay, so that what looks like a comment in one does not hide the code behind it. */
function withoutComments(text: string): string {
  const tokens =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`|\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/g;
  return text.replace(tokens, (token) => (/^\/[*/]/.test(token) ? ' ' : token));
}
