import { parseArgs } from 'node:util';
import { EXIT } from './exit-code.ts';
import type { SyncFlags } from './sync.ts';
import { VERSION } from './version.ts';

const USAGE = `latchkey — just-in-time access through LDAP groups

  latchkey [run]             run the connector
  latchkey check [--login USER] [--json]
                             test directory, control plane and state directory, step by step;
                             with --login, also a user's password, asked for on the terminal
  latchkey sync [--full] [--accept-removals ID]
                             let the running connector tell the control plane what has changed, or
                             with --full everything; ID names a sync whose removals were held
  latchkey sync --dry-run | --out FILE
                             read the directory here: what a sync would tell; with --out, its
                             records as JSON lines. Changes nothing, needs no control plane
  latchkey acl               print the least rights that the connector's account needs
  latchkey control-plane     a control-plane stub for development (--help tells its flags)
  latchkey --version
  latchkey --help

Configuration is environment variables, or a .env file in the working directory; README.md lists them.
From a checkout, "npm start" runs the connector and "npm start -- check" any other command.
`;

/** Commands of CONFIGURATION.md that a later version brings. */
const LATER = new Set(['health', 'grants', 'revoke', 'adopt', 'pause', 'resume', 'clock', 'policy', 'audit', 'completion']);

/** Runs one command; returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const [command = 'run', ...others] = argv;
  switch (command) {
    case 'run':
      return others.length === 0 ? runConnector() : misused(`"run" takes no arguments, found "${others.join(' ')}"`);
    case 'check':
      return runCheck(others);
    case 'sync':
      return runSync(others);
    case 'acl':
      return others.length === 0 ? printAcl() : misused(`"acl" takes no arguments, found "${others.join(' ')}"`);
    case 'control-plane':
      return controlPlane(others);
    case '--version':
      process.stdout.write(`latchkey ${VERSION}\n`);
      return EXIT.ok;
    case '--help':
    case '-h':
      process.stdout.write(USAGE);
      return EXIT.ok;
    default:
      return misused(
        LATER.has(command) ? `"${command}" is not yet supported by this version` : `there is no command "${command}"`,
      );
  }
}

/** Each command loads only what it needs: the stub shares no adapter with the connector. */
async function runConnector(): Promise<number> {
  const { run } = await import('./run.ts');
  return run();
}

async function runCheck(argv: readonly string[]): Promise<number> {
  const options = checkOptions(argv);
  if (options === null) return misused(`"check" takes --login USER and --json, each once, found "${argv.join(' ')}"`);
  const { check } = await import('./check.ts');
  return check(options);
}

/** Null where they cannot be read. */
function checkOptions(argv: readonly string[]): { json: boolean; login: string | null } | null {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: { json: { type: 'boolean', multiple: true }, login: { type: 'string', multiple: true } },
    });
    const { json = [], login = [] } = values;
    if (json.length > 1 || login.length > 1 || login[0]?.trim() === '') return null;
    return { json: json.length === 1, login: login[0] ?? null };
  } catch {
    return null;
  }
}

async function runSync(argv: readonly string[]): Promise<number> {
  const flags = syncFlags(argv);
  if (flags === null)
    return misused(
      `"sync" takes --full, --dry-run, --out FILE and --accept-removals ID, each once, and --accept-removals only where it is told, found "${argv.join(' ')}"`,
    );
  const { sync } = await import('./sync.ts');
  return sync(flags);
}

/** Null where they cannot be read. */
function syncFlags(argv: readonly string[]): SyncFlags | null {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        full: { type: 'boolean', multiple: true },
        'dry-run': { type: 'boolean', multiple: true },
        out: { type: 'string', multiple: true },
        'accept-removals': { type: 'string', multiple: true },
      },
    });
    const { full = [], 'dry-run': dryRun = [], out = [], 'accept-removals': accepted = [] } = values;
    if ([full, dryRun, out, accepted].some(({ length }) => length > 1)) return null;
    if ([...out, ...accepted].some((text) => text.trim() === '')) return null;
    if (accepted.length > 0 && dryRun.length + out.length > 0) return null;
    return {
      full: full.length === 1,
      dryRun: dryRun.length === 1,
      out: out[0] ?? null,
      acceptRemovals: accepted[0] ?? null,
    };
  } catch {
    return null;
  }
}

async function printAcl(): Promise<number> {
  const { acl } = await import('./acl.ts');
  return acl();
}

async function controlPlane(argv: readonly string[]): Promise<number> {
  const { runControlPlane } = await import('../control-plane/control-plane.ts');
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  return runControlPlane(argv, { stdout: process.stdout, stderr: process.stderr, signal: stop.signal });
}

function misused(problem: string): number {
  process.stderr.write(`latchkey: ${problem}\n\n${USAGE}`);
  return EXIT.usage;
}
