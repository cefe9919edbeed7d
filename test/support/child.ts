import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A program of ours as a child process, whose lines can be waited for. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** Every line of stdout and stderr so far. */
  readonly lines: readonly string[];
  /** Resolves with the first line, past or future, that satisfies; rejects if the process ends before. */
  line(satisfies: (line: string) => boolean, from?: number): Promise<string>;
  signal(name: NodeJS.Signals): void;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Sends a signal and waits for the end. */
  end(name?: NodeJS.Signals): Promise<number | NodeJS.Signals>;
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
  const [program = process.execPath, ...given] = [...launcher, process.execPath, script, ...args];
  const child: ChildProcess = spawn(program, given, {
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      ...(process.env['LD_LIBRARY_PATH'] === undefined ? {} : { LD_LIBRARY_PATH: process.env['LD_LIBRARY_PATH'] }),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  });
  const lines: string[] = [];
  const watchers = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) throw new Error('a child without pipes');
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      for (const watch of watchers) watch();
    });
  }
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

  return {
    pid,
    lines,
    ended,
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
    signal: (name) => void child.kill(name),
    async end(name = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) child.kill(name);
      return ended;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGCONT');
        child.kill('SIGKILL');
      }
      await ended;
    },
  };
}
