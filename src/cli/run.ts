import { constants } from 'node:os';
import { type Connector, type ConnectorOptions, openConnector } from '../connector.ts';
import { LedgerError } from '../ledger/ledger.ts';
import { ListenError } from '../observability/listen-error.ts';
import type { Logger } from '../observability/logger.ts';
import { configured } from './configured.ts';
import { EXIT } from './exit-code.ts';
import { exitOfFault } from './ledger-exit.ts';
import { VERSION } from './version.ts';

type TestParameters = Pick<ConnectorOptions, 'failPoints' | 'timings' | 'linkBackoff'>;

/** Runs the connector until SIGTERM or SIGINT; returns the exit code. `parameters` are for test entries. */
export async function run(parameters: TestParameters = {}): Promise<number> {
  const known = configured();
  if (known === null) return EXIT.configuration;
  const { config, log, scrubber } = known;
  process.on('uncaughtException', (error) => {
    log.fatal(
      { event: 'process.failed', error },
      'an error that nobody expected; the process ends, and the ledger has everything that was promised',
    );
    process.exit(EXIT.internal);
  });
  process.on('SIGHUP', () =>
    log.warn(
      { event: 'process.reload-unsupported' },
      'SIGHUP: reading files again is not yet supported by this version; restart to change the configuration',
    ),
  );
  const stopped = stopSignal();
  const connector = await open({ config, log, version: VERSION, learnSecret: scrubber.learn, ...parameters });
  if (typeof connector === 'number') return connector;
  await stopped;
  return (await connector.stop(config.process.shutdownGraceMs)) ? EXIT.ok : EXIT.failed;
}

async function open(options: ConnectorOptions & { readonly log: Logger }): Promise<Connector | number> {
  try {
    return await openConnector(options);
  } catch (error) {
    if (error instanceof LedgerError) return refused(options.log, error, exitOfFault(error.fault));
    if (error instanceof ListenError) return refused(options.log, error, EXIT.unavailable);
    throw error;
  }
}

function refused(log: Logger, error: LedgerError | ListenError, code: number): number {
  log.fatal({ event: 'connector.cannot-start', fault: error.fault, error }, error.message);
  process.stderr.write(`latchkey: ${error.message}\n`);
  return code;
}

/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once with 128 + its number. */
function stopSignal(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let asked = false;
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (asked) process.exit(128 + constants.signals[name]);
      asked = true;
      resolve();
    });
  }
  return promise;
}
