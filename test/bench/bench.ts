/**
 * `npm run bench [-- NAME …] [--quick | --rounds N] [--people N]`: measures the figures, prints them, and writes them into
 * docs/performance.md. A quick run proves only that the bench works; it and one of another number of rounds or of users write nothing.
 */

import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import type { Effort, Figure } from './figure.ts';
import { FIGURES } from './figures.ts';
import { machineLine, replaceFigure, shownFindings } from './performance-document.ts';

const DOCUMENT = new URL('../../docs/performance.md', import.meta.url).pathname;
const ROUNDS = 7;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string' }, people: { type: 'string' } },
});
const isAsked = (figure: Figure, asked: string): boolean => figure.name === asked || figure.of === asked;
const unknown = positionals.filter((asked) => !FIGURES.some((figure) => isAsked(figure, asked)));
if (unknown.length > 0) {
  process.stderr.write(
    `no figure is called ${unknown.join(', ')}; there are: ${[...new Set(FIGURES.flatMap(({ of = [], name }) => [of, name].flat()))].join(', ')}\n`,
  );
  process.exit(64);
}

const effort: Effort = {
  rounds: values.quick ? 1 : Number(values.rounds ?? ROUNDS),
  isQuick: values.quick,
  ...(values.people === undefined ? {} : { people: Number(values.people) }),
  say: (text) => void process.stderr.write(`${text}\n`),
};
const machine = await machineLine();
const isToBeMeasured = (figure: Figure): boolean =>
  positionals.length === 0 || positionals.some((asked) => isAsked(figure, asked));
for (const { name, measure } of FIGURES.filter(isToBeMeasured)) {
  const busy = loadavg()[0] ?? 0;
  const text = shownFindings(await measure(effort));
  process.stdout.write(`## ${name}\n\n${text}\n\n`);
  if (effort.rounds === ROUNDS && effort.people === undefined)
    replaceFigure(DOCUMENT, name, `${text}\n\nMeasured ${machine} Load before: ${busy.toFixed(1)}.`);
}
