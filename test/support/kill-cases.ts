import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type IndependentCheck, independentCheck } from './independent-check.ts';
import type { Scenario } from './kill-scenarios.ts';
import { type Stage, stageOf } from './kill-stage.ts';
import { killed, startReady } from './survival.ts';
import type { AnySystem } from './system.ts';

/** A scenario and the place in it at which the connector dies. */
export interface Kill {
  readonly scenario: Scenario;
  readonly at: Scenario['points'][number];
}

/** A system whose connector dies where it is told to, and who watches it. */
export interface KillSystem {
  readonly s: AnySystem;
  readonly check: IndependentCheck;
  /** For one case. */
  stage(): Stage;
  /** Where it dies at once, from now on; null: nowhere. */
  killAt(place: string | null): Promise<void>;
  /** Starts the connector; resolves when its directory is up. */
  startReady(): Promise<unknown>;
  /** Starts the connector, which dies before it is ready. */
  startDoomed(): Promise<unknown>;
}

export function killsOf(scenarios: readonly Scenario[]): readonly Kill[] {
  return scenarios.flatMap((scenario) => scenario.points.map((at) => ({ scenario, at })));
}

/** Begins to watch a system that was just started, and starts its connector with this environment, then and each time. */
export async function startKillSystem(s: AnySystem, env: NodeJS.ProcessEnv = {}): Promise<KillSystem> {
  const killFile = join(s.folder, 'kill-at');
  const number = { people: 0, groups: 0 };
  const check = await independentCheck(s);
  const wholeEnv = { ...env, TEST_KILL_FILE: killFile };
  const ready = () => startReady(s, { env: wholeEnv });
  await s.startStub();
  await ready();
  return {
    s,
    check,
    stage: () => stageOf(s, check, number),
    killAt: (place) => (place === null ? rm(killFile) : writeFile(killFile, place)),
    startReady: ready,
    startDoomed: () => s.startConnector({ welcome: false, env: wholeEnv }).catch(() => undefined),
  };
}

/** A test: the connector is killed there, started again, and everything is as it has to be. */
export function killCase({ scenario, at }: Kill, of: () => KillSystem): void {
  test(`${scenario.title}, killed at ${at}${scenario.after === undefined ? '' : `, after ${scenario.after}`}`, async () => {
    const { s, check, stage, killAt, startReady: start, startDoomed } = of();
    const { act, meanwhile } = await scenario.arrange(stage());
    await killAt(scenario.after ?? at);
    await act();
    await killed(s);
    if (scenario.after !== undefined) {
      await killAt(at);
      await startDoomed();
      await killed(s);
    }
    await killAt(null);
    await meanwhile?.();
    await start();
    await check.assertAllIsRight();
  });
}
