import { isIP } from 'node:net';
import { parseArgs } from 'node:util';

/** What the command line asked for. Paths are as given; spans carry their unit. */
export interface ControlPlaneOptions {
  readonly host: string;
  readonly port: number;
  readonly stateFile: string;
  readonly tokenFile: string;
  readonly apiTokenFile: string;
  readonly heartbeatSeconds: number;
}

export type Asked =
  | { readonly kind: 'run'; readonly options: ControlPlaneOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly problem: string };

const FLAGS = {
  listen: { type: 'string', default: '127.0.0.1:8790' },
  state: { type: 'string', default: './control-plane-state.json' },
  'token-file': { type: 'string', default: './control-plane-token' },
  'api-token-file': { type: 'string' },
  heartbeat: { type: 'string', default: '15' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export const USAGE = `usage: control-plane [--listen HOST:PORT] [--state FILE] [--token-file FILE] [--api-token-file FILE] [--heartbeat SECONDS]

A stand-in for a control plane, for developers: not a product, no users, no roles.

  --listen HOST:PORT      default 127.0.0.1:8790; port 0 takes a free one. Beyond loopback it speaks wss and https with a
                          certificate that it makes and keeps beside the state file
  --state FILE            what it remembers, JSON; default ./control-plane-state.json. What syncs have told is beside it, in
                          FILE.pictures; so is control-plane-job-keys.json, for LATCHKEY_JOB_KEYS_FILE of a connector that is
                          to take signed jobs only. Without control-plane-job-key.pem a new key is made, and listed first
  --token-file FILE       connector tokens, one a line, each bound to the first connectorId that uses it;
                          made with one random token if missing; default ./control-plane-token
  --api-token-file FILE   bearer tokens of the HTTP API, asked for beyond loopback only; default: the token file
  --heartbeat SECONDS     5 to 60; default 15
  --help                  this text
`;

/** Reads the arguments after the command's name. Never throws. */
export function parseOptions(argv: readonly string[]): Asked {
  const read = readFlags(argv);
  if (typeof read === 'string') return { kind: 'wrong', problem: read };
  if (read.help) return { kind: 'help' };
  const listen = parseListen(read.listen);
  if (listen === undefined) {
    return { kind: 'wrong', problem: `--listen ${read.listen}: expected HOST:PORT such as 127.0.0.1:8790 or [::1]:0` };
  }
  const heartbeatSeconds = Number(read.heartbeat);
  if (!Number.isInteger(heartbeatSeconds) || heartbeatSeconds < 5 || heartbeatSeconds > 60) {
    return { kind: 'wrong', problem: `--heartbeat ${read.heartbeat}: expected whole seconds from 5 to 60` };
  }
  const tokenFile = read['token-file'];
  const apiTokenFile = read['api-token-file'] ?? tokenFile;
  return { kind: 'run', options: { ...listen, stateFile: read.state, tokenFile, apiTokenFile, heartbeatSeconds } };
}

function readFlags(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: FLAGS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    return error instanceof Error ? error.message : 'the arguments could not be read';
  }
}

function parseListen(text: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535 || (match?.[1] !== undefined && isIP(host) !== 6)) return undefined;
  return { host, port };
}

/** True for `localhost`, 127.0.0.0/8 and ::1: what never leaves the machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
