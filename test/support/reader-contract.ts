import { after, before, suite } from 'node:test';
import { deltaTests } from './reader-contract/deltas.ts';
import { brokenReadTests, fullReadTests } from './reader-contract/full-reads.ts';
import { protectedTests } from './reader-contract/protected.ts';
import { syncTests } from './reader-contract/syncs.ts';
import { openWorld, type ReaderServer, type ReaderWorld } from './reader-contract/world.ts';

/** The contract of the port `DirectoryReader`: what every adapter must do, on every server. */
export function readerContract(name: string, server: ReaderServer): void {
  suite(`the directory reader's contract: ${name}`, () => {
    let world: ReaderWorld;
    before(async () => {
      world = await openWorld(server);
    });
    after(() => world.server.stop());
    const get = () => world;
    fullReadTests(get);
    if (server.differences.told !== null) deltaTests(get);
    protectedTests(get);
    // Servers are restarted by these, and one forgets what an account may see.
    syncTests(get, server.limits);
    brokenReadTests(get);
  });
}
