import { judgeAudit } from './independent-audit.ts';
import type { Posted, SeenFacts, SeenGroup, Snapshot } from './independent-check.ts';
import type { LedgerView } from './independent-ledger.ts';

/** What stands for one user in one group: the group's DN and the value that names the user in it. */
type Place = string;

/** What the control plane was told of a grant, as far as it was told. */
interface Told {
  readonly state: 'active' | 'ended';
  readonly place: Place;
  readonly expiresAt: string | null;
}

/** The story that the events tell, in order. */
interface Story {
  readonly grants: ReadonlyMap<string, Told>;
  readonly findings: readonly string[];
}

export interface Case {
  /** What has to stay in each group, by DN in lower case: standing access and what was placed by hand. */
  readonly baseline: ReadonlyMap<string, ReadonlySet<string>>;
  /** Whom somebody took out of a group that a grant had put them in. */
  readonly takenOut: ReadonlySet<Place>;
  readonly posted: readonly Posted[];
  readonly snapshot: Snapshot;
}

const HOLDING = ['granted', 'already_standing', 'covered_by_grant'];
const ENDINGS = ['revoked', 'kept_standing', 'kept_by_grant', 'already_absent', 'already_ended'];

/** Everything that is not as events, ledger, directory and the jobs that were posted say that it has to be; pure. */
export function judge(one: Case): string[] {
  const { snapshot } = one;
  const story = tell(one);
  return [
    ...story.findings,
    ...judgeDirectory(one, story),
    ...judgeLedger(snapshot, story),
    ...judgeJobs(one),
    ...judgeAudit(snapshot),
    ...snapshot.violations.map((violation) => `violation: ${JSON.stringify(violation)}`),
  ];
}

/** Plays the events again: who held what, when it was said to have ended, and whether each word fits those before. */
function tell({ baseline, takenOut, snapshot }: Case): Story {
  const findings: string[] = [];
  const grants = new Map<string, Told>();
  const holders = new Map<Place, Set<string>>();
  const removed = new Set<Place>();
  const hazy = silentPlaces(snapshot);
  const isStanding = (place: Place): boolean => {
    const [dn = '', value = ''] = place.split('|');
    return baseline.get(dn)?.has(value) === true;
  };

  function begins(facts: SeenFacts): void {
    const { grant, outcome = '' } = facts;
    if (grant === undefined || grant.state === 'ended') return;
    const place = placeOf(snapshot, grant);
    const known = grants.get(grant.grantId);
    if (known?.state === 'ended') findings.push(`grant ${grant.grantId}: ${outcome} after it had ended`);
    if (known === undefined) {
      const others = holders.get(place)?.size ?? 0;
      const right = isStanding(place) ? 'already_standing' : others > 0 ? 'covered_by_grant' : 'granted';
      if (outcome !== right && !hazy.has(place)) findings.push(`grant ${grant.grantId}: told ${outcome}, but ${right} is right`);
      if (grant.standing !== isStanding(place)) findings.push(`grant ${grant.grantId}: standing ${grant.standing}`);
      if (others === 0) removed.delete(place);
      holders.set(place, (holders.get(place) ?? new Set()).add(grant.grantId));
    }
    grants.set(grant.grantId, { state: 'active', place, expiresAt: grant.expiresAt });
  }

  function ends({ grant, cause, membership = '' }: SeenFacts): void {
    if (grant === undefined) return;
    const place = placeOf(snapshot, grant);
    if (grants.get(grant.grantId)?.state === 'ended') findings.push(`grant ${grant.grantId}: told twice to have ended`);
    grants.set(grant.grantId, { state: 'ended', place, expiresAt: grant.expiresAt });
    const held = holders.get(place);
    held?.delete(grant.grantId);
    if (cause === 'expired' && (grant.endedAt ?? '') < (grant.expiresAt ?? ''))
      findings.push(`grant ${grant.grantId}: expired at ${grant.endedAt}, before its end ${grant.expiresAt}`);
    if (membership === 'removed') removed.add(place);
    if (hazy.has(place)) return;
    const gone = takenOut.has(place) ? 'already_absent' : 'removed';
    const right = (held?.size ?? 0) > 0 ? 'kept_by_grant' : isStanding(place) ? 'kept_standing' : gone;
    if (membership !== right) findings.push(`grant ${grant.grantId}: ended as ${membership}, but ${right} is right`);
  }

  for (const { event } of snapshot.events) {
    if (event.kind === 'grant.ended') ends(event);
    if (event.kind !== 'job.succeeded' || event.repeat === true || event.grant === undefined) continue;
    const { grantId, state, expiresAt } = event.grant;
    if (HOLDING.includes(event.outcome ?? '')) begins(event);
    else if (event.outcome === 'updated' && state === 'active') {
      const known = grants.get(grantId);
      if (known?.state !== 'active') findings.push(`grant ${grantId}: updated, though ${known?.state ?? 'not granted'}`);
      else grants.set(grantId, { ...known, expiresAt });
    } else if (ENDINGS.includes(event.outcome ?? '') && grants.get(grantId)?.state === 'active')
      findings.push(`grant ${grantId}: ${event.outcome}, though nothing has said that it ended`);
  }
  return { grants, findings };
}

