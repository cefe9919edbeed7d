import type { Clock } from '../../src/access/clock.ts';
import type { Dn } from '../../src/access/dn.ts';
import type { FailPoint } from '../../src/access/fail-point.ts';
import type { Grant } from '../../src/access/grant.ts';
import { NO_RULES, type PolicyRules } from '../../src/access/group-rules.ts';
import type { GrantId } from '../../src/access/ids.ts';
import { formatInstant, type Instant, later } from '../../src/access/instant.ts';
import type { Directory } from '../../src/directory/directory.ts';
import { gatheredDirectory } from '../../src/directory/gathered-directory.ts';
import { LOOK_BACK_MS } from '../../src/engine/after-failover.ts';
import { createEngine, type Engine, type EngineOptions } from '../../src/engine/engine.ts';
import type { EngineSync } from '../../src/engine/sync-request.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { readFrameFromControlPlane, type WireFrameFromConnector } from '../../src/protocol/frames.ts';
import { capturedLog } from './captured-log.ts';
import { type FakeClock, fakeClock } from './fake-clock.ts';
import { type FakeDirectory, fakeDirectory } from './fake-directory.ts';
import type { Personality } from './fake-servers.ts';
import { type MemoryLedger, memoryLedger } from './memory-ledger.ts';

export type WireEvent = Extract<WireFrameFromConnector, { type: 'event' }>['event'];

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

export interface EngineUnderTestOptions {
  readonly maxGrantMs?: number;
  readonly maxPendingMs?: number;
  readonly maxGrantsPerMinute?: number;
  readonly rules?: Partial<PolicyRules>;
  readonly drift?: 'report' | 'restore';
  readonly protectedGroups?: readonly string[];
  readonly unprotectedGroups?: readonly string[];
  readonly referentialIntegrity?: boolean;
  readonly demandsMember?: boolean;
  readonly acknowledges?: boolean;
  readonly goneConfirmMs?: number;
  readonly personality?: Personality;
  readonly sync?: EngineSync;
  /** Stands between the engine and its ports, in each life anew. */
  readonly watch?: Watch;
}

/** Sees what the engine asks of its ports, and may refuse it. */
export interface Watch {
  ledger(ledger: Ledger): Ledger;
  directory(directory: Directory): Directory;
}

/** What a job of a test says; the rest has defaults. */
export interface JobWords {
  readonly jobId?: string;
  readonly grantId?: string;
  readonly user?: string | Readonly<Record<string, string>>;
  readonly group?: string | Readonly<Record<string, string>>;
  readonly seconds?: number;
  readonly expiresAt?: Instant;
  readonly notAfter?: Instant;
  readonly issuedAt?: Instant;
  readonly requestedBy?: string;
}

/** Lets everything that can go on without time, disk or network go on: the fakes only ever wait for promises. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What is asked for together on fakes is asked within a few microtasks; `settled` waits for all of them. */
async function microtasks(): Promise<void> {
  for (let left = 10; left > 0; left -= 1) await Promise.resolve();
}

/** The engine on fakes, a control plane that hears everything, and what is needed to kill it and to start it again. */
export type EngineUnderTest = Awaited<ReturnType<typeof engineUnderTest>>;

