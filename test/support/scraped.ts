import { instant } from '../../src/access/instant.ts';
import type { States } from '../../src/observability/metrics.ts';

/** One line of what was exposed. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads the exposition format of Prometheus: samples only. Throws on a line that is neither one nor a comment. */
export function samplesIn(text: string): readonly Sample[] {
  return text.split('\n').flatMap((line) => {
    if (line === '' || line.startsWith('#')) return [];
    const read = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (read === null) throw new Error(`no sample: ${line}`);
    const [, name = '', labels = '', value = ''] = read;
    const pairs = [...labels.matchAll(/([a-z_]+)="((?:\\.|[^"\\])*)"/g)].map(([, label = '', of = '']) => [label, of] as const);
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
  });
}

/** The values of the samples of that name whose labels are among these; the sum of them. */
export function valueIn(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number | null {
  const found = samplesIn(text).filter(
    (sample) => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  return found.length === 0 ? null : found.reduce((sum, { value }) => sum + value, 0);
}

/** A connector that has nothing to complain of. */
export const SOUND: States = {
  ready: { directory: true, controlPlane: true, ledger: true, clock: true, policy: true, sync: true, backup: true },
  ledger: {
    grants: { pending: 1, active: 2, ending: 3 },
    overdueMs: 4_000,
    ownershipUnknown: 0,
    openJobs: 5,
    outbox: 6,
    outboxAgeMs: 7_000,
    space: 'ok',
  },
  isDirectoryUp: true,
  link: 'connected',
  linkSkewMs: -250,
  pursued: 8,
  failing: 0,
  isPaused: false,
  clock: { now: instant(1_700_000_000_000), aheadMs: 0, trusted: true },
  sync: {
    lastSuccessAt: instant(1_600_000_000_000),
    lastDueAt: null,
    nextRunAt: instant(1_700_000_900_000),
    counts: { users: 10, groups: 11, memberships: 12 },
    held: null,
  },
  backups: { stateMs: 60_000, elsewhereMs: null },
};
