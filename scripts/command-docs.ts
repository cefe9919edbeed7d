import { readFileSync } from 'node:fs';
import { COMMANDS, type CommandSpec } from '../src/cli/commands.ts';
import { completionOf } from '../src/cli/completion.ts';
import { usageOf } from '../src/cli/help.ts';
import { manPage } from './man-page.ts';

/** Between these two lines README.md has the table of commands. */
const BEGIN = '<!-- commands: made by scripts/write-command-docs.ts -->';
const END = '<!-- end of commands -->';

/** Every file that is made of the table of commands, by its path from the top of the project. */
export function commandDocs(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/latchkey.1', manPage(COMMANDS)],
    ['docs/completions/latchkey.bash', completionOf('bash')],
    ['docs/completions/_latchkey', completionOf('zsh')],
    ['docs/completions/latchkey.fish', completionOf('fish')],
    ['README.md', readmeWith(readFileSync(new URL('../README.md', import.meta.url), 'utf8'), COMMANDS)],
  ]);
}

/** The README with the table in its place; throws where that is not marked. */
function readmeWith(readme: string, commands: readonly CommandSpec[]): string {
  const [before, rest, ...others] = readme.split(`${BEGIN}\n`);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined || others.length > 0)
    throw new Error('README.md has no place for the table of commands');
  const rows = commands.map((spec) => `| \`${usageOf(spec).replaceAll('|', '\\|')}\` | ${spec.about} |`);
  return `${before}${BEGIN}\n\n| command | what it does |\n|---|---|\n${rows.join('\n')}\n\n${END}${after}`;
}
