import { NO_RULES } from '../access/group-rules.ts';
import type { Config } from '../config/config.ts';
import type { EngineOptions } from '../engine/engine.ts';
import { shownReference } from './directory-options.ts';

/** What the configuration lets the engine do: the same for a connector that runs and for a person who works without one. */
export function enginePolicy({ policy, process }: Config): EngineOptions['policy'] {
  return {
    maxGrantMs: policy.maxGrantMs,
    maxGrantsPerMinute: policy.maxGrantsPerMinute,
    maxPendingMs: policy.maxPendingMs,
    drift: policy.drift,
    rules: policy.file?.rules ?? NO_RULES,
    retentionMs: process.retentionMs,
    protectedGroups: policy.protectedGroups.map(shownReference),
    unprotectedGroups: policy.unprotectedGroups.map(shownReference),
  };
}