/** Places of grants that ended without a word of their beginning (cancelled while they were written): less is known of them. */
function silentPlaces(snapshot: Snapshot): Set<Place> {
  const begun = new Set<string>();
  const silent = new Set<Place>();
  for (const { event } of snapshot.events) {
    if (event.grant === undefined) continue;
    if (event.kind === 'job.succeeded' && HOLDING.includes(event.outcome ?? '')) begun.add(event.grant.grantId);
    if (event.kind === 'grant.ended' && !begun.has(event.grant.grantId)) silent.add(placeOf(snapshot, event.grant));
  }
  return silent;
}

/** In every group exactly whom standing access or an active grant puts there, and the placeholder only where nobody is. */
function judgeDirectory({ baseline, snapshot }: Case, { grants }: Story): string[] {
  const findings: string[] = [];
  const wanted = new Map([...snapshot.groups.keys()].map((dn) => [dn, new Set(baseline.get(dn))]));
  for (const { state, place } of grants.values()) {
    const [dn = '', value = ''] = place.split('|');
    if (state === 'active') wanted.get(dn)?.add(value);
  }
  for (const dn of baseline.keys()) if (!snapshot.groups.has(dn)) findings.push(`${dn} is no longer there`);
  for (const [dn, group] of snapshot.groups) findings.push(...judgeGroup(dn, group, wanted.get(dn) ?? new Set()));
  return findings;
}

function judgeGroup(dn: string, { values, demandsMember }: SeenGroup, wanted: Set<string>): string[] {
  if (wanted.size === 0 && demandsMember) wanted.add('');
  const there = new Set(values);
  const shown = (value: string): string => (value === '' ? 'the placeholder' : value);
  return [
    ...[...there].filter((value) => !wanted.has(value)).map((value) => `LEAK: ${shown(value)} is in ${dn}`),
    ...[...wanted].filter((value) => !there.has(value)).map((value) => `THEFT: ${shown(value)} is missing from ${dn}`),
    ...(there.size === values.length ? [] : [`${dn} has a value twice`]),
  ];
}

/** Ledger and control plane believe the same of every grant. */
function judgeLedger({ ledger, grants: views, events }: Snapshot, { grants }: Story): string[] {
  const findings: string[] = [];
  const known = new Map(ledger.grants.map((grant) => [grant.grantId, grant]));
  for (const [grantId, told] of grants) {
    const kept = known.get(grantId);
    if (kept?.state !== told.state)
      findings.push(`grant ${grantId}: ${kept?.state ?? 'unknown'} in the ledger, told as ${told.state}`);
    else if (told.state === 'active' && kept.expiresAt !== Date.parse(told.expiresAt ?? ''))
      findings.push(`grant ${grantId}: ends at ${kept.expiresAt} in the ledger, told as ${told.expiresAt}`);
  }
  for (const { grantId, state } of ledger.grants)
    if ((state === 'active' || state === 'ended') && !grants.has(grantId))
      findings.push(`grant ${grantId}: ${state} in the ledger, and the control plane was not told`);
  for (const { grantId, ended } of views)
    if ((ended !== null) !== (grants.get(grantId)?.state === 'ended'))
      findings.push(`grant ${grantId}: GET /grants shows ${ended === null ? 'no end' : 'an end'}`);
  const seqs = events.map(({ ledgerId, seq }) => `${ledgerId}/${seq}`);
  if (new Set(seqs).size !== seqs.length) findings.push('an event was stored twice');
  const pairs = ledger.periods.map(({ userDn, groupDn }) => `${groupDn}|${userDn}`.toLowerCase());
  const live = new Set(
    ledger.grants.filter(({ state }) => state === 'active').map(({ userDn, groupDn }) => `${groupDn}|${userDn}`.toLowerCase()),
  );
  for (const pair of live) if (!pairs.includes(pair)) findings.push(`no period in the ledger for ${pair}`);
  for (const pair of pairs) if (!live.has(pair)) findings.push(`a period without a grant in the ledger for ${pair}`);
  return findings;
}

