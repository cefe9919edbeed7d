import type { PlantedBug } from './planted-bug.ts';

/** Faults in what the stub lets a browser do, and shows in it. */
export const CONSOLE_BUGS: readonly PlantedBug[] = [
  {
    fault: 'a page whose name was made to lead to loopback may ask for grants',
    file: 'src/control-plane/browser-rules.ts',
    find: 'if (onLoopback && !isLoopback(nameOf(host)))',
    replace: "if (onLoopback && host === '')",
    tests: ['control-plane/browser-rules.test.ts'],
  },
  {
    fault: 'a grant whose job was answered still looks in the console as it did before',
    file: 'src/control-plane/book.ts',
    find: '      touch(jobsAbout(stored));\n',
    replace: '      touch([]);\n',
    tests: ['control-plane/console-feed.test.ts'],
  },
  {
    fault: 'the API is open to everybody beyond loopback',
    file: 'src/control-plane/front.ts',
    find: "if (sessionOf(request, apiTokens).token === 'needed')",
    replace: "if (sessionOf(request, null).token === 'needed')",
    tests: ['control-plane/http-api.live.ts'],
    only: 'asks for the API token',
  },
];
