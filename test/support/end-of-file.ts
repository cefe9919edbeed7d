import { after } from 'node:test';
import { isMainThread } from 'node:worker_threads';
import { tellStrayRejections } from './untracked-promises.ts';

// Imported by the runner into each process that runs a test file. A test that timed out leaves open what it would have closed, and
// its process would go on for as long as that does, and the whole run with it.

/** How long a file may take to come to its end after its last test; what was closed in order is gone at once. */
const PATIENCE_MS = 30_000;
/** What software in general ends with that failed (EX_SOFTWARE of sysexits.h). */
const LEFT_OPEN = 70;

if (process.env['NODE_TEST_CONTEXT'] !== undefined && isMainThread) {
  after(() => {
    setTimeout(() => {
      const open = process.getActiveResourcesInfo().join(', ');
      process.stderr.write(`all tests of this file are over, but ${PATIENCE_MS} ms later it still had open: ${open}\n`);
      // What a test started is killed at exit.
      process.exit(LEFT_OPEN);
    }, PATIENCE_MS).unref();
  });
  tellStrayRejections();
}
