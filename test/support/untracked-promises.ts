import asyncHooks, { type HookCallbacks } from 'node:async_hooks';
import { inspect } from 'node:util';

// Imported before the first test. The test runner follows each promise of a process, to know which test one belongs to that is
// rejected and that nobody awaits: more than half of the processor time of the engine's tests. It may follow the rest (timers,
// sockets): such a rejection fails the run all the same, only without the name of its test.

const { createHook } = asyncHooks;
asyncHooks.createHook = (callbacks: HookCallbacks) => createHook({ ...callbacks, trackPromises: false });
// The runner takes what makes its hook when it is loaded, and that is here.
await import('node:test');
asyncHooks.createHook = createHook;

/** Says where a rejection comes from that nobody awaits, of which the runner tells the message only; to be called once it is there. */
export function tellStrayRejections(): void {
  process.on('unhandledRejection', (reason) => process.stderr.write(`nobody awaits: ${inspect(reason)}\n`));
}
