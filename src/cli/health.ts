import { askOperator } from '../operator/ask.ts';
import { configured } from './configured.ts';
import { EXIT } from './exit-code.ts';
import { said } from './said.ts';

/** One who asks for health wants an answer, and not to wait: a connector that does not turn does not answer either. */
const PATIENCE_MS = 10_000;

/** `latchkey health`. */
export async function health(): Promise<number> {
  const known = configured({ logs: 'stderr', isQuiet: true });
  if (known === null) return EXIT.configuration;
  const { stateDir } = known.config.process;
  const request = { stateDir, request: { request: 'health' }, signal: AbortSignal.timeout(PATIENCE_MS) } as const;
  const answer = await askOperator(request, () => undefined);
  switch (answer.answer) {
    case 'health':
      for (const [part, text] of Object.entries(answer.parts))
        process.stdout.write(`${part} is not ready: ${known.scrubber.text(text)}\n`);
      if (answer.isReady) process.stdout.write('ready\n');
      return answer.isReady ? EXIT.ok : EXIT.failed;
    case 'absent':
      return said(
        `no connector runs with the state directory ${stateDir}; start it ("latchkey run", from a checkout "npm start")`,
        EXIT.unavailable,
      );
    case 'lost':
      return said('the connector did not answer', EXIT.unavailable);
    case 'done':
    case 'chosen':
    case 'explained':
    case 'failed':
    case 'unlinked':
    case 'refused':
      return said('the connector answered something else than was asked; is it another version?', EXIT.internal);
    default:
      return answer satisfies never;
  }
}
