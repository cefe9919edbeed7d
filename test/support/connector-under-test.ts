/**
 * The connector as `main.ts` runs it, with the parameters that only tests pass: a place at which the process kills
 * itself, and shorter waits. `TEST_KILL_AT` is `point` or `point:n` for the n-th passing.
 */

import type { FailPoint } from '../../src/access/fail-point.ts';
import { FAIL_POINTS } from '../../src/access/fail-point.ts';
import { run } from '../../src/cli/run.ts';

const [wanted = '', count = '1'] = (process.env['TEST_KILL_AT'] ?? '').split(':');
if (wanted !== '' && !FAIL_POINTS.some((point) => point === wanted)) throw new Error(`no fail point is called ${wanted}`);
let left = Number(count);

function killAt(point: FailPoint): void {
  if (point !== wanted) return;
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
}

const goneConfirmMs = process.env['TEST_GONE_CONFIRM_MS'];
const lateWriteMs = process.env['TEST_LATE_WRITE_MS'];
process.exitCode = await run({
  failPoints: killAt,
  timings: {
    ...(goneConfirmMs === undefined ? {} : { goneConfirmMs: Number(goneConfirmMs) }),
    ...(lateWriteMs === undefined ? {} : { lateWriteMs: Number(lateWriteMs) }),
  },
});
