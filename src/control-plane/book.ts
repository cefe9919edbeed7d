import type { WireEvent } from '../protocol/event-frame.ts';
import type { FrameFromConnector } from '../protocol/frames.ts';

/** An event as it is kept: as the connector wrote it, with our own index. */
export interface StoredEvent {
  readonly index: number;
  readonly connectorId: string;
  readonly ledgerId: string;
  readonly seq: number;
  readonly at: string;
  readonly event: WireEvent;
  readonly storedAt: string;
}

/** A job as it was asked for; `job` is sent exactly as it is kept, valid or not. */
export interface StoredJob {
  readonly connectorId: string;
  readonly job: Readonly<Record<string, unknown>>;
  readonly createdAt: string;
  receivedAt: string | null;
  /** The `error` frame that answered it; it is not sent again. */
  refused: { readonly code: string; readonly message: string } | null;
}

/** A connector, known since its token was first used. */
export interface KnownConnector {
  readonly connectorId: string;
  readonly tokenHash: string;
  hello: Readonly<Record<string, unknown>>;
  ledgerId: string;
  name: string | null;
  connectedAt: string;
  lastSeenAt: string;
}

export interface Violation {
  readonly at: string;
  readonly connectorId: string | null;
  readonly rule: string;
  readonly detail: string;
}

/** The state file's contents. */
interface Kept {
  readonly version: 1;
  readonly nextIndex: number;
  readonly connectors: readonly KnownConnector[];
  readonly acked: Readonly<Record<string, number>>;
  readonly jobs: readonly StoredJob[];
  readonly events: readonly StoredEvent[];
  readonly violations: readonly Violation[];
}

/** Oldest dropped beyond these: a stub is started over, not pruned. */
const MAX_EVENTS = 100_000;
const MAX_VIOLATIONS = 1_000;

/** What the stub remembers, in memory; whoever changes it asks the state file to save before telling anyone. */
export type Book = ReturnType<typeof openBook>;

