import type { Snapshot } from './independent-check.ts';
import type { LedgerAudit, LedgerGrant, LedgerJob } from './independent-ledger.ts';

/** The audit trail has no gap, and for every job and grant the records that its life implies, in their order. */
export function judgeAudit({ ledger: { audit, grants, jobs } }: Snapshot): string[] {
  const findings: string[] = [];
  for (const [index, { id }] of audit.entries())
    if (id !== index + 1) {
      findings.push(`AUDIT: record ${index + 1} is missing`);
      break;
    }
  const byGrant = Map.groupBy(audit, ({ grantId }) => grantId);
  const byJob = Map.groupBy(audit, ({ jobId }) => jobId);
  for (const grant of grants)
    findings.push(...judgeLife(grant, byGrant.get(grant.grantId) ?? []).map((what) => `AUDIT: grant ${grant.grantId}: ${what}`));
  for (const job of jobs)
    findings.push(...judgeJob(job, byJob.get(job.jobId) ?? []).map((what) => `AUDIT: job ${job.jobId}: ${what}`));
  const known = new Set(grants.map(({ grantId }) => grantId));
  for (const { grantId, kind } of audit)
    if (grantId !== null && !known.has(grantId) && kind.startsWith('grant.') && kind !== 'grant.ending')
      findings.push(`AUDIT: ${kind} of grant ${grantId}, which the ledger does not know`);
  return findings;
}

function judgeLife({ state, membership }: LedgerGrant, records: readonly LedgerAudit[]): string[] {
  const findings: string[] = [];
  const of = (kind: string): readonly LedgerAudit[] => records.filter((record) => record.kind === kind);
  const exactly = (kind: string, count: number): void => {
    if (of(kind).length !== count) findings.push(`${of(kind).length} times ${kind} instead of ${count}`);
  };
  const lived = state === 'active' || state === 'ended';
  exactly('grant.activated', lived ? 1 : 0);
  exactly('grant.ended', state === 'ended' ? 1 : 0);
  if (lived && of('grant.pending').length === 0) findings.push('no grant.pending');
  if (state === 'active' && of('grant.ending').length > 0) findings.push('active after grant.ending');
  if (state === 'ended' && of('grant.ending').length === 0) findings.push('no grant.ending');
  if (state === 'failed' && of('grant.failed').length + of('job.failed').length === 0) findings.push('no word of its failure');
  const order = [
    // The first: a job that joins a grant that still waits is noted as pending too.
    ...of('grant.pending').slice(0, 1),
    ...['grant.activated', 'grant.ending', 'grant.ended'].flatMap((kind) => of(kind).slice(-1)),
  ];
  // A revoke of a grant that is not written yet is noted before the grant is active.
  const activated = of('grant.activated')[0];
  const steps = order.filter(({ kind }) => kind !== 'grant.ending' || activated?.facts['cancelled'] !== true);
  if (steps.some(({ id }, index) => index > 0 && id < (steps[index - 1]?.id ?? 0)))
    findings.push(`out of order: ${order.map(({ id, kind }) => `${id} ${kind}`).join(', ')}`);
  const opened = (kind: string, before: number): boolean =>
    of('intent.opened').some(({ facts, id }) => facts['kind'] === kind && id < before);
  if (typeof activated?.facts['intentId'] === 'number' && !opened('add', activated.id))
    findings.push('written without an intent before');
  const ended = of('grant.ended')[0];
  if (ended !== undefined && membership === 'removed' && !opened('remove', ended.id))
    findings.push('taken away without an intent before');
  return findings;
}

function judgeJob({ result }: LedgerJob, records: readonly LedgerAudit[]): string[] {
  const findings: string[] = [];
  const accepted = records.filter(({ kind }) => kind === 'job.accepted' || kind === 'job.refused');
  if (accepted.length !== 1) findings.push(`accepted ${accepted.length} times`);
  const settled = records.filter(({ kind }) => ['job.succeeded', 'job.failed', 'revoke.remembered'].includes(kind));
  if (result === null) return [...findings, ...(settled.length > 0 ? ['settled, but it has no result'] : [])];
  if (settled.length !== 1 && result !== 'invalid_job') findings.push(`settled ${settled.length} times`);
  // A revoke that came before its grant is settled by being remembered.
  const said: { readonly outcome?: unknown; readonly code?: unknown } | undefined =
    settled[0]?.kind === 'revoke.remembered' ? { outcome: 'already_absent' } : settled[0]?.facts;
  if (said !== undefined && said.outcome !== result && said.code !== result)
    findings.push(`settled as ${JSON.stringify(said)}, but its result is ${result}`);
  const first = accepted[0];
  if (first !== undefined && settled.some(({ id }) => id < first.id)) findings.push('settled before it was accepted');
  return findings;
}
