import { setTimeout as sleep } from 'node:timers/promises';
import { problemsInLine } from '../config/problem.ts';
import { type Connector, type ConnectorOptions, openConnector } from '../connector.ts';
import { LedgerError } from '../ledger/ledger.ts';
import { ListenError } from '../observability/listen-error.ts';
import type { Logger } from '../observability/logger.ts';
import { type Configured, configured, reread } from './configured.ts';
import { EXIT } from './exit-code.ts';
import { exitOfFault } from './ledger-exit.ts';
import { askedBySignals } from './signals.ts';
import { VERSION } from './version.ts';

type TestParameters = Pick<ConnectorOptions, 'failPoints' | 'timings' | 'linkBackoff' | 'backupTimings'>;

type OpenParameters = TestParameters & Pick<ConnectorOptions, 'acceptedBefore'>;

/** A connector that runs, and the configuration that it runs with. */
interface Running {
  readonly known: Configured;
  readonly connector: Connector;
}

/** What was begun is given so long before the parts are opened anew; what is not done then goes on after that. */
const RELOAD_GRACE_MS = 2_000;
/** A command on this machine may have the ledger in the moment between. */
const LOCKED_MS = 30_000;
const AGAIN_MS = 100;
/** For writes to the directory that are under way. */
const ABANDON_GRACE_MS = 1_000;

/** Runs the connector until SIGTERM or SIGINT; returns the exit code. `parameters` are for test entries. */
export async function run(parameters: TestParameters = {}): Promise<number> {
  const known = configured();
  if (known === null) return EXIT.configuration;
  process.on('uncaughtException', (error) => {
    known.log.fatal(
      { event: 'process.failed', error },
      'an error that nobody expected; the process ends, and the ledger has everything that was promised',
    );
    process.exit(EXIT.internal);
  });
  const asked = askedBySignals();
  const opened = await open(known, parameters);
  if (!('stop' in opened)) return refused(known.log, opened);
  let running: Running = { known, connector: opened };
  // Ends with a stop, as its signal asks.
  for (;;) {
    const next = await Promise.race([asked.next(), running.connector.failed]);
    if (next instanceof LedgerError) return await abandoned(running, next);
    if (next === 'stop') {
      const { connector, known: now } = running;
      return (await connector.stop(now.config.process.shutdownGraceMs)) ? EXIT.ok : EXIT.failed;
    }
    const reloaded = await reload(running, parameters);
    if (!('connector' in reloaded)) return refused(known.log, reloaded);
    running = reloaded;
  }
}

/**
 * Reads every file again and opens the parts anew with what they say: all or nothing. Where the new configuration is bad nothing is
 * touched; where it cannot be opened the old one is.
 */
async function reload({ known, connector }: Running, parameters: TestParameters): Promise<Running | StartError> {
  const read = reread(known);
  if (!read.ok) {
    known.log.error(
      { event: 'process.reload-refused', problems: read.problems },
      `SIGHUP: nothing is changed. ${problemsInLine(read.problems)}`,
    );
    return { known, connector };
  }
  known.log.info(
    { event: 'process.reloading', overridden: read.overridden },
    read.overridden.length === 0
      ? 'SIGHUP: the files are read again'
      : `SIGHUP: the files are read again; what the real environment gives keeps its value: ${read.overridden.join(', ')}`,
  );
  await connector.stop(RELOAD_GRACE_MS);
  // A new password that the directory does not have yet must not take away the old one that works.
  const taken = { ...parameters, acceptedBefore: connector.acceptedBind() };
  const opened = await openAgain(read.known, taken);
  if ('stop' in opened) {
    read.known.log.info({ event: 'process.reloaded' }, 'the connector runs with what the files say now');
    return { known: read.known, connector: opened };
  }
  known.log.error(
    { event: 'process.reload-refused', fault: opened.fault, error: opened },
    `SIGHUP: the old configuration is kept: ${opened.message}`,
  );
  const before = await openAgain(known, taken);
  return 'stop' in before ? { known, connector: before } : before;
}

/** What is in the directory is safe, and so is what was committed: whoever starts the connector again starts it with a restored ledger. */
async function abandoned({ known, connector }: Running, error: LedgerError): Promise<number> {
  const code = exitOfFault(error.fault);
  known.log.fatal(
    { event: 'ledger.damaged', error },
    `the connector ends with exit code ${code}, so that it is started again and restores its ledger from a backup: ${error.message}`,
  );
  process.stderr.write(`latchkey: ${error.message}\n`);
  // Nothing that is still open may keep the process: until the next start nothing ends.
  setTimeout(() => process.exit(code), 2 * ABANDON_GRACE_MS).unref();
  try {
    await connector.stop(ABANDON_GRACE_MS);
  } catch (failure) {
    known.log.error({ event: 'ledger.damaged', error: failure }, 'a part of the connector could not be closed');
  }
  process.exit(code);
}

type StartError = LedgerError | ListenError;

async function openAgain(known: Configured, parameters: OpenParameters): Promise<Connector | StartError> {
  const deadline = performance.now() + LOCKED_MS;
  // Ends: by the deadline, or before.
  for (;;) {
    const opened = await open(known, parameters);
    if ('stop' in opened || opened.fault !== 'locked' || performance.now() > deadline) return opened;
    await sleep(AGAIN_MS);
  }
}

async function open({ config, log, scrubber }: Configured, parameters: OpenParameters): Promise<Connector | StartError> {
  try {
    return await openConnector({ config, log, version: VERSION, learnSecret: scrubber.learn, ...parameters });
  } catch (error) {
    if (error instanceof LedgerError || error instanceof ListenError) return error;
    throw error;
  }
}

function refused(log: Logger, error: StartError): number {
  log.fatal({ event: 'connector.cannot-start', fault: error.fault, error }, error.message);
  process.stderr.write(`latchkey: ${error.message}\n`);
  return error instanceof LedgerError ? exitOfFault(error.fault) : EXIT.unavailable;
}
