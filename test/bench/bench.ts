/**
 * `npm run bench [-- NAME …] [--quick | --rounds N]`: measures the figures, prints them, and writes them into docs/performance.md. A quick
 * run proves only that the bench works; it and one of another number of rounds write nothing.
 */

import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import type { Effort } from './figure.ts';
import { FIGURES } from './figures.ts';
import { machineLine, replaceFigure, shownFindings } from './performance-document.ts';

const DOCUMENT = new URL('../../docs/performance.md', import.meta.url).pathname;
const ROUNDS = 7;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string' } },
});
const unknown = positionals.filter((name) => !FIGURES.some((figure) => figure.name === name));
if (unknown.length > 0) {
  process.stderr.write(`no figure is called ${unknown.join(', ')}; there are: ${FIGURES.map(({ name }) => name).join(', ')}\n`);
  process.exit(64);
}

const effort: Effort = {
  rounds: values.quick ? 1 : Number(values.rounds ?? ROUNDS),
  isQuick: values.quick,
  say: (text) => void process.stderr.write(`${text}\n`),
};
const machine = await machineLine();
for (const { name, measure } of FIGURES.filter((figure) => positionals.length === 0 || positionals.includes(figure.name))) {
  const busy = loadavg()[0] ?? 0;
  const text = shownFindings(await measure(effort));
  process.stdout.write(`## ${name}\n\n${text}\n\n`);
  if (effort.rounds === ROUNDS) replaceFigure(DOCUMENT, name, `${text}\n\nMeasured ${machine} Load before: ${busy.toFixed(1)}.`);
}
