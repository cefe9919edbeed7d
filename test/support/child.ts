import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { atScale } from './scale.ts';
import { stateOf, within } from './within.ts';

/** How long a line is waited for; in the sample less than any test may take, so that it is this that is told. */
const LINE_PATIENCE_MS = atScale({ sample: 120_000, full: 600_000 });
/** How long one that was told to end may take: several times what a connector gives itself. */
const END_PATIENCE_MS = 60_000;
/** How long the kernel may take to end one that was killed, with its streams. */
const KILL_PATIENCE_MS = 10_000;

/** A program of ours as a child process, whose lines can be waited for. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** Every line of stdout and stderr so far. */
  readonly lines: readonly string[];
  /** Resolves with the first line, past or future, that satisfies; rejects if the process ends before, or it does not come. */
  line(satisfies: (line: string) => boolean, from?: number): Promise<string>;
  signal(name: NodeJS.Signals): void;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** How it is, with the last that it said: for whoever waited for it in vain. */
  standing(): string;
  /** Sends a signal and waits for the end; one that does not end is killed, and that is a failure. */
  end(name?: NodeJS.Signals): Promise<number | NodeJS.Signals>;
}

/** Of the environment, what any program of ours needs to run, and to find again what Node.js has compiled already. */
export function bareEnvironment(): NodeJS.ProcessEnv {
  const names = ['PATH', 'HOME', 'LD_LIBRARY_PATH', 'NODE_COMPILE_CACHE'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}

export function startChild({
  script,
  args = [],
  launcher = [],
  env = {},
  cwd,
}: {
  script: string;
  args?: readonly string[];
  /** A program with arguments that replaces itself by the one that is named after them. */
  launcher?: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
}): Child {
  const interpreter = script.endsWith('.sh') ? 'sh' : process.execPath;
  const [program = interpreter, ...given] = [...launcher, interpreter, script, ...args];
  const child: ChildProcess = spawn(program, given, {
    env: { ...bareEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  });
  const ended = once(child, 'close').then(([code, signal]: unknown[]): number | NodeJS.Signals =>
    typeof code === 'number' ? code : (signal as NodeJS.Signals),
  );
  const { pid } = child;
  if (pid === undefined) throw new Error(`could not start ${script}`);
  const killAtExit = (): void => void child.kill('SIGKILL');
  // So the test runner ends a file that takes too long; by itself the signal would leave processes and folders behind.
  const exitInOrder = (): void => process.exit(143);
  process.once('exit', killAtExit);
  process.once('SIGTERM', exitInOrder);
  void ended.then(() => process.off('exit', killAtExit).off('SIGTERM', exitInOrder));

  const { lines, line } = linesOf(child, ended);
  const standing = (): string => `${stateOf(pid)}; it said:\n${lines.slice(-30).join('\n')}`;
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const endsWithin = (ms: number, name: NodeJS.Signals) =>
    within(ended, { awaited: `the end of ${script} after ${name}`, ms, known: standing });

  return {
    pid,
    lines,
    ended,
    standing,
    line: (satisfies, from = 0) =>
      within(line(satisfies, from), { awaited: `a line for which ${String(satisfies)}`, ms: LINE_PATIENCE_MS, known: standing }),
    signal: (name) => void child.kill(name),
    async end(name = 'SIGTERM') {
      if (!isOver()) child.kill(name);
      try {
        return await endsWithin(END_PATIENCE_MS, name);
      } catch (error) {
        child.kill('SIGKILL');
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      if (!isOver()) {
        child.kill('SIGCONT');
        child.kill('SIGKILL');
      }
      await endsWithin(KILL_PATIENCE_MS, 'SIGKILL');
    },
  };
}

/** What a program says, line by line, from its two streams. */
function linesOf({ stdout, stderr }: ChildProcess, ended: Child['ended']): Pick<Child, 'lines' | 'line'> {
  const lines: string[] = [];
  const watchers = new Set<() => void>();
  for (const stream of [stdout, stderr]) {
    if (stream === null) throw new Error('a child without pipes');
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      for (const watch of watchers) watch();
    });
  }
  return {
    lines,
    line(satisfies, from = 0) {
      return new Promise((resolve, reject) => {
        let at = from;
        const watch = (): void => {
          for (; at < lines.length; at += 1) {
            const line = lines[at];
            if (line !== undefined && satisfies(line)) {
              watchers.delete(watch);
              resolve(line);
              return;
            }
          }
        };
        watchers.add(watch);
        watch();
        void ended.then((how) => {
          watch();
          return reject(new Error(`the process ended (${how}) before the line came; it said:\n${lines.slice(-30).join('\n')}`));
        });
      });
    },
  };
}
