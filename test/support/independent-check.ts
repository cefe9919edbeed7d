import assert from 'node:assert/strict';
import { join } from 'node:path';
import { judge } from './independent-judge.ts';
import { type LedgerView, ledgerPulse, readLedger } from './independent-ledger.ts';

// The sceptic's own look. Nothing here comes from `src/`: the directory is read by OpenLDAP's `ldapsearch`, the control
// plane over its HTTP API, the ledger by SQL of our own on a read-only connection.

/** An event as the control plane's API shows it. */
export interface SeenEvent {
  readonly index: number;
  readonly ledgerId: string;
  readonly seq: number;
  readonly event: SeenFacts;
}

/** What may stand in an event; read as plain JSON. */
export interface SeenFacts {
  readonly kind: string;
  readonly jobId?: string;
  readonly outcome?: string;
  readonly repeat?: boolean;
  readonly error?: { readonly code: string };
  readonly grant?: SeenGrant;
  readonly cause?: string;
  readonly membership?: string;
}

export interface SeenGrant {
  readonly grantId: string;
  readonly user: { readonly dn: string } | null;
  readonly group: { readonly dn: string } | null;
  readonly state: string;
  readonly standing: boolean | 'unknown';
  readonly activatedAt: string | null;
  readonly expiresAt: string | null;
  readonly endedAt?: string;
}

/** A job as GET /jobs shows it; `job` is what was posted. */
export interface SeenJob {
  readonly jobId: string;
  readonly job: Readonly<Record<string, unknown>>;
  readonly receivedAt: string | null;
  readonly state: string;
  readonly outcome?: string;
}

/** A grant as GET /grants shows it. */
export interface SeenGrantView {
  readonly grantId: string;
  readonly grant: SeenGrant | null;
  readonly ended: { readonly cause: string; readonly membership: string } | null;
}

/** A group as `ldapsearch` shows it; names and values in lower case, but for `memberUid`. */
export interface SeenGroup {
  readonly attribute: string;
  /** Its schema demands one member at least. */
  readonly demandsMember: boolean;
  readonly values: readonly string[];
}

/** Everything that can be known from outside, at one moment of rest. */
export interface Snapshot {
  readonly groups: ReadonlyMap<string, SeenGroup>;
  /** The `uid` of every person by DN in lower case. */
  readonly uids: ReadonlyMap<string, string>;
  readonly events: readonly SeenEvent[];
  readonly jobs: readonly SeenJob[];
  readonly grants: readonly SeenGrantView[];
  readonly violations: readonly unknown[];
  readonly ledger: LedgerView;
}

/** What was posted to the control plane, and with what it may be answered. */
export interface Posted {
  readonly jobId: string;
  readonly job: Readonly<Record<string, unknown>>;
  /** Outcomes and error codes that are right for it, whatever was killed meanwhile. */
  readonly allowed: readonly string[];
  /** How often it was sent again after its outcome had been told: each is answered, marked as a repetition. */
  repeats: number;
}

/** What the checker needs of a running system. */
export interface Checked {
  readonly stateDir: string;
  readonly ldap: {
    readonly flavour: string;
    readonly baseDn: string;
    search(options: Search): Promise<readonly LdapEntry[]>;
  };
  api<T>(path: string): Promise<T>;
}

interface Search {
  readonly base: string;
  readonly scope: 'sub';
  readonly filter: string;
  readonly attributes: readonly string[];
}
interface LdapEntry {
  readonly dn: string;
  readonly attributes: ReadonlyMap<string, readonly string[]>;
}

const ATTRIBUTES = {
  groupofnames: 'member',
  groupofuniquenames: 'uniqueMember',
  posixgroup: 'memberUid',
  group: 'member',
} as const;
const PATIENCE_MS = 120_000;
/** What ends so soon is waited for: the reading must not race with an expiry. */
const ENDS_SOON_MS = 1500;

/**
 * Begins to watch a system, while nothing of the connector's is in its directory: what is there now is standing access or
 * was placed by hand, and has to stay.
 */
