import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { shellLine } from '../../src/sandbox/shell-words.ts';
import { bareEnvironment } from './child.ts';

/**
 * Runs a program on a terminal of its own, by script(1), which every Debian has. Once the text asks, the answer is typed; resolves
 * with all that the terminal showed, and the exit code.
 */
export async function onTerminal(
  words: readonly string[],
  { asks, answer, cwd, env }: { asks: RegExp; answer: string; cwd: string; env: NodeJS.ProcessEnv },
): Promise<{ text: string; code: number }> {
  const child = spawn('script', ['--quiet', '--return', '--command', shellLine(words), '/dev/null'], {
    cwd,
    env: { ...bareEnvironment(), HOME: cwd, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  let isAnswered = false;
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (isAnswered || !asks.test(text)) return;
    isAnswered = true;
    child.stdin.write(answer);
  });
  const [code] = await once(child, 'close');
  return { text: text.replaceAll('\r', ''), code: Number(code) };
}
