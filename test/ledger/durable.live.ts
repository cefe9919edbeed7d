import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { promisify } from 'node:util';
import { straceProgram } from '../support/strace.ts';

const DURABLE = new URL('../../src/ledger/sqlite/durable.ts', import.meta.url).href;
const PACKAGE = new URL('../../', import.meta.url).pathname;

suite('what must be durable, with and without fsync', { skip: process.platform !== 'linux' }, () => {
  let folder: string;

  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'latchkey-durable-')));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** The calls that a script makes on files of the folder, as `name path`, `open path flags`. */
  async function callsOf(flags: readonly string[], script: string): Promise<readonly string[]> {
    const trace = join(folder, '..', `${folder.split('/').at(-1)}.trace`);
    const program = await straceProgram();
    const text = `import * as fs from 'node:fs'; import * as durable from ${JSON.stringify(DURABLE)}; const folder = ${JSON.stringify(folder)}; ${script}`;
    await promisify(execFile)(
      program.path,
      ['-f', '-y', '-qq', '-e', 'trace=openat,pwrite64,fsync,fdatasync', '-o', trace, process.execPath, ...flags].concat(
        '--input-type=module',
        '-e',
        text,
      ),
      { env: { ...process.env, ...program.env } },
    );
    const lines = (await readFile(trace, 'utf8')).split('\n');
    await rm(trace);
    return lines.flatMap((line) => {
      const [, opened, how = ''] = /openat\([^"]*"([^"]*)", (\S+)[,)]/.exec(line) ?? [];
      const [, name = '', on] = /\b(pwrite64|fsync|fdatasync)\(\d+<([^>]*)>/.exec(line) ?? [];
      const path = opened ?? on;
      if (path?.startsWith(folder) !== true) return [];
      return [opened === undefined ? `${name} ${path.slice(folder.length)}` : `open ${path.slice(folder.length)} ${how}`];
    });
  }

  const model = () => [
    '--permission',
    `--allow-fs-read=${PACKAGE}*`,
    `--allow-fs-read=${folder}/*`,
    `--allow-fs-write=${folder}/*`,
  ];
  const one = `const file = durable.openDurable(folder + '/one', fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600); fs.writeSync(file, 'x', 0); durable.flush(file);`;
  const many = `fs.writeFileSync(folder + '/many', ''); const cheap = fs.openSync(folder + '/many', 'r+'); fs.writeSync(cheap, 'abc', 0); durable.flushByWriting({ path: folder + '/many', descriptor: cheap, again: (sure) => fs.writeSync(sure, 'abc', 0) });`;

  test('without the permission model fsync does it', async () => {
    const calls = await callsOf([], `${one} ${many} durable.flushFolder(folder); await durable.flushDatabase(folder + '/one');`);
    assert.deepEqual(
      calls.filter((call) => call.startsWith('fsync')),
      ['fsync /one', 'fsync /many', 'fsync ', 'fsync /one'],
    );
    assert.ok(!calls.some((call) => call.includes('O_DSYNC')));
  });

  test('under it a file of ours is opened with O_DSYNC, before anything is written to it', async () => {
    const calls = await callsOf(model(), one);
    assert.match(calls[0] ?? '', /^open \/one \S*O_DSYNC/);
  });

  test('under it what was written cheaply is written again with O_DSYNC', async () => {
    const calls = await callsOf(model(), many);
    assert.match(calls.at(-2) ?? '', /^open \/many \S*O_DSYNC/);
    assert.equal(calls.at(-1), 'pwrite64 /many');
  });

  test('under it SQLite syncs a folder, and a database with all that was written to it', async () => {
    const named = await callsOf(model(), 'durable.flushFolder(folder);');
    assert.ok(named.includes('fsync '), named.join('\n'));
    const database = `const { DatabaseSync } = await import('node:sqlite'); const db = new DatabaseSync(folder + '/db'); db.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; CREATE TABLE t (x); PRAGMA user_version = 7'); db.close();`;
    const synced = await callsOf(model(), `${database} await durable.flushDatabase(folder + '/db');`);
    assert.ok(synced.includes('fsync /db') || synced.includes('fdatasync /db'), synced.join('\n'));
    assert.ok(synced.lastIndexOf('pwrite64 /db') < synced.findLastIndex((call) => call.endsWith('sync /db')));
  });
});
