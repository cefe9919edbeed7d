import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Clock, Random } from './access/clock.ts';
import type { FailPoints } from './access/fail-point.ts';
import type { GrantId } from './access/ids.ts';
import { formatInstant } from './access/instant.ts';
import type { Config } from './config/config.ts';
import { toldConfig } from './config/told-config.ts';
import { type BackupTimings, type ConnectorBackups, connectorBackups } from './connector/backups.ts';
import { directoryOptions, readerOptions } from './connector/directory-options.ts';
import { enginePolicy } from './connector/engine-policy.ts';
import { jobKeySteps } from './connector/job-key-step.ts';
import { ledgerHealth } from './connector/ledger-health.ts';
import { operatorDesk } from './connector/operator-desk.ts';
import { pauseSteps } from './connector/pause-step.ts';
import { readStates } from './connector/states.ts';
import { type ConnectorSync, openSync } from './connector/sync.ts';
import type { Directory } from './directory/directory.ts';
import { gatheredDirectory } from './directory/gathered-directory.ts';
import { type AcceptedBind, acceptedBind, directoryGate, openLdapDirectory } from './directory/ldap/open-ldap-directory.ts';
import { openLdapReader } from './directory/ldap/reader/open-ldap-reader.ts';
import { observedDirectory } from './directory/observed-directory.ts';
import { createEngine, type Engine } from './engine/engine.ts';
import { DEFAULT_TIMINGS, type EngineTimings } from './engine/engine-parts.ts';
import { systemClock } from './engine/system-clock.ts';
import type { ActiveMembership, Ledger, LedgerError } from './ledger/ledger.ts';
import { observedLedger } from './ledger/observed-ledger.ts';
import { checkBackupDirectory } from './ledger/sqlite/check-backup-directory.ts';
import { checkStateDirectory } from './ledger/sqlite/check-state-directory.ts';
import { openSqliteLedger } from './ledger/sqlite/open-sqlite-ledger.ts';
import { linkSteps } from './link/check-control-plane.ts';
import { jobSignatures } from './link/job-signatures.ts';
import type { Link } from './link/link.ts';
import { observedListener } from './link/observed-link.ts';
import { shareLink } from './link/share-link.ts';
import { type LinkBackoff, openWebSocketLink } from './link/websocket-link.ts';
import type { HealthParts } from './observability/health.ts';
import { serveHealth } from './observability/http.ts';
import type { Logger } from './observability/logger.ts';
import { promMetrics } from './observability/prom-metrics.ts';
import { openOperatorSocket } from './operator/operator-socket.ts';
import { keeping } from './secrets/keeping.ts';
import { learning, learningCredentials, learningKey } from './secrets/learning.ts';
import type { Learn } from './secrets/secret-source.ts';

export interface ConnectorOptions {
  readonly config: Config;
  readonly version: string;
  readonly log: Logger;
  /** Told each secret as it is read, so that no line ever shows it. */
  readonly learnSecret: Learn;
  /** What the connector before this one had accepted by the directory: it is used where what is configured is not. */
  readonly acceptedBefore?: AcceptedBind | null;
  /** The rest are parameters for tests; a product run leaves them out. */
  readonly clock?: Clock;
  readonly random?: Random;
  readonly failPoints?: FailPoints;
  readonly timings?: Partial<EngineTimings>;
  readonly linkBackoff?: LinkBackoff;
  readonly backupTimings?: Partial<BackupTimings>;
}

export interface Connector {
  /** Where health is served; null where that is off. */
  readonly healthUrl: string | null;
  /** What the directory has accepted last, for the connector that takes this one's place in the process; it holds a password. */
  acceptedBind(): AcceptedBind | null;
  /** Resolves when nothing can be relied upon any more, so that the process has to end; the next start puts it right. */
  readonly failed: Promise<LedgerError>;
  /** Takes no more jobs, finishes those begun, tells what can be told, closes. True where all of that was done in time. */
  stop(graceMs: number): Promise<boolean>;
}

/** Of a friendly name (CONFIGURATION, Control plane); a connector id may be longer. */
const MAX_NAME_LENGTH = 64;

/** Read of the ledger in one turn. */
const ACTIVE_AT_A_TIME = 500;

const NO_FAIL_POINTS: FailPoints = () => undefined;

/**
 * Opens every part in order and closes them in reverse. Rejects with a `LedgerError` or a `ListenError` where it cannot
 * start; a directory or a control plane that is away is no reason.
 */