export async function independentCheck(s: Checked) {
  const ledgerFile = join(s.stateDir, 'ledger.db');
  const initial = await readGroups(s);
  const baseline = new Map([...initial].map(([dn, { values }]) => [dn, new Set(values)]));
  const takenOut = new Set<string>();
  const posted: Posted[] = [];

  return {
    /** The jobs that must be found at the control plane, each with one outcome. A caller adds to it. */
    posted,
    /**
     * Somebody changed a group by hand, or the directory did by itself; from now on that is how it has to stay. Who was in it by
     * a grant, and was removed, is not there to be removed as the grant ends.
     */
    byHand({ group, add, remove }: { group: string; add?: string; remove?: string }): void {
      const dn = group.toLowerCase();
      const values = baseline.get(dn) ?? new Set();
      if (add !== undefined) values.add(add.toLowerCase());
      if (remove !== undefined && !values.delete(remove.toLowerCase())) takenOut.add(`${dn}|${remove.toLowerCase()}`);
      baseline.set(dn, values);
    },
    /** Waits for rest, and returns what is wrong: one line for each thing that is not as it has to be. */
    async findings(): Promise<readonly string[]> {
      return judge({ baseline, takenOut, posted, snapshot: await atRest(s, ledgerFile) });
    },
    /** Waits for rest, and throws with everything that is wrong. `hint` names the seed. */
    async assertAllIsRight(hint = ''): Promise<void> {
      const findings = judge({ baseline, takenOut, posted, snapshot: await atRest(s, ledgerFile) });
      assert.equal(findings.length, 0, `${findings.length} findings ${hint}\n${findings.slice(0, 40).join('\n')}`);
    },
  };
}

export type IndependentCheck = Awaited<ReturnType<typeof independentCheck>>;

/** Reads again until nothing is under way: every job settled and told, nothing due, nothing half done. */
async function atRest(s: Checked, ledgerFile: string): Promise<Snapshot> {
  const deadline = performance.now() + PATIENCE_MS;
  let restless = '';
  while (performance.now() < deadline) {
    const before = ledgerPulse(ledgerFile, Date.now() + ENDS_SOON_MS);
    restless = before.restless ?? '';
    if (restless === '') {
      const snapshot = await read(s, ledgerFile);
      const after = ledgerPulse(ledgerFile, Date.now());
      restless = underWay(snapshot) ?? (after.pulse === before.pulse ? '' : 'the ledger moved while it was read');
      if (restless === '') return snapshot;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`the system did not come to rest within ${PATIENCE_MS} ms: ${restless}`);
}

function underWay({ jobs }: Snapshot): string | null {
  const open = jobs.filter(({ state }) => state === 'queued' || state === 'received' || state === 'delayed');
  return open.length === 0
    ? null
    : `the control plane waits for ${open.map(({ jobId, state }) => `${jobId} (${state})`).join(', ')}`;
}

async function read(s: Checked, ledgerFile: string): Promise<Snapshot> {
  const groups = await readGroups(s);
  const people = await s.ldap.search({ base: s.ldap.baseDn, scope: 'sub', filter: '(uid=*)', attributes: ['uid'] });
  const uids = new Map(people.map(({ dn, attributes }) => [dn.toLowerCase(), attributes.get('uid')?.[0] ?? '']));
  return {
    groups,
    uids,
    events: await readEvents(s),
    jobs: await s.api<SeenJob[]>('/jobs'),
    grants: await s.api<SeenGrantView[]>('/grants'),
    violations: await s.api<unknown[]>('/violations'),
    ledger: readLedger(ledgerFile),
  };
}

async function readEvents(s: Checked): Promise<SeenEvent[]> {
  const all: SeenEvent[] = [];
  for (;;) {
    const page = await s.api<SeenEvent[]>(`/events?after=${all.at(-1)?.index ?? 0}&limit=10000`);
    all.push(...page);
    if (page.length < 10_000) return all;
  }
}

async function readGroups(s: Checked): Promise<Map<string, SeenGroup>> {
  const filter = `(|${Object.keys(ATTRIBUTES)
    .map((name) => `(objectClass=${name})`)
    .join('')})`;
  const attributes = ['objectClass', ...new Set(Object.values(ATTRIBUTES))];
  const entries = await s.ldap.search({ base: s.ldap.baseDn, scope: 'sub', filter, attributes });
  return new Map(entries.map((entry) => [entry.dn.toLowerCase(), seenGroup(entry, s.ldap.flavour)]));
}

function seenGroup({ dn, attributes }: LdapEntry, flavour: string): SeenGroup {
  const classes = (attributes.get('objectclass') ?? []).map((name) => name.toLowerCase());
  const [objectClass, attribute] = Object.entries(ATTRIBUTES).find(([name]) => classes.includes(name)) ?? [];
  if (attribute === undefined) throw new Error(`${dn} is no group that this check knows`);
  const values = attributes.get(attribute.toLowerCase()) ?? [];
  return {
    attribute,
    // RFC 4519 §3.5 and §3.6; the schema of the others lets a group be empty.
    demandsMember: flavour === 'openldap' && objectClass !== 'posixgroup',
    values: attribute === 'memberUid' ? values : values.map((value) => value.toLowerCase()),
  };
}
