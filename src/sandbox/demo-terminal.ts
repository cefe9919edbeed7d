import { styleText } from 'node:util';

/** What the demo writes for a person. */
export type DemoTerminal = {
  /** A line as it is. */
  say(line: string): void;
  /** A step that was seen, with the time since the start before it. */
  seen(line: string): void;
  /** A step that was not. */
  missed(line: string): void;
};

type Output = { write(text: string): unknown; isTTY?: boolean };

/** Marks are ✓ and ✗ in colour on a terminal, `ok` and `FAIL` elsewhere and where NO_COLOR is set (no-color.org). */
export function demoTerminal(options: { output: Output; env: NodeJS.ProcessEnv; now: () => number }): DemoTerminal {
  const { output, env, now } = options;
  const isPlain = output.isTTY !== true || (env['NO_COLOR'] ?? '') !== '';
  const startedAt = now();
  const marks = isPlain
    ? { seen: 'ok  ', missed: 'FAIL' }
    : {
        seen: styleText('green', '✓', { validateStream: false }),
        missed: styleText('red', '✗', { validateStream: false }),
      };
  const timed = (mark: string, line: string) => {
    const seconds = ((now() - startedAt) / 1000).toFixed(1).padStart(5);
    output.write(`${seconds} s  ${mark}  ${line}\n`);
  };
  return {
    say: (line) => void output.write(`${line}\n`),
    seen: (line) => timed(marks.seen, line),
    missed: (line) => timed(marks.missed, line),
  };
}
