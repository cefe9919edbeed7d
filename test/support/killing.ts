import { type Child, startChild } from './child.ts';
import type { System } from './system.ts';

const CONNECTOR = new URL('./connector-under-test.ts', import.meta.url).pathname;

/**
 * Starts the connector of a system and waits for nothing, so that it can be killed at any instant of its start. Whoever
 * calls ends it; the system knows nothing of it.
 */
export function spawnConnector(s: System, { killAt, env = {} }: { killAt?: string; env?: NodeJS.ProcessEnv } = {}): Child {
  return startChild({
    script: CONNECTOR,
    cwd: s.folder,
    env: { ...s.connectorEnv(), ...(killAt === undefined ? {} : { TEST_KILL_AT: killAt }), ...env },
  });
}

/** Resolves with the line that says that the connector has started, or null where it ended before. */
export async function startedLine(child: Child): Promise<string | null> {
  try {
    return await child.line((text) => text.includes('"connector.started"'));
  } catch {
    return null;
  }
}

/** The pause that makes a kill random: there is nothing to wait for. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
