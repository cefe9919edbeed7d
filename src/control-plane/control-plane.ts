import { resolve } from 'node:path';
import type { Clock } from '../access/clock.ts';
import { openBook } from './book.ts';
import { keepCertificate } from './certificates.ts';
import { openChanges } from './changes.ts';
import type { Desk } from './desk.ts';
import { openFaults } from './faults.ts';
import { keepJobSigner } from './job-signer.ts';
import { type ControlPlaneOptions, isLoopback, parseOptions, USAGE } from './options.ts';
import { openPictures } from './pictures.ts';
import { type Listening, listen } from './server.ts';
import { openStateFile, readIfThere } from './state-file.ts';
import { systemClock, timestamp } from './system-clock.ts';
import { readTokens } from './tokens.ts';

export interface ControlPlaneIo {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  /** Closes the connections with 1001, writes the state and ends the run. */
  readonly signal: AbortSignal;
}

/** Exit codes of sysexits(3). */
const USAGE_EXIT = 64;
const UNAVAILABLE_EXIT = 69;
const CONFIG_EXIT = 78;

/**
 * The control-plane stub, a developer's tool: reads its flags, serves until the signal aborts, and returns the exit code
 * (0; 64 wrong flags; 69 address in use; 78 a file that it cannot use). Never rejects.
 */
export async function runControlPlane(argv: readonly string[], io: ControlPlaneIo, clock: Clock = systemClock): Promise<number> {
  const asked = parseOptions(argv);
  switch (asked.kind) {
    case 'help':
      io.stdout.write(USAGE);
      return 0;
    case 'wrong':
      io.stderr.write(`${asked.problem}\n${USAGE}`);
      return USAGE_EXIT;
    case 'run':
      return await serve(asked.options, io, clock);
    default:
      return asked satisfies never;
  }
}

async function serve(options: ControlPlaneOptions, io: ControlPlaneIo, clock: Clock): Promise<number> {
  const secure = !isLoopback(options.host);
  const prepared = await prepare(options, io, clock, secure);
  if (prepared === undefined) return CONFIG_EXIT;
  const { desk, connectorTokens, apiTokens, certificate } = prepared;
  let listening: Listening;
  try {
    const { host, port } = options;
    listening = await listen({ host, port, desk, connectorTokens, apiTokens: secure ? apiTokens : null, certificate });
  } catch (error) {
    io.stderr.write(`control-plane stub: cannot listen on ${options.host}:${options.port}: ${messageOf(error)}\n`);
    return UNAVAILABLE_EXIT;
  }
  const { connectUrl, apiUrl } = listening;
  io.stdout.write("control-plane stub of Latchkey: a developer's tool, not a control plane for users\n");
  io.stdout.write(`state ${resolve(options.stateFile)}, connector token ${resolve(options.tokenFile)}\n`);
  if (certificate !== null) io.stdout.write(`certificate authority ${resolve(certificate.caFile)}\n`);
  io.stdout.write(
    `job keys ${resolve(desk.signer.jwksFile)}: a connector whose LATCHKEY_JOB_KEYS_FILE names it is sent signed jobs\n`,
  );
  const tokenAsked = secure ? `, which asks for a token of ${resolve(options.apiTokenFile)}` : '';
  io.stdout.write(`console ${apiUrl} in a browser${tokenAsked}\n`);
  io.stdout.write(`listening: connectors ${connectUrl} API ${apiUrl}\n`);
  await aborted(io.signal);
  await listening.close();
  await desk.pictures.idle();
  try {
    await desk.stateFile.save();
  } catch (error) {
    desk.unsaved(error);
    return UNAVAILABLE_EXIT;
  }
  return 0;
}

/** Everything that comes from files; undefined where one cannot be used, which has then been said. */
async function prepare(options: ControlPlaneOptions, io: ControlPlaneIo, clock: Clock, secure: boolean) {
  const { stateFile: path, tokenFile, apiTokenFile, host } = options;
  try {
    const connectorTokens = await readTokens(tokenFile);
    const apiTokens = secure && apiTokenFile !== tokenFile ? await readTokens(apiTokenFile) : connectorTokens;
    const certificate = secure ? await keepCertificate({ stateFile: path, host, nowMs: clock.wall() }) : null;
    const signer = await keepJobSigner(path);
    const book = openBook(await readIfThere(path));
    const stateFile = openStateFile(path, book);
    await stateFile.save();
    const pictures = await openPictures(
      path,
      book.connectors().map(({ connectorId }) => connectorId),
    );
    const desk: Desk = {
      book,
      stateFile,
      clock,
      heartbeatSeconds: options.heartbeatSeconds,
      pages: new Map(),
      signer,
      pictures,
      faults: openFaults(),
      sessions: new Map(),
      changes: openChanges(clock),
      note: (text) => io.stdout.write(`${timestamp(clock)} ${oneLine(text)}\n`),
      unsaved: (error) => io.stderr.write(`${timestamp(clock)} the state could not be kept in ${path}: ${messageOf(error)}\n`),
      violated(connectorId, rule, detail) {
        const at = timestamp(clock);
        book.addViolation({ at, connectorId, rule, detail });
        io.stderr.write(`${at} PROTOCOL VIOLATION by ${connectorId ?? 'an unknown connector'}: ${rule}: ${oneLine(detail)}\n`);
        stateFile.save().catch(desk.unsaved);
      },
    };
    return { desk, connectorTokens, apiTokens, certificate };
  } catch (error) {
    io.stderr.write(`control-plane stub: ${messageOf(error)} (state ${path}, tokens ${tokenFile}, ${apiTokenFile})\n`);
    return undefined;
  }
}

function messageOf(error: unknown): string {
  return oneLine(error instanceof Error ? error.message : String(error));
}

/** What a peer wrote must not draw on the terminal. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').slice(0, 1000);
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolveAborted) => signal.addEventListener('abort', () => resolveAborted(), { once: true }));
}
