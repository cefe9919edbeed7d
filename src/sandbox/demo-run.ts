import { rmSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { demoGuide } from './demo-guide.ts';
import { type DemoPrograms, demoPrograms } from './demo-programs.ts';
import { playDemo, StepFailed } from './demo-steps.ts';
import { type DemoTerminal, demoTerminal } from './demo-terminal.ts';
import { openLdapPrograms } from './openldap-programs.ts';

const usage = `usage: npm run demo [-- --once]

  --once                   end after the steps; exit code 0 only if all of them were seen
  --connector-script FILE  start this in the connector's place (for tests of the demo)
`;

const usageExit = 64;
// Node.js prints some fifteen lines of its own below the message of an error that ends it.
const logLinesShown = 25;
const hourMs = 3_600_000;

/**
 * Runs the demo; returns the exit code: 0, 1 where a step was not seen, 64 for wrong arguments, 128 + its number where a signal
 * came before the end of the steps. On return every program it started has ended and its folder is gone.
 */
export async function runDemo(argv: readonly string[]): Promise<number> {
  const flags = readFlags(argv);
  if (typeof flags === 'string') {
    process.stderr.write(`${flags}\n\n${usage}`);
    return usageExit;
  }
  const interruption = catchSignals();
  const terminal = demoTerminal({ output: process.stdout, env: process.env, now: () => performance.now() });
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-demo-'));
  const removeAtExit = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeAtExit);
  const programs = demoPrograms({ folder, connectorScript: flags['connector-script'], signal: interruption.signal });
  try {
    return await show({ terminal, programs, folder, once: flags.once, interruption });
  } finally {
    await programs.stop();
    await rm(folder, { recursive: true, force: true });
    process.off('exit', removeAtExit);
  }
}

type Interruption = { signal: AbortSignal; exitCode: () => number };

async function show(options: {
  terminal: DemoTerminal;
  programs: DemoPrograms;
  folder: string;
  once: boolean;
  interruption: Interruption;
}): Promise<number> {
  const { terminal, programs, folder, once, interruption } = options;
  const { signal } = interruption;
  terminal.say('Latchkey: a real OpenLDAP, a control-plane stub and the connector, each in a process of its own.');
  terminal.say('Where this machine has no OpenLDAP, its packages are first fetched into your cache.\n');
  try {
    const system = await playDemo({ programs, terminal, signal });
    terminal.say('\nAll of it was seen.');
    if (once) return 0;
    const logs = (['connector', 'control plane', 'directory'] as const).flatMap((part) => programs.logFile(part) ?? []);
    terminal.say(demoGuide({ system, program: await openLdapPrograms(), folder, logs }));
  } catch (error) {
    if (signal.aborted) return interruption.exitCode();
    if (!(error instanceof StepFailed)) throw error;
    terminal.missed(error.message);
    terminal.say(`\nThe last lines of the log of the ${error.part}:\n${await lastLines(programs.logFile(error.part))}`);
    return 1;
  }
  // For ever, since only the person knows when they have seen enough.
  while (!signal.aborted) await sleep(hourMs, undefined, { signal }).catch(() => undefined);
  terminal.say('\nStopping.');
  return 0;
}

/** The flags, or what is wrong with them. */
function readFlags(argv: readonly string[]) {
  const options = { once: { type: 'boolean', default: false }, 'connector-script': { type: 'string' } } as const;
  try {
    return parseArgs({ args: [...argv], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // Its first sentence says what is unknown; the others how that could be passed on, which is no use here.
    return `demo: ${error.message.split('. ', 1).join('')}`;
  }
}

/** The first signal aborts; a second one ends the process at once, whose programs end with it. */
function catchSignals(): Interruption {
  const controller = new AbortController();
  let number = 0;
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(128 + constants.signals[name]);
      number = constants.signals[name];
      controller.abort();
    });
  }
  return { signal: controller.signal, exitCode: () => 128 + number };
}

async function lastLines(file: string | undefined): Promise<string> {
  const text = file === undefined ? '' : await readFile(file, 'utf8').catch(() => '');
  const lines = text.trimEnd().split('\n').slice(-logLinesShown);
  return text.trim() === '' ? '  (nothing)' : lines.map((line) => `  ${line}`).join('\n');
}