export async function engineUnderTest(options: EngineUnderTestOptions = {}) {
  const clock = fakeClock();
  const log = capturedLog();
  let onPoint: (point: FailPoint) => void = () => undefined;
  const failPoints = (point: FailPoint): void => onPoint(point);
  const { referentialIntegrity, demandsMember, personality, watch } = options;
  const fake = fakeDirectory({
    failPoints,
    ...(personality === undefined ? {} : { personality }),
    ...(referentialIntegrity === undefined ? {} : { referentialIntegrity }),
    ...(demandsMember === undefined ? {} : { demandsMember }),
  });
  const told: WireEvent[] = [];
  const frames: WireFrameFromConnector[] = [];
  const seen = new Set<string>();
  let ledger: MemoryLedger = memoryLedger({ now: () => clock.wall() });
  let checked: Promise<void> = Promise.resolve();
  const means: LifeMeans = {
    clock,
    fake,
    checked: () => checked,
    // As the adapter does on each new session: before anything is asked there.
    keepServer: () =>
      void ledger.keepServer({ server: fake.server(), at: clock.wall(), lookBackMs: LOOK_BACK_MS }).catch(() => undefined),
  };
  let life = newLife(means);
  let engine: Engine = await create();
  let connection: AbortController | null = null;
  let acknowledges = options.acknowledges ?? true;
  /** What the control plane has stored, by the id of the ledger that told it. */
  const acked = new Map<string, number>();
  let jobs = 0;

  function create({ endsOnly = false }: { endsOnly?: boolean } = {}): Promise<Engine> {
    const directory = gatheredDirectory({ directory: life.directory, failPoints, turn: microtasks });
    const parts: EngineOptions = {
      ledger: watch?.ledger(ledger) ?? ledger,
      directory: watch?.directory(directory) ?? directory,
      clock: life.clock,
      random: () => 0.5,
      log: log.logger,
      failPoints,
      policy: {
        maxGrantMs: options.maxGrantMs ?? 400 * DAY_MS,
        maxGrantsPerMinute: options.maxGrantsPerMinute ?? 1_000_000,
        rules: { ...NO_RULES, ...options.rules },
        maxPendingMs: options.maxPendingMs ?? 15 * MINUTE_MS,
        retentionMs: 90 * DAY_MS,
        drift: options.drift ?? 'report',
        protectedGroups: options.protectedGroups ?? [],
        unprotectedGroups: options.unprotectedGroups ?? [],
      },
      timings: { goneConfirmMs: options.goneConfirmMs ?? MINUTE_MS, lateWriteMs: 5000 },
      placeholder: 'cn=placeholder,dc=example,dc=test',
      ...(options.sync === undefined ? {} : { sync: options.sync }),
      endsOnly,
      identity: { name: 'test', instanceId: 'i-1', version: '0', startedAt: clock.wall() },
    };
    return createEngine(parts);
  }

  /** Opens a connection and welcomes it, as a control plane that remembers what it stored. */
  async function connect(): Promise<'accepted' | 'replaced'> {
    const lost = new AbortController();
    const of = engine;
    const { ledgerId: greeted } = await of.listener.hello();
    const ackedSeq = acked.get(greeted);
    const accepted = await of.listener.welcomed(
      {
        type: 'welcome',
        sessionId: 's',
        time: clock.wall(),
        heartbeatSeconds: 15,
        ...(ackedSeq === undefined ? {} : { ackedSeq }),
      },
      {
        send(frame) {
          if (lost.signal.aborted) return false;
          frames.push(frame);
          if (frame.type === 'event') {
            const { ledgerId } = ledger.peek();
            const key = `${ledgerId}/${frame.seq}`;
            if (!seen.has(key)) told.push(frame.event);
            seen.add(key);
            if (acknowledges) {
              acked.set(ledgerId, Math.max(acked.get(ledgerId) ?? 0, frame.seq));
              queueMicrotask(() => void of.listener.acknowledged(frame.seq).catch(() => undefined));
            }
          }
          return true;
        },
        sendText: () => Promise.resolve(!lost.signal.aborted),
        flushed: () => Promise.resolve(),
        signal: lost.signal,
      },
    );
    connection = lost;
    await settled();
    return accepted;
  }

  function disconnect(): void {
    if (connection === null) return;
    connection.abort('lost');
    connection = null;
    engine.listener.lost();
  }

  /** A power cut: nothing of this life goes on, and what was not durable is lost. */
  function crash(): void {
    life.end();
    connection?.abort('crashed');
    connection = null;
    ledger = ledger.crashAndReopen();
  }

  async function start({ link = true, endsOnly = false }: { link?: boolean; endsOnly?: boolean } = {}): Promise<void> {
    life = newLife(means);
    engine = await create({ endsOnly });
    await engine.start();
    life.arrive();
    if (link) await connect();
    await settled();
  }

  /** Dies when that place is passed. */
  function crashAt(point: FailPoint): void {
    onPoint = (passed) => {
      if (passed !== point || !life.isAlive()) return;
      onPoint = () => undefined;
      crash();
      throw new Error(`died at ${point}`);
    };
  }

  /** Lets time pass, timer by timer, with everything settled in between. */
  async function pass(ms: number): Promise<void> {
    await settled();
    let left = ms;
    while (left > 0) {
      const step = Math.min(left, Math.max(1, clock.untilNextMs() ?? left));
      clock.advance(step);
      left -= step;
      await settled();
    }
  }

  async function submit(raw: Readonly<Record<string, unknown>>): Promise<string> {
    const read = readFrameFromControlPlane(JSON.stringify({ type: 'job', job: raw }));
    if (!read.ok || read.frame.type !== 'job') throw new Error('the test wrote an illegible job');
    await engine.listener.job(read.frame.received);
    await settled();
    return read.frame.received.jobId;
  }

  function common({ jobId, issuedAt }: JobWords) {
    jobs += 1;
    return { jobId: jobId ?? `j${jobs}`, issuedAt: formatInstant(issuedAt ?? clock.wall()) };
  }

  const ref = (words: string | Readonly<Record<string, string>>, by: string) =>
    typeof words === 'string' ? { [by]: words } : words;

  const rig = {
    clock,
    log,
    fake,
    told,
    frames,
    connect,
    disconnect,
    crash,
    crashAt,
    start,
    pass,
    submit,
    get ledger() {
      return ledger;
    },
    get engine() {
      return engine;
    },
    now: () => clock.wall(),
    in: (ms: number): Instant => later(clock.wall(), ms),
    acknowledge(yes: boolean) {
      acknowledges = yes;
    },
    isConnected: () => connection !== null,
    hasCrashed: () => !life.isAlive(),
    /** Takes back every `crashAt`. */
    neverCrash() {
      onPoint = () => undefined;
    },
    /** Until the returned function is called, no preflight check comes to its end. */
    holdChecks(): () => void {
      const going = Promise.withResolvers<void>();
      checked = going.promise;
      return going.resolve;
    },
    knows(seq: number | undefined) {
      const { ledgerId } = ledger.peek();
      if (seq === undefined) acked.delete(ledgerId);
      else acked.set(ledgerId, seq);
    },
    /** A copy of the ledger as it is now, for `restore`. */
    backup: (): MemoryLedger => ledger.reopen(),
    /** The power is cut, and the next start finds the copy. */
    restore(copy: MemoryLedger) {
      crash();
      ledger = copy.reopen();
    },
    async restart() {
      crash();
      await start();
    },
    addUser(name: string): Dn {
      const dn = userDn(name);
      fake.tree.add({ kind: 'user', dn, uids: [name], mails: [`${name}@example.test`] });
      return dn;
    },
    addGroup(name: string, values: readonly string[] = [userDn('keeper')]): Dn {
      const dn = groupDn(name);
      fake.tree.add({ kind: 'group', dn, name, attribute: 'member', values });
      return dn;
    },
    /** Submits a grant job; resolves with its id when it is stored and everything has settled. */
    grant: (words: JobWords = {}): Promise<string> =>
      submit({
        ...common(words),
        kind: 'grant',
        grantId: words.grantId ?? 'g1',
        user: ref(words.user ?? 'ada', 'username'),
        group: ref(words.group ?? 'admins', 'name'),
        ...(words.expiresAt === undefined
          ? { durationSeconds: words.seconds ?? 3600 }
          : { expiresAt: formatInstant(words.expiresAt) }),
        ...(words.notAfter === undefined ? {} : { notAfter: formatInstant(words.notAfter) }),
        ...(words.requestedBy === undefined ? {} : { requestedBy: words.requestedBy }),
      }),
    revoke: (words: JobWords = {}): Promise<string> =>
      submit({ ...common(words), kind: 'revoke', grantId: words.grantId ?? 'g1' }),
    ask: (kind: 'check' | 'list', words: JobWords = {}): Promise<string> => submit({ ...common(words), kind }),
    isMember: (user: Dn, group: Dn): boolean =>
      fake.tree.presenceCounts(group, { attribute: 'member', value: user }).matching === 1,
    async grantOf(grantId = 'g1'): Promise<Grant | null> {
      return (await ledger.known(grantId as GrantId)).grant;
    },
    async stateOf(grantId = 'g1') {
      return (await rig.grantOf(grantId))?.state ?? null;
    },
    /** What a job came to, as it was told: an outcome, an error code, or null while open. */
    outcomeOf(jobId: string): string | null {
      const results = told.flatMap((event) => {
        if (event.kind === 'job.succeeded' && event.jobId === jobId && event.repeat === undefined) return [event.outcome];
        if (event.kind === 'job.failed' && event.jobId === jobId && event.repeat === undefined) return [event.error.code];
        return [];
      });
      if (results.length > 1) throw new Error(`job ${jobId} has the outcomes ${results.join(', ')}`);
      return results[0] ?? null;
    },
    kinds: () => told.map(({ kind }) => kind),
    of: <K extends WireEvent['kind']>(kind: K) =>
      told.filter((event): event is Extract<WireEvent, { kind: K }> => event.kind === kind),
  };
  return rig;
}

