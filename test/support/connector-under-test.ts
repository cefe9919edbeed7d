/**
 * The connector as `main.ts` runs it, with the parameters that only tests pass: a place at which the process kills
 * itself, and shorter waits. `TEST_KILL_AT` is `point` or `point:n` for the n-th passing; a file that `TEST_KILL_FILE` names
 * may say the same while the process runs. With `TEST_FAULT` the end at `TEST_KILL_AT` is by an error that nothing catches.
 * With `TEST_TURNS` the process tells, at each SIGUSR2, the longest turn of its event loop since the last.
 */

import { existsSync, readFileSync } from 'node:fs';
import type { FailPoint } from '../../src/access/fail-point.ts';
import { FAIL_POINTS } from '../../src/access/fail-point.ts';
import { run } from '../../src/cli/run.ts';
import { reportWhenAsked, stopWhereTold, uncaught } from './connector-instruments.ts';
import { tellLongestTurn } from './longest-turn.ts';

const [wanted = '', count = '1'] = (process.env['TEST_KILL_AT'] ?? '').split(':');
if (wanted !== '' && !FAIL_POINTS.some((point) => point === wanted)) throw new Error(`no fail point is called ${wanted}`);
let left = Number(count);

const endsBy = uncaught(process.env['TEST_FAULT']) ?? (() => void process.kill(process.pid, 'SIGKILL'));

function killAt(point: FailPoint): void {
  if (point !== wanted) return;
  left -= 1;
  if (left === 0) endsBy();
}

const killFile = process.env['TEST_KILL_FILE'];
let toldLeft: number | null = null;

/** Counts from the first passing after the file was written. */
function killWhereTold(point: FailPoint): void {
  if (killFile === undefined || !existsSync(killFile)) return;
  const [told, passing = '1'] = readFileSync(killFile, 'utf8').split(':');
  if (point !== told) return;
  toldLeft = (toldLeft ?? Number(passing)) - 1;
  if (toldLeft === 0) process.kill(process.pid, 'SIGKILL');
}

if (process.env['TEST_TURNS'] !== undefined) tellLongestTurn();

const [baseMs, capMs] = (process.env['TEST_LINK_BACKOFF_MS'] ?? '').split(':').map(Number);
const [firstMs, everyMs] = (process.env['TEST_BACKUP_MS'] ?? '').split(':').map(Number);
const stopFile = process.env['TEST_STOP_FILE'];
const stopAt = stopFile === undefined ? () => undefined : stopWhereTold(stopFile);
const reportFile = process.env['TEST_REPORT_FILE'];
if (reportFile !== undefined) reportWhenAsked(reportFile);

const goneConfirmMs = process.env['TEST_GONE_CONFIRM_MS'];
const lateWriteMs = process.env['TEST_LATE_WRITE_MS'];
process.exitCode = await run({
  failPoints: (point) => {
    killAt(point);
    killWhereTold(point);
    stopAt(point);
  },
  ...(baseMs === undefined || capMs === undefined ? {} : { linkBackoff: { baseMs, capMs } }),
  ...(firstMs === undefined || everyMs === undefined ? {} : { backupTimings: { firstMs, everyMs } }),
  timings: {
    ...(goneConfirmMs === undefined ? {} : { goneConfirmMs: Number(goneConfirmMs) }),
    ...(lateWriteMs === undefined ? {} : { lateWriteMs: Number(lateWriteMs) }),
  },
});