/** Each job that was posted has one outcome, a right one, the same in the ledger; what repeats it says so. */
function judgeJobs({ posted, snapshot: { events, jobs, ledger } }: Case): string[] {
  const findings: string[] = [];
  const results = new Map<string, SeenFacts[]>();
  for (const { event } of events)
    if ((event.kind === 'job.succeeded' || event.kind === 'job.failed') && event.jobId !== undefined)
      results.set(event.jobId, [...(results.get(event.jobId) ?? []), event]);
  const kept = new Map(ledger.jobs.map((job) => [job.jobId, job.result]));
  const ids = new Set([...jobs.map(({ jobId }) => jobId), ...posted.map(({ jobId }) => jobId)]);
  for (const jobId of ids) {
    const [first, ...others] = results.get(jobId) ?? [];
    if (first === undefined) {
      findings.push(`LOST: job ${jobId} has no outcome`);
      continue;
    }
    if (first.repeat === true) findings.push(`job ${jobId}: its only outcome is marked as a repetition`);
    for (const other of others) {
      if (other.repeat !== true)
        findings.push(`TWICE: job ${jobId} has a second outcome, ${spoken(other)} after ${spoken(first)}`);
      if (spoken(other) !== spoken(first)) findings.push(`job ${jobId}: ${spoken(other)} repeats ${spoken(first)}`);
    }
    if (kept.get(jobId) !== spoken(first))
      findings.push(`job ${jobId}: ${kept.get(jobId) ?? 'unknown'} in the ledger, told as ${spoken(first)}`);
  }
  for (const { jobId } of ledger.jobs) if (!ids.has(jobId)) findings.push(`job ${jobId} is in the ledger, and nobody sent it`);
  for (const one of posted) {
    const { jobId, allowed, repeats } = one;
    const [first, ...others] = results.get(jobId) ?? [];
    if (first !== undefined && !allowed.includes(spoken(first)) && !isLate(one, ledger))
      findings.push(`job ${jobId}: ${spoken(first)}, but ${allowed.join(', ')} would be right`);
    if (others.length < repeats) findings.push(`job ${jobId}: sent ${repeats} times again, answered ${others.length} times`);
    if (jobs.every((job) => job.jobId !== jobId)) findings.push(`job ${jobId} is unknown to the control plane`);
  }
  return findings;
}

/** Refused as too late, and truly so: what was asked for would have been over, counted from its receipt (PROTOCOL, Jobs). */
function isLate({ jobId, job }: Posted, { jobs, audit }: LedgerView): boolean {
  const stored = jobs.find((one) => one.jobId === jobId);
  const refused = audit.find((record) => record.jobId === jobId && record.kind === 'job.failed');
  const { kind, durationSeconds } = job;
  if (stored?.result !== 'job_expired' || refused === undefined) return false;
  return kind === 'grant' && typeof durationSeconds === 'number' && refused.at >= stored.receivedAt + durationSeconds * 1000;
}

function spoken({ outcome, error }: SeenFacts): string {
  return outcome ?? error?.code ?? 'nothing';
}

function placeOf(
  { groups, uids }: Snapshot,
  { user, group }: { user: { dn: string } | null; group: { dn: string } | null },
): Place {
  const groupDn = (group?.dn ?? '').toLowerCase();
  const userDn = (user?.dn ?? '').toLowerCase();
  return `${groupDn}|${groups.get(groupDn)?.attribute === 'memberUid' ? (uids.get(userDn) ?? '') : userDn}`;
}