/** An engine that has started on a directory with one user, `ada`, and one group, `admins`. */
export async function startedEngine(options: EngineUnderTestOptions = {}) {
  const rig = await engineUnderTest(options);
  const ada = rig.addUser('ada');
  const admins = rig.addGroup('admins');
  rig.fake.goUp();
  await rig.start();
  return { rig, ada, admins };
}

export const userDn = (name: string): Dn => `uid=${name},ou=people,dc=example,dc=test` as Dn;
export const groupDn = (name: string): Dn => `cn=${name},ou=groups,dc=example,dc=test` as Dn;

interface LifeMeans {
  readonly clock: FakeClock;
  readonly fake: FakeDirectory;
  readonly checked: () => Promise<void>;
  readonly keepServer: () => void;
}

/** The clock and the directory of one process: when it dies, its timers fire no more and its calls come to nothing. */
function newLife({ clock, fake, checked, keepServer }: LifeMeans) {
  const { directory } = fake;
  const onFailover: (() => void)[] = [];
  let server: string | null = null;
  let alive = true;
  const never = new Promise<never>(() => undefined);
  const living = <T>(work: () => Promise<T>): Promise<T> =>
    alive
      ? work().then(
          (value) => (alive ? value : never),
          (error: unknown) => (alive ? Promise.reject(error as Error) : never),
        )
      : never;
  const ownClock: Clock = {
    wall: clock.wall,
    monotonicMs: clock.monotonicMs,
    timer: (delayMs, fire) => (alive ? clock.timer(delayMs, () => (alive ? fire() : undefined)) : () => undefined),
  };
  const own: Directory = {
    start: () => directory.start(),
    status: () => directory.status(),
    onChange: (listener) =>
      directory.onChange((status) => {
        if (!alive) return;
        const isNew = status.state === 'up' && isNewServer();
        listener(status);
        if (isNew) tellServer();
      }),
    onFailover: (listener) => void onFailover.push(listener),
    findUser: (ref, entry, signal) => living(() => directory.findUser(ref, entry, signal)),
    findGroup: (ref, entry, signal) => living(() => directory.findGroup(ref, entry, signal)),
    locateUser: (id, signal) => living(() => directory.locateUser(id, signal)),
    locateUsers: (ids, signal) => living(() => directory.locateUsers(ids, signal)),
    locateGroup: (id, signal) => living(() => directory.locateGroup(id, signal)),
    occupant: (attribute, value, signal) => living(() => directory.occupant(attribute, value, signal)),
    groupsNamed: (nameOrDn, signal) => living(() => directory.groupsNamed(nameOrDn, signal)),
    protectorOf: (asked, signal) => living(() => directory.protectorOf(asked, signal)),
    probe: (values, signal) => living(() => directory.probe(values, signal)),
    change: (change, probe) => living(() => directory.change(change, probe)),
    sightGone: (missing, signal) => living(() => directory.sightGone(missing, signal)),
    check: (signal) => living(() => checked().then(() => directory.check(signal))),
    close: () => directory.close(),
  };
  /** Writes down which server there is, and returns whether this life has to be told. */
  function isNewServer(): boolean {
    if (server === fake.server()) return false;
    server = fake.server();
    keepServer();
    return true;
  }
  function tellServer(): void {
    for (const listener of onFailover) listener();
  }
  const arrive = (): void => {
    if (alive && directory.status().state === 'up' && isNewServer()) tellServer();
  };
  directory.onFailover(arrive);
  return {
    clock: ownClock,
    directory: own,
    arrive,
    isAlive: () => alive,
    end() {
      alive = false;
    },
  };
}
