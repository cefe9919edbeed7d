import type { PlantedBug } from './planted-bug.ts';

/** Faults of what an operator is told. */
export const METRICS_BUGS: readonly PlantedBug[] = [
  {
    fault: 'a label says whatever it is given: the DN of a group, a name',
    file: 'src/observability/prom-metrics.ts',
    find: 'known[label]?.includes(value) === false ? OTHER : value',
    replace: 'known[label]?.includes(OTHER) === true ? OTHER : value',
    tests: ['observability/prom-metrics.test.ts'],
    only: 'a label has only values',
  },
  {
    fault: 'an ending that waits for the directory is not counted as late',
    file: 'src/connector/states.ts',
    find: 'Math.min(endingSince ?? now, nextExpiry ?? now)',
    replace: 'nextExpiry ?? now',
    tests: ['connector/states.test.ts'],
  },
  {
    fault: 'what was once read is told on while the ledger does not answer',
    file: 'src/observability/prom-metrics.ts',
    find: '      made.forgetStates();\n',
    replace: '',
    tests: ['observability/prom-metrics.test.ts'],
    only: 'what cannot be read now',
  },
  {
    fault: 'what is counted is counted before it is written, and again when it could not be',
    file: 'src/ledger/observed-ledger.ts',
    find: '      const value = await work();\n      for (const event of consequence.events ?? []) told(event, metrics);\n      jobs.settled(consequence);\n',
    replace:
      '      for (const event of consequence.events ?? []) told(event, metrics);\n      jobs.settled(consequence);\n      const value = await work();\n',
    tests: ['ledger/observed-ledger.test.ts'],
  },
  {
    fault: 'a log line of work that failed does not say of which trace its job is',
    file: 'src/engine/engine.ts',
    find: "{ event: 'job.undecided', ...aboutJob(stored), error }",
    replace: "{ event: 'job.undecided', jobId: stored.jobId, error }",
    tests: ['engine/trace.test.ts'],
  },
];
