/**
 * Runs test files: `unit [PATTERN…]` those that need no server, in this one process, since most of them need less time than a process
 * does to start; `live [PATTERN…]` those with servers and processes, each file in a process of its own.
 */

import { globSync } from 'node:fs';
import { tellStrayRejections } from '../test/support/untracked-promises.ts';

const { run } = await import('node:test');
const { spec } = await import('node:test/reporters');

/** Three on two cores, since most of their time is waiting: each starts servers of its own, on ports that the system gives. */
const LIVE_AT_ONCE = 3;
/** The folders with the files that take longest, which come first: one that began last would end alone, with a core idle. */
const LONGEST = ['system', 'directory', 'engine', 'ledger', 'bench', 'sandbox'];

const [kind, ...patterns] = process.argv.slice(2);
const all = kind === 'live' ? 'test/**/*.live.ts' : 'test/**/*.test.ts';
const files = globSync(patterns.length === 0 ? all : patterns).toSorted();
const running =
  kind === 'live'
    ? run({ files: files.toSorted((one, other) => place(one) - place(other)), concurrency: LIVE_AT_ONCE })
    : run({ files, isolation: 'none' });
if (kind !== 'live') tellStrayRejections();
// The summaries of single files come before that of all. Without a test there is nothing that passed.
running.on('test:summary', ({ file, success, counts }) => {
  if (!success || (file === undefined && counts.tests === 0)) process.exitCode = 1;
});
running.compose(spec).pipe(process.stdout);

function place(file: string): number {
  const at = LONGEST.indexOf(file.split('/')[1] ?? '');
  return at === -1 ? LONGEST.length : at;
}
