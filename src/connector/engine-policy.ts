import type { Config } from '../config/config.ts';
import type { EngineOptions } from '../engine/engine.ts';
import { shownReference } from './directory-options.ts';

/** What the configuration lets the engine do: the same for a connector that runs and for a person who works without one. */
export function enginePolicy({ policy, process }: Config): EngineOptions['policy'] {
  return {
    ...policy,
    retentionMs: process.retentionMs,
    protectedGroups: policy.protectedGroups.map(shownReference),
    unprotectedGroups: policy.unprotectedGroups.map(shownReference),
  };
}
