import type { OperatorResult } from '../access/operator.ts';
import type { Engine } from '../engine/engine.ts';
import type { SyncOutcome } from '../engine/sync-request.ts';
import { type HealthPart, type HealthParts, judgeHealth } from '../observability/health.ts';
import type { OperatorSocketOptions } from '../operator/operator-socket.ts';
import type { ConnectorSync } from './sync.ts';

/** What a person on the machine asks of the running connector, done by the part that it is about. */
export function operatorDesk({
  engine,
  sync,
  health,
}: {
  engine: Pick<Engine, 'operate'>;
  sync: Pick<ConnectorSync, 'engine' | 'onProgress'>;
  health: () => Promise<HealthParts>;
}): OperatorSocketOptions['perform'] {
  return async (request, tell, signal): Promise<OperatorResult> => {
    if (request.request === 'health') return answerHealth(await health());
    if (request.request !== 'sync') return await engine.operate(request, tell, signal);
    const { mode, acceptRemovals } = request;
    const quiet = sync.onProgress((records) => tell({ answer: 'progress', records }));
    try {
      const outcome = await sync.engine.request({ mode, acceptRemovals, notAfter: null }, signal);
      return answerSync(outcome);
    } finally {
      quiet();
    }
  };
}

function answerSync(outcome: SyncOutcome): OperatorResult {
  switch (outcome.kind) {
    case 'done':
      return { answer: 'done', sync: outcome.sync };
    case 'failed':
      return { answer: 'failed', error: outcome.error };
    case 'unlinked':
      return { answer: 'unlinked' };
    default:
      return outcome satisfies never;
  }
}

function answerHealth(parts: HealthParts): OperatorResult {
  const { body } = judgeHealth(parts);
  const notReady = Object.entries(parts).filter(([, part]: readonly [string, HealthPart]) => !part.ready);
  return {
    answer: 'health',
    isReady: body.ready,
    parts: Object.fromEntries(
      notReady.map(([name, { ready: _ready, ...said }]: readonly [string, HealthPart]) => [name, JSON.stringify(said)]),
    ),
  };
}
