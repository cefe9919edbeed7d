import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { openLdapPrograms } from '../../src/sandbox/openldap-programs.ts';
import type { Findings, Row } from './figure.ts';

const HEAD = '| measured | connector: median (min–max) | reference | ratio | goal | |\n|---|---|---|---|---|---|';

/** A figure as Markdown. */
export function shownFindings({ rows, notes }: Findings): string {
  return [`${HEAD}\n${rows.map(line).join('\n')}`, ...notes].join('\n\n');
}

function line({ measured, connector, reference, ratio, goal, isMet }: Row): string {
  const verdict = isMet === null ? '' : isMet ? 'met' : '**missed**';
  return `| ${measured} | ${connector} | ${reference} | ${ratio} | ${goal} | ${verdict} |`;
}

/** Puts the text of a figure between its marks in the document. Throws where the document has no such marks. */
export function replaceFigure(path: string, name: string, text: string): void {
  const document = readFileSync(path, 'utf8');
  const [begin, end] = [`<!-- bench: ${name} -->`, `<!-- end of ${name} -->`];
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${path} has no place for ${name}`);
  writeFileSync(path, `${document.slice(0, from + begin.length)}\n\n${text}\n\n${document.slice(to)}`);
}

/** What it was measured on, in one line. */
export async function machineLine(): Promise<string> {
  const processors = cpus();
  const slapd = (await openLdapPrograms())('slapd');
  // It prints its version on stderr.
  const said = execFileSync('sh', ['-c', '"$0" -VV 2>&1', slapd.path], {
    encoding: 'utf8',
    env: { ...process.env, ...slapd.env },
  });
  const version = /slapd (\d[\d.]*)/.exec(said)?.[1] ?? 'of unknown version';
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${new Date().toISOString().slice(0, 10)}: ${processors.length} × ${processors[0]?.model.trim() ?? 'processor'}, ${memory} GiB, ${type()} ${release()}; Node.js ${process.version}, slapd ${version}.`;
}