export async function openConnector(options: ConnectorOptions): Promise<Connector> {
  const { config, version, clock = systemClock, random = Math.random, failPoints = NO_FAIL_POINTS } = options;
  const startedAt = clock.wall();
  const instanceId = randomUUID();
  const metrics = promMetrics({ version, node: process.version });
  const damage = Promise.withResolvers<LedgerError>();
  const unobserved = await openSqliteLedger({
    stateDir: config.process.stateDir,
    connectorId: config.controlPlane.connectorId,
    defaultConnectorId: defaultConnectorId(),
    now: () => clock.wall(),
    logger: options.log,
    onCommit: metrics.ledgerCommitted,
    backupDir: config.process.backupDir,
    onDamage: damage.resolve,
  });
  const ledger = observedLedger(unobserved, metrics);
  await using opened = new AsyncDisposableStack();
  opened.defer(() => ledger.close());
  opened.defer(() => metrics.close());
  const { connectorId, ledgerId, replacedAt } = await ledger.identity();
  const log = options.log.child({ connectorId, instanceId });

  const backups = connectorBackups({ ledger: unobserved, clock, log, timings: options.backupTimings });
  opened.defer(() => backups.stop());

  const ldap = { ...directoryOptions({ ...options, clock, random, failPoints, log, ledger }), metrics };
  // One account: a password that one of the two was refused with is not tried by the other.
  const { acceptedBefore = null } = options;
  const kept = acceptedBefore?.credential.simple?.password;
  if (kept !== undefined) options.learnSecret({ reveal: () => kept }, 'LDAP_BIND_PASSWORD, accepted before');
  const gate = directoryGate(ldap, acceptedBefore);
  const directory = openLdapDirectory({ ...ldap, gate });
  opened.defer(() => directory.close());
  const sync = openSync({
    config,
    connectorId,
    ledger,
    reader: openLdapReader({ ...readerOptions(config, ldap), gate }),
    streams: () => shared.streams,
    tell: (event) => engine.tell(event),
    suspect: (grantIds) => engine.suspect(grantIds),
    recheckProtected: () => engine.recheckProtected(),
    others: { groups: () => engine.exclusive.groups(), found: (others) => engine.exclusive.found(others) },
    rules: () => engine.protection,
    clock,
    random,
    log,
  });
  opened.defer(() => sync.stop());
  const engine = await createEngine({
    ledger,
    directory: observedDirectory(gatheredDirectory({ directory, failPoints }), metrics),
    clock,
    random,
    log,
    failPoints,
    policy: enginePolicy(config),
    timings: { ...DEFAULT_TIMINGS, ...options.timings },
    placeholder: config.directory.placeholderMember,
    sync: sync.engine,
    localChecks: async () => [
      await checkStateDirectory(config.process.stateDir),
      ...jobKeySteps(config.controlPlane.jobKeys),
      ...(await checkBackupDirectory(config.process)),
      ...pauseSteps(engine.status().pausedSince),
      ...linkSteps(link.status()),
      ...sync.steps(),
    ],
    configuration: toldConfig(config),
    identity: {
      name: (config.controlPlane.name ?? connectorId).slice(0, MAX_NAME_LENGTH),
      instanceId,
      version,
      startedAt,
      capabilities: config.controlPlane.jobKeys === null ? [] : ['signed-jobs'],
    },
  });
  const shared = shareLink(engine.listener);
  const { proxy, jobKeys } = config.controlPlane;
  const link = openWebSocketLink({
    url: config.controlPlane.url,
    token: learning(
      keeping(config.controlPlane.token, (why) =>
        log.warn({ event: 'link.token-kept' }, `the token cannot be read, so the last one that could be is used: ${why}`),
      ),
      { learn: options.learnSecret, kind: 'LATCHKEY_CONTROL_PLANE_TOKEN' },
    ),
    ca: config.controlPlane.ca?.pem ?? null,
    pins: config.controlPlane.pins,
    clientCertificate: learningKey(config.controlPlane.clientCertificate, {
      learn: options.learnSecret,
      kind: 'LATCHKEY_CONTROL_PLANE_KEY_FILE',
    }),
    proxy:
      proxy === null
        ? null
        : { ...proxy, credentials: learningCredentials(proxy.credentials, { learn: options.learnSecret, kind: 'HTTPS_PROXY' }) },
    clock,
    random,
    logger: log,
    failPoints,
    metrics,
    verifyJob: jobKeys === null ? null : jobSignatures({ keys: jobKeys.keys, connectorId, now: () => engine.status().clock.now }),
    ...(options.linkBackoff === undefined ? {} : { backoff: options.linkBackoff }),
  });
  opened.defer(() => link.stop());
  const { http } = config.process;
  const parts = { ledger, directory, link, engine, sync, backups };
  const served = {
    health: () => health(parts),
    metrics: async () => metrics.expose(await readStates({ ...parts, health: () => health(parts) })),
  };
  const endpoint = http === null ? null : await serveHealth({ ...http, ...served, logger: log });
  if (endpoint !== null) opened.defer(() => endpoint.close());

  const operator = await openOperatorSocket({
    stateDir: config.process.stateDir,
    perform: operatorDesk({ engine, sync, health: () => health(parts) }),
    logger: log,
  });
  opened.defer(() => operator.close());

  log.info(
    {
      event: 'connector.started',
      version,
      ledgerId,
      stateDir: config.process.stateDir,
      healthUrl: endpoint?.url ?? null,
      startedAt: formatInstant(startedAt),
    },
    'the connector has started',
  );
  const { file } = config.policy;
  if (file !== null)
    log.info(
      { event: 'policy.loaded', path: file.path, sha256: file.sha256, groups: file.rules.groups.length },
      'the rules of the policy file hold',
    );
  directory.start();
  await engine.start();
  sync.start();
  // What a restored ledger believes may have ended since: what is absent is told now, and not with the next sync.
  if (replacedAt !== null && replacedAt >= startedAt) await suspectAll(ledger, engine);
  backups.start();
  const listener = observedListener(shared.listener, metrics);
  link.start({
    ...listener,
    async welcomed(welcome, connection) {
      const answer = await listener.welcomed(welcome, connection);
      if (answer === 'accepted') sync.linked();
      return answer;
    },
  });

  const closing = opened.move();
  return {
    healthUrl: endpoint?.url ?? null,
    acceptedBind: () => acceptedBind(gate, ldap),
    failed: damage.promise,
    async stop(graceMs) {
      log.info({ event: 'connector.stopping', graceMs }, 'the connector stops: it takes no more jobs and finishes those begun');
      const deadline = AbortSignal.timeout(graceMs);
      link.stopReading();
      // First the engine, which leaves the jobs of the runs that are ended here open: they run again at the next start.
      const draining = engine.stop(deadline);
      await sync.stop();
      const drained = await draining;
      await closing.disposeAsync();
      log.info(
        { event: 'connector.stopped', drained },
        drained ? 'everything that was begun is done' : 'not everything that was begun was done in time; the ledger has it',
      );
      return drained;
    },
  };
}

