import { BUGS } from './bugs.ts';
import { plantAll } from './plant-all.ts';
import type { Catch } from './planted-bug.ts';

/**
 * Plants each fault in a copy of the project and shows which test notices it; exit code 1 if one goes unnoticed. Words on the
 * command line choose the faults whose description has one of them.
 */
const words = process.argv.slice(2);
const bugs = words.length === 0 ? BUGS : BUGS.filter(({ fault }) => words.some((word) => fault.includes(word)));
const say = (line: string): void => void process.stdout.write(`${line}\n`);

say('| fault | planted in | caught by |\n|---|---|---|');
const { caught } = await plantAll(bugs, (one) => say(row(one)));
say(`\n${caught} of ${bugs.length} planted faults were caught.`);
if (caught < bugs.length || bugs.length === 0) process.exitCode = 1;

function row({ bug, caughtBy }: Catch): string {
  const [first] = caughtBy;
  const by = first === undefined ? `NOT CAUGHT by ${bug.tests.join(', ')}` : `${first.file}: ${first.title}`;
  return `| ${bug.fault} | ${bug.file} | ${by} |`;
}
