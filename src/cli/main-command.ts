import { COMMANDS, type CommandName } from './commands.ts';
import { EXIT } from './exit-code.ts';
import { commandHelp, programHelp, usageOf } from './help.ts';
import { type CommandWords, readCommand } from './read-command.ts';
import { VERSION } from './version.ts';

/** What each command does. Each loads only what it needs: the stub shares no adapter with the connector. */
const RUNS: Record<Exclude<CommandName, 'control-plane'>, (given: CommandWords) => Promise<number>> = {
  run: async () => (await import('./run.ts')).run(),
  check: async (given) => (await import('./check.ts')).check({ json: given.has('json'), login: given.value('login') }),
  health: async () => (await import('./health.ts')).health(),
  sync: async (given) => (await import('./sync.ts')).syncCommand(given),
  grants: async (given) => (await import('./grants.ts')).grants(given),
  'grants show': async (given) => (await import('./grants.ts')).showGrant(given),
  revoke: async (given) => (await import('./revoke.ts')).revoke(given),
  adopt: async (given) => (await import('./decide.ts')).adopt(given),
  pause: async (given) => (await import('./decide.ts')).pause(given),
  resume: async (given) => (await import('./decide.ts')).resume(given),
  'clock accept': async (given) => (await import('./decide.ts')).acceptClock(given),
  'policy explain': async (given) => (await import('./policy.ts')).explainPolicy(given),
  'audit verify': async (given) => (await import('./audit.ts')).verify(given),
  'audit export': async (given) => (await import('./audit.ts')).exportAudit(given),
  acl: async () => (await import('./acl.ts')).acl(),
  completion: async (given) => (await import('./completion.ts')).printCompletion(given),
};

/** Runs one command; returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const read = readCommand(argv);
  switch (read.kind) {
    case 'command':
      return read.name === 'control-plane' ? controlPlane([]) : RUNS[read.name](read.given);
    case 'itself':
      return controlPlane(read.argv);
    case 'help':
      process.stdout.write(read.spec === null ? programHelp(COMMANDS) : commandHelp(read.spec));
      return EXIT.ok;
    case 'version':
      process.stdout.write(`latchkey ${VERSION}\n`);
      return EXIT.ok;
    case 'misused': {
      const usage = read.spec === null ? programHelp(COMMANDS) : `usage: ${usageOf(read.spec)}\n`;
      process.stderr.write(`latchkey: ${read.problem}\n\n${usage}`);
      return EXIT.usage;
    }
    default:
      return read satisfies never;
  }
}

async function controlPlane(argv: readonly string[]): Promise<number> {
  const { runControlPlane } = await import('../control-plane/control-plane.ts');
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  return runControlPlane(argv, { stdout: process.stdout, stderr: process.stderr, signal: stop.signal });
}
