import { after, before, suite } from 'node:test';
import { awkwardNameTests } from './directory-contract/awkward-names.ts';
import { changeTests, lastMemberTests } from './directory-contract/changing.ts';
import { goneTests, identityTests, lostAnswerTests } from './directory-contract/identity.ts';
import { nestingTests } from './directory-contract/nesting.ts';
import { probeTests } from './directory-contract/probing.ts';
import { readOnlyTests } from './directory-contract/read-only.ts';
import { ownEntryTests, resolutionTests } from './directory-contract/resolution.ts';
import type { DirectoryUnderTest, ServerDifferences, World } from './directory-contract/world.ts';

/**
 * The contract of the port `Directory`: what every adapter, on every server, and the fake, must do. What a server cannot have is
 * said by its differences, and is then another rule, not a rule left out.
 */
export function directoryContract(
  name: string,
  { differences, open }: { differences: ServerDifferences; open: () => Promise<DirectoryUnderTest> },
): void {
  suite(`the directory contract: ${name}`, () => {
    let world: World;
    before(async () => {
      world = { ...(await open()), differences };
    });
    after(() => world.close());
    const get = () => world;
    const writing = [awkwardNameTests, nestingTests, changeTests, lastMemberTests, lostAnswerTests];
    for (const tests of [
      resolutionTests,
      ownEntryTests,
      probeTests,
      identityTests,
      goneTests,
      ...(differences.isReadOnly ? [readOnlyTests] : writing),
    ])
      tests(get, differences);
  });
}