async function suspectAll(ledger: Ledger, engine: Engine): Promise<void> {
  let after: GrantId | null = null;
  // Ends: each page begins after the one before it.
  for (;;) {
    const page: readonly ActiveMembership[] = await ledger.activeMemberships({ after, limit: ACTIVE_AT_A_TIME });
    const last = page.at(-1);
    if (last === undefined) return;
    engine.suspect(page.map(({ grantId }) => grantId));
    after = last.grantId;
  }
}

/** The host name, made fit for a connector id. */
function defaultConnectorId(): string {
  const name = hostname()
    .replace(/[^A-Za-z0-9._:-]/g, '-')
    .slice(0, 128);
  return name === '' ? 'connector' : name;
}

async function health({
  ledger,
  directory,
  link,
  engine,
  sync,
  backups,
}: {
  ledger: Ledger;
  directory: Directory;
  link: Link;
  engine: Engine;
  sync: ConnectorSync;
  backups: ConnectorBackups;
}): Promise<HealthParts> {
  const directoryStatus = directory.status();
  const linkStatus = link.status();
  const { clock, pausedSince, protectedGroupsMissing, ruleGroupsMissing, pursued, failing } = engine.status();
  return {
    directory:
      directoryStatus.state === 'up'
        ? { ready: true, ...directoryStatus.view }
        : {
            ready: false,
            fault: directoryStatus.error.fault,
            message: directoryStatus.error.message,
            nextAttemptAt: formatInstant(directoryStatus.nextAttemptAt),
          },
    controlPlane: {
      ready: linkStatus.state === 'connected',
      state: linkStatus.state,
      since: formatInstant(linkStatus.since),
      ...(linkStatus.state === 'waiting'
        ? { reason: linkStatus.reason, nextAttemptAt: formatInstant(linkStatus.nextAttemptAt) }
        : {}),
    },
    ledger: { ...(await ledgerHealth(ledger, failing)), pursued },
    clock: { ready: clock.trusted, aheadMs: clock.aheadMs },
    policy: {
      ready: (protectedGroupsMissing ?? []).length + (ruleGroupsMissing ?? []).length === 0,
      protectedGroupsMissing: protectedGroupsMissing ?? [],
      ...((ruleGroupsMissing ?? []).length === 0 ? {} : { ruleGroupsMissing }),
      // What a person has decided is no fault: it is shown, and the connector is ready for all that it shall do.
      pausedSince: pausedSince === null ? null : formatInstant(pausedSince),
    },
    sync: sync.health(),
    backup: backups.health(),
  };
}
