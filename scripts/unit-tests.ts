/**
 * Runs the test files that the patterns on the command line name, by default all that need no server, in this one process: most
 * of them need less time than a process does to start.
 */

import { globSync } from 'node:fs';
import { tellStrayRejections } from '../test/support/untracked-promises.ts';

const { run } = await import('node:test');
const { spec } = await import('node:test/reporters');

const patterns = process.argv.slice(2);
const files = globSync(patterns.length === 0 ? 'test/**/*.test.ts' : patterns).toSorted();
const running = run({ files, isolation: 'none' });
tellStrayRejections();
// Without a test there is nothing that passed.
running.on('test:summary', ({ success, counts }) => {
  if (!success || counts.tests === 0) process.exitCode = 1;
});
running.compose(spec).pipe(process.stdout);
