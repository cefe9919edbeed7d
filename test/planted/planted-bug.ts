import { spawn } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** One text of a file, which occurs exactly once in it, and what takes its place. */
export interface Edit {
  readonly find: string;
  readonly replace: string;
}

/** A deliberate fault in the product, and the tests that must notice it. */
export interface PlantedBug extends Edit {
  /** What the product would do wrong, as one would report it. */
  readonly fault: string;
  /** The file, from the root of the project. */
  readonly file: string;
  /** A second edit of the same file, where two places guard against the same fault. */
  readonly also?: Edit;
  /** Test files, from the folder `test`, the one that is meant for it first. */
  readonly tests: readonly string[];
  /** A pattern of the titles to run, where the files take long. */
  readonly only?: string;
}

/** What a test runner is asked to run. */
export interface TestRun {
  /** Test files, from the folder `test`. */
  readonly files: readonly string[];
  /** Patterns of the titles to run; none: all of them. */
  readonly only: readonly string[];
}

/** A test that failed, and where it stands, from the folder `test`. */
export interface FailedTest {
  readonly title: string;
  readonly file: string;
}

/** What became of one: the tests that failed. None: it was not caught. */
export interface Catch {
  readonly bug: PlantedBug;
  readonly caughtBy: readonly FailedTest[];
}

/** A test that never ends has caught nothing by itself: the runner of the tests ends it, and then it counts as failed. */
const QUICK_TIMEOUT_MS = 60_000;
const TIMEOUT_MS = 120_000;
/** A runner that has said nothing for so much longer cannot end its tests either: a loop without a pause holds it. */
const SILENCE_MS = 15_000;

/** A copy of the project to plant faults in; its packages are the project's own. */
export async function copyOfProject(root: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of ['src', 'test', 'scripts', 'package.json', 'package-lock.json', 'tsconfig.json', 'README.md']) {
    await cp(join(root, name), join(to, name), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(to, 'node_modules'));
}

/** The file with the fault in it. Throws where a text is not there exactly once: the fault must follow the code. */
export function planted(source: string, { file, also, ...first }: PlantedBug): string {
  let text = source;
  for (const { find, replace } of also === undefined ? [first] : [first, also]) {
    const found = text.split(find).length - 1;
    if (found !== 1) throw new Error(`${file} has ${found} times instead of once: ${find}`);
    text = text.replace(find, () => replace);
  }
  return text;
}

/** True for a test that needs no server: one that can be ended at any time, and leaves nothing behind. */
export function isQuick(file: string): boolean {
  return file.endsWith('.test.ts');
}

/** Plants one fault in a copy of the project, runs the tests that must notice it, and takes it out again. */
export async function plantAndRun(copy: string, bug: PlantedBug): Promise<Catch> {
  const path = join(copy, bug.file);
  const sound = await readFile(path, 'utf8');
  await writeFile(path, planted(sound, bug));
  const only = bug.only === undefined ? [] : [bug.only];
  const [pointed = '', ...others] = bug.tests;
  // Others are only asked where the one that is meant for it notices nothing.
  const runs = [[pointed], others.filter(isQuick), ...others.filter((file) => !isQuick(file)).map((file) => [file])];
  try {
    for (const files of runs.filter(({ length }) => length > 0)) {
      const caughtBy = await failedTests(copy, { files, only });
      if (caughtBy.length > 0) return { bug, caughtBy };
    }
    return { bug, caughtBy: [] };
  } finally {
    await writeFile(path, sound);
  }
}

/** The tests of the copy that fail; of quick ones only the first, since that is enough. */
export async function failedTests(copy: string, { files, only }: TestRun): Promise<readonly FailedTest[]> {
  const mayEndEarly = files.every(isQuick);
  // In one process, most of the quick ones need less time than a process does to start.
  const timeoutMs = mayEndEarly ? QUICK_TIMEOUT_MS : TIMEOUT_MS;
  const isolation = mayEndEarly ? 'none' : 'process';
  const options = ['--test', `--test-isolation=${isolation}`, '--test-reporter=tap', `--test-timeout=${timeoutMs}`];
  const patterns = only.map((pattern) => `--test-name-pattern=${pattern}`);
  const running = spawn(process.execPath, [...options, ...patterns, ...files.map((file) => join('test', file))], {
    cwd: copy,
    // Otherwise the runner takes itself for a part of another one, and says nothing.
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== 'NODE_TEST_CONTEXT')),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const { promise: ended, resolve, reject } = Promise.withResolvers<number | null>();
  const silence = setTimeout(() => running.kill('SIGKILL'), timeoutMs + SILENCE_MS);
  let tap = '';
  running.stdout.setEncoding('utf8').on('data', (text: string) => {
    silence.refresh();
    tap += text;
    if (mayEndEarly && failuresIn(tap, copy).length > 0) running.kill('SIGKILL');
  });
  running.on('error', reject);
  running.on('close', resolve);
  const exitCode = await ended.finally(() => clearTimeout(silence));
  const failures = failuresIn(tap, copy);
  if (failures.length > 0) return failures;
  const [first = ''] = files;
  return exitCode === 0 && /^# tests [1-9]/m.test(tap) ? [] : [{ title: 'the tests could not be run to their end', file: first }];
}

/** Each failure in what a runner said; a test comes before the suite that it belongs to. */
function failuresIn(tap: string, copy: string): readonly FailedTest[] {
  return [...tap.matchAll(/^( *)not ok \d+ - (.*)\n\1 +---\n(?:\1 .*\n)*?\1 +location: '(.*?):\d+:\d+'/gm)].map(
    ([, , title = '', path = '']) => ({ title: title.replaceAll('\\#', '#'), file: relative(join(copy, 'test'), path) }),
  );
}