/** Opens the book from the text of a state file, or an empty one. Throws where the text is not a book. */
export function openBook(text: string | undefined) {
  const kept = text === undefined ? emptyBook() : parseBook(text);
  const connectors = new Map(kept.connectors.map((connector) => [connector.connectorId, connector]));
  const acked = new Map(Object.entries(kept.acked));
  const events = [...kept.events];
  const jobs: StoredJob[] = [];
  const violations = [...kept.violations];
  const jobsById = new Map<string, StoredJob[]>();
  const jobsByGrant = new Map<string, StoredJob[]>();
  const unreceived = new Map<string, Set<StoredJob>>();
  const eventsBySeq = new Map<string, StoredEvent>();
  const eventsByJob = new Map<string, StoredEvent[]>();
  const eventsByGrant = new Map<string, StoredEvent[]>();
  const lastByKind = new Map<string, StoredEvent>();
  const touchedAt = new Map<string, number>();
  let nextIndex = kept.nextIndex;
  let revision = 0;

  for (const job of kept.jobs) indexJob(job);
  for (const event of events) indexEvent(event);

  function indexJob(job: StoredJob): void {
    jobs.push(job);
    append(jobsById, job.job['jobId'], job);
    append(jobsByGrant, job.job['grantId'], job);
    if (job.receivedAt === null && job.refused === null) expectReceipt(job);
  }

  function expectReceipt(job: StoredJob): void {
    const waiting = unreceived.get(job.connectorId) ?? new Set();
    unreceived.set(job.connectorId, waiting.add(job));
  }

  /** An older ledger does not know what was received since: what has no result yet is sent again. */
  function sendAgainWhatWasLost(connectorId: string): void {
    for (const job of jobs) {
      if (job.connectorId !== connectorId || job.receivedAt === null || job.refused !== null) continue;
      if ((eventsByJob.get(String(job.job['jobId'])) ?? []).some(({ event }) => isResult(event))) continue;
      job.receivedAt = null;
      expectReceipt(job);
      touch([job]);
    }
  }

  function indexEvent(stored: StoredEvent): void {
    const { event } = stored;
    lastByKind.set(`${event.kind} ${stored.connectorId}`, stored);
    eventsBySeq.set(`${stored.ledgerId}/${stored.seq}`, stored);
    append(eventsByJob, 'jobId' in event ? event.jobId : undefined, stored);
    append(eventsByGrant, 'grant' in event ? event.grant?.grantId : undefined, stored);
  }

  function jobsAbout({ event }: StoredEvent): readonly StoredJob[] {
    const ofJob = 'jobId' in event ? (jobsById.get(event.jobId) ?? []) : [];
    const ofGrant = 'grant' in event ? (jobsByGrant.get(event.grant?.grantId ?? '') ?? []) : [];
    return [...ofJob, ...ofGrant];
  }

  /** A change, of something about these jobs. */
  function touch(changed: readonly StoredJob[]): void {
    revision += 1;
    for (const { job } of changed) if (typeof job['grantId'] === 'string') touchedAt.set(job['grantId'], revision);
  }

  function settle(job: StoredJob): void {
    touch([job]);
    unreceived.get(job.connectorId)?.delete(job);
  }

  return {
    connectors: () => [...connectors.values()],
    connector: (connectorId: string) => connectors.get(connectorId),
    /** The connectorId that a token was first used with. */
    boundTo: (tokenHash: string) => [...connectors.values()].find((known) => known.tokenHash === tokenHash)?.connectorId,
    greet(
      hello: Extract<FrameFromConnector, { type: 'hello' }>,
      raw: Record<string, unknown>,
      at: string,
      tokenHash: string,
    ): KnownConnector {
      const { connectorId, ledgerId, name = null } = hello;
      const known = { connectorId, tokenHash, hello: raw, ledgerId, name, connectedAt: at, lastSeenAt: at };
      connectors.set(connectorId, known);
      revision += 1;
      return known;
    },
    ackedSeq: (ledgerId: string) => acked.get(ledgerId),

    addJob(job: StoredJob): void {
      indexJob(job);
      touch([job]);
    },
    jobs: () => jobs,
    jobsById: (jobId: string) => jobsById.get(jobId) ?? [],
    jobsByGrant: (grantId: string) => jobsByGrant.get(grantId) ?? [],
    grantIds: () => [...jobsByGrant.keys()],
    /** The grants of which a job or an event was added or changed after this revision. */
    grantsTouchedSince: (since: number) => [...touchedAt].flatMap(([grantId, at]) => (at > since ? [grantId] : [])),
    unreceived: (connectorId: string): Iterable<StoredJob> => unreceived.get(connectorId) ?? [],
    received(job: StoredJob, at: string): void {
      job.receivedAt ??= at;
      settle(job);
    },
    refuse(job: StoredJob, refused: { code: string; message: string }): void {
      job.refused = refused;
      settle(job);
    },

    addEvent(event: Omit<StoredEvent, 'index'>): StoredEvent {
      const stored = { index: nextIndex, ...event };
      nextIndex += 1;
      events.push(stored);
      indexEvent(stored);
      touch(jobsAbout(stored));
      if (stored.event.kind === 'ledger.replaced') sendAgainWhatWasLost(stored.connectorId);
      acked.set(stored.ledgerId, Math.max(stored.seq, acked.get(stored.ledgerId) ?? 0));
      if (events.length > MAX_EVENTS) events.shift();
      return stored;
    },
    /** The last ones, the oldest first. */
    lastEvents: (limit: number): readonly StoredEvent[] => events.slice(-limit),
    lastOfConnector: (connectorId: string, kind: WireEvent['kind']) => lastByKind.get(`${kind} ${connectorId}`),
    event: (ledgerId: string, seq: number) => eventsBySeq.get(`${ledgerId}/${seq}`),
    eventsOfJob: (jobId: string) => eventsByJob.get(jobId) ?? [],
    eventsOfGrant: (grantId: string) => eventsByGrant.get(grantId) ?? [],
    eventsAfter(index: number, limit: number): readonly StoredEvent[] {
      // Indexes have no gaps, so the place follows from the first one kept.
      const from = Math.max(index + 1 - (events[0]?.index ?? nextIndex), 0);
      return events.slice(from, from + limit);
    },

    violations: () => violations,
    addViolation(violation: Violation): void {
      violations.push(violation);
      revision += 1;
      if (violations.length > MAX_VIOLATIONS) violations.shift();
    },

    /** Grows with every change but `lastSeenAt`, which is not worth a write. */
    revision: () => revision,
    /** The state file's text. */
    text: (): string => {
      const state: Kept = {
        version: 1,
        nextIndex,
        connectors: [...connectors.values()],
        acked: Object.fromEntries(acked),
        jobs,
        events,
        violations,
      };
      return `${JSON.stringify(state)}\n`;
    },
  };
}

function isResult({ kind }: WireEvent): boolean {
  return kind === 'job.succeeded' || kind === 'job.failed';
}

function append<T>(index: Map<string, T[]>, key: unknown, value: T): void {
  if (typeof key !== 'string') return;
  const found = index.get(key);
  if (found === undefined) index.set(key, [value]);
  else found.push(value);
}

function emptyBook(): Kept {
  return { version: 1, nextIndex: 1, connectors: [], acked: {}, jobs: [], events: [], violations: [] };
}

/** Our own file, so its shape is checked just far enough to tell it from another one. */
function parseBook(text: string): Kept {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || !('version' in value) || value.version !== 1) {
    throw new Error('expected the state of a control-plane stub, version 1');
  }
  const { connectors, jobs, events, violations, acked } = value as Partial<Kept>;
  if (![connectors, jobs, events, violations].every(Array.isArray) || typeof acked !== 'object') {
    throw new Error('expected connectors, jobs, events, violations and acked');
  }
  return value as Kept;
}
