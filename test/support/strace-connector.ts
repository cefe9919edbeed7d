import { existsSync } from 'node:fs';

// The connector under test, held before it has done anything until the file is there: a tracer is attached first.
const file = process.env['TEST_HELD_UNTIL_FILE'] ?? '';
const never = new Int32Array(new SharedArrayBuffer(4));
process.stdout.write('held\n');
// Blocks on purpose: what wakes an event loop would be calls that are counted. Ends with the test, which ends its children.
while (!existsSync(file)) Atomics.wait(never, 0, 0, 2);
await import('./connector-under-test.ts');
