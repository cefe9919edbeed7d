import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import type { Program } from '../../src/sandbox/programs.ts';
import { atScale, FULL_SCALE } from './scale.ts';
import { straceProgram, type TracedCall } from './strace.ts';
import { allStrikes, FAULTS, groundOf, hasStrayed, type Strike, someStrikes } from './strace-cases.ts';
import { openTheatre, type Struck, type Theatre, TRACED_SCENARIOS, type TracedScenario } from './strace-scenarios.ts';

/** In a sample with each fault. */
const OF_EACH = 1;
/** A fresh system after so many, since the stub writes all that it knows at each change. */
const CASES_OF_ONE_SYSTEM = 100;
/** No two runs need to make the same calls; but of those that were recorded, so many have to be met again. */
const MET_AT_LEAST = 0.6;

/** The exit code of a connector that cannot open its ledger (EX_UNAVAILABLE of sysexits.h). */
const CANNOT_START = 69;

interface Result {
  readonly strike: Strike;
  readonly struck: Struck;
}

/** Strikes every call that writes, of one scenario, in a sample some of them; a system is shared until a case fails. */
export function straceTests(title: keyof typeof TRACED_SCENARIOS): void {
  const scenario = TRACED_SCENARIOS[title];
  const which = FULL_SCALE ? 'at each call that writes' : 'at some of the calls that write';
  suite(`${title}, struck ${which}`, { concurrency: false }, () => {
    test('killed, failing (EIO) or without space (ENOSPC), no call leads to a wrong belief', {
      timeout: atScale({ sample: 300_000, full: 7_200_000 }),
    }, async (t) => {
      const compiled = await mkdtemp(join(tmpdir(), 'latchkey-compiled-'));
      try {
        await strikeInTurn(t, { scenario, program: await straceProgram(), compiled });
      } finally {
        await rm(compiled, { recursive: true, force: true });
      }
    });
  });
}

async function strikeInTurn(
  t: TestContext,
  { scenario, program, compiled }: { scenario: TracedScenario; program: Program; compiled: string },
): Promise<void> {
  const fresh = (): Promise<Theatre> => openTheatre({ program, cases: CASES_OF_ONE_SYSTEM, compiled });
  const results: Result[] = [];
  const failures: string[] = [];
  let theatre = await fresh();
  try {
    const recorded = await record(theatre, scenario);
    t.diagnostic(`${recorded.length} calls: ${counted(recorded.map(shown))}`);
    const strikes = FULL_SCALE ? allStrikes(recorded) : someStrikes(recorded, OF_EACH);
    let played = 1;
    for (const strike of strikes) {
      if (played === CASES_OF_ONE_SYSTEM) {
        await theatre[Symbol.asyncDispose]();
        theatre = await fresh();
        played = 0;
      }
      played += 1;
      try {
        const struck = await scenario(theatre, strike);
        results.push({ strike, struck });
        assertMayEnd(strike, struck);
      } catch (error) {
        // The others go on in a fresh system, so that one failure does not hide another.
        failures.push(`${strike.fault} at ${strike.call} ${strike.nth}: ${String(error)}`);
        played = CASES_OF_ONE_SYSTEM;
      }
    }
    for (const fault of FAULTS)
      t.diagnostic(`${fault}: ${counted(results.filter(({ strike }) => strike.fault === fault).map(told))}`);
    assert.equal(failures.length, 0, failures.join('\n'));
    const met = results.filter(({ strike, struck }) => strike.nth <= countOf(recorded, strike) && isHit(strike, struck)).length;
    const wanted = strikes.filter((strike) => strike.nth <= countOf(recorded, strike)).length;
    assert.ok(met >= wanted * MET_AT_LEAST, `of ${wanted} recorded calls that were to be struck, only ${met} were made again`);
  } finally {
    await theatre[Symbol.asyncDispose]();
  }
}

/** What it does when it is left alone. Only what the main thread does is struck: no other may write but to wake it up. */
async function record(theatre: Theatre, scenario: TracedScenario): Promise<readonly TracedCall[]> {
  const { calls, ended } = await scenario(theatre, undefined);
  assert.ok(ended === null || ended === 0, `it ended by itself: ${ended}`);
  const others = calls.filter((call) => !call.main && groundOf(call) !== 'wake-up');
  assert.deepEqual(others, []);
  return calls.filter(({ main }) => main);
}

/**
 * Who is not killed goes on, with two exceptions: a start whose files fail may give up, to be tried again from outside; and whose
 * fault strayed to what is libuv's own, where none can be.
 */
function assertMayEnd({ fault }: Strike, { calls, ended, lines }: Struck): void {
  if (fault === 'KILL' || ended === null || ended === 0) return;
  const ground = calls.filter(({ injected }) => injected).map(groundOf)[0];
  const hasStarted = lines.some((line) => line.includes('"connector.started"'));
  const hasGivenUp = ground === 'file' && ended === CANNOT_START && !hasStarted;
  const mayEnd = hasGivenUp || (hasStrayed(calls) && (ended === 'SIGABRT' || ended === 'SIGKILL'));
  assert.ok(mayEnd, `it ended (${ended}) because a ${ground} failed:\n${lines.slice(-15).join('\n')}`);
}

function countOf(recorded: readonly TracedCall[], { call }: Strike): number {
  return recorded.filter(({ name }) => name === call).length;
}

function isHit({ fault }: Strike, { calls, ended }: Struck): boolean {
  return fault === 'KILL' ? ended === 'SIGKILL' : calls.some(({ injected }) => injected);
}

function told({ strike, struck }: Result): string {
  if (!isHit(strike, struck)) return 'not reached';
  const at = struck.calls.findLast(({ injected }) => injected || strike.fault === 'KILL');
  const how = strike.fault === 'KILL' ? '' : struck.ended === null ? ' and went on' : ` and ended (${struck.ended})`;
  return `${at === undefined ? '' : shown(at)}${how}`;
}

function shown({ name, on }: TracedCall): string {
  const ground = groundOf({ on });
  return `${name} ${ground === 'file' ? (on.split('/').at(-1) ?? '') : ground}`;
}

function counted(all: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const one of all) counts.set(one, (counts.get(one) ?? 0) + 1);
  return [...counts].map(([one, count]) => `${count} x ${one}`).join(', ');
}
