import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { Clock } from '../../src/access/clock.ts';
import { runControlPlane } from '../../src/control-plane/control-plane.ts';

/** Takes lines, and lets a test wait for one. */
export function lineSink() {
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let rest = '';
  const stream = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts);
      for (const look of waiting) look();
      done();
    },
  });
  return {
    stream,
    lines,
    /** The first line, past or future, that matches. */
    line(pattern: RegExp): Promise<string> {
      return new Promise((resolve) => {
        const look = () => {
          const found = lines.find((line) => pattern.test(line));
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      });
    },
  };
}

/** A private folder that goes away with the test. */
export async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'latchkey-stub-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export type RunningStub = Awaited<ReturnType<typeof startStub>>;

/** Runs the stub in this process, with its files in the folder; resolves when it listens. */
export async function startStub(folder: string, { args = [], clock }: { args?: readonly string[]; clock?: Clock } = {}) {
  const stdout = lineSink();
  const stderr = lineSink();
  const stopping = new AbortController();
  const files = ['--state', join(folder, 'state.json'), '--token-file', join(folder, 'token'), '--heartbeat', '60'];
  const io = { stdout: stdout.stream, stderr: stderr.stream, signal: stopping.signal };
  const exit = runControlPlane(['--listen', '127.0.0.1:0', ...files, ...args], io, clock);
  const listening = await Promise.race([stdout.line(/^listening: /), exit.then((code) => `exit ${code}`)]);
  const [, connectUrl, apiUrl] = /connectors (\S+) API (\S+)\/$/.exec(listening) ?? [];
  if (connectUrl === undefined || apiUrl === undefined) throw new Error(`the stub said: ${listening} ${stderr.lines.join('\n')}`);

  async function request(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const response = await fetch(`${apiUrl}${path}`, { method, ...(text === undefined ? {} : { body: text }) });
    const answer = await response.text();
    return {
      status: response.status,
      body: response.headers.get('content-type') === 'application/json' ? JSON.parse(answer) : answer,
    };
  }

  return {
    connectUrl,
    apiUrl,
    port: Number(new URL(apiUrl).port),
    stdout,
    stderr,
    request,
    token: async () => (await readFile(join(folder, 'token'), 'utf8')).trim(),
    async get<T = unknown>(path: string): Promise<T> {
      const { status, body } = await request('GET', path);
      if (status !== 200) throw new Error(`GET ${path}: ${status} ${JSON.stringify(body)}`);
      return body as T;
    },
    async stop(): Promise<number> {
      stopping.abort();
      return await exit;
    },
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await exit;
    },
  };
}
