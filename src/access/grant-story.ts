import type { AuditEntry, AuditKind, AuditRecord } from './audit.ts';
import { canonicalJson } from './canonical-json.ts';
import { formatInstant, type Instant, instant } from './instant.ts';

/** One sentence of the story of a grant, and the audit record that it was read from. */
export interface StoryLine {
  readonly seq: number;
  readonly at: Instant;
  readonly kind: AuditKind;
  readonly text: string;
}

type Facts = Readonly<Record<string, unknown>>;
type Sentence = (facts: Facts, record: AuditRecord) => string;

/**
 * Tells from its audit records what became of a grant: who asked and why, what was found, what was done, when, on which server.
 * The records are those of one grant, in order; facts that an older version did not write are left out.
 */
export function grantStory(entries: readonly Pick<AuditEntry, 'seq' | 'record'>[]): readonly StoryLine[] {
  return entries.map(({ seq, record }) => ({
    seq,
    at: record.at,
    kind: record.kind,
    text: SENTENCES[record.kind](record.facts, record),
  }));
}

const SENTENCES: Record<AuditKind, Sentence> = {
  'ledger.created': () => 'the ledger was created',
  'ledger.replaced': ({ why }) => `the ledger was found to be an older copy${because(why)}`,
  'connector.started': ({ version }) => `the connector started${plain(' as version ', version)}`,
  'job.accepted': ({ job }, { jobId }) => accepted(object(job), jobId),
  'job.refused': ({ code, message }, { jobId }) => `job ${jobId ?? '?'} was refused as ${shown(code)}${because(message)}`,
  'job.unverified': () => 'jobs were refused that were not to be believed',
  'job.succeeded': ({ outcome }, { jobId }) => `job ${jobId ?? '?'} succeeded: ${shown(outcome)}`,
  'job.failed': ({ code, message }, { jobId }) => `job ${jobId ?? '?'} failed as ${shown(code)}${because(message)}`,
  'grant.pending': pending,
  'grant.activated': (facts, { pair }) =>
    `a probe showed ${pair === undefined || pair === null ? 'the user in the group' : `"${pair.user.dn}" in "${pair.group.dn}"`}${held(facts)}`,
  'grant.updated': (facts) => `its end was changed${held(facts)}`,
  'grant.ending': ({ cause, reason, since, evidence }) =>
    `it is to end: ${shown(cause)}${because(reason)}${time(', due since ', since)}${plain(' (', evidence, ')')}`,
  'grant.ended': ({ cause, membership, ...facts }) =>
    `it ended (${shown(cause)}): ${ENDINGS[String(membership)] ?? shown(membership)}${recreated(facts)}${proof(facts)}`,
  'grant.failed': ({ code, message, ...facts }) => `it came to nothing: ${shown(code)}${because(message)}${recreated(facts)}`,
  'grant.drifted': ({ observed, action, ...facts }) =>
    `the directory had changed by itself: ${shown(observed)}${plain(', ', action)}${proof(facts)}`,
  'intent.opened': opened,
  'intent.closed': ({ applied, why, ...facts }) =>
    `that write ${APPLIED[String(applied)] ?? 'is settled'}${because(why)}${proof(facts)}`,
  'revoke.remembered': (_, { jobId }) => `job ${jobId ?? '?'} revoked it before it came; it will never be granted`,
  'operator.command': ({ command, by, reason }) =>
    `a person on the machine${plain(' (', by, ')')} asked: ${shown(command)}${because(reason)}`,
  'policy.tripped': ({ rule, detail }) => `by the local rule ${shown(rule)}${because(detail)}`,
  'audit.chained': ({ records }) => `${shown(records)} older records were laid into the chain as they were found`,
  'audit.pruned': ({ count }) => `the records up to ${shown(count)} were deleted by their retention`,
};

const ENDINGS: Readonly<Record<string, string>> = {
  removed: 'the user was taken out of the group, and a probe showed it',
  kept_standing: 'the user had been in the group before, and stays in it',
  kept_by_grant: 'another grant holds the membership',
  already_absent: 'the user was no longer in the group',
};

const APPLIED: Readonly<Record<string, string>> = {
  true: 'took effect',
  false: 'did not take effect',
  unknown: 'may have taken effect, and counts as ours',
};

function accepted(job: Facts, jobId: string | undefined): string {
  const by = plain(' by ', job['requestedBy']);
  if (job['kind'] === 'revoke') return `job ${jobId ?? '?'} asked to revoke it${because(job['reason'])}`;
  if (job['kind'] !== 'grant') return `job ${jobId ?? '?'} was taken: ${shown(job['kind'])}`;
  return (
    `asked for${by} in job ${jobId ?? '?'}: ${reference(job['user'])} in ${reference(job['group'])}, ` +
    `${requestedEnd(object(job['end']))}${because(job['justification'])}`
  );
}

function pending({ resolved, end, deadline }: Facts, { pair }: AuditRecord): string {
  if (resolved === true && pair !== undefined && pair !== null)
    return `found the user "${pair.user.dn}" (${pair.user.id}) and the group "${pair.group.dn}" (${pair.group.id})`;
  return `taken: the user is to be in the group ${requestedEnd(object(end))}${time(', written by ', deadline)} at the latest`;
}

function opened({ kind, attribute, value, values, placeholder, ...facts }: Facts): string {
  const what = (Array.isArray(values) ? values : [value]).map((one) => `"${shown(one)}"`).join(', ');
  const [found, doing, other] =
    kind === 'remove'
      ? ['the user in the group', 'delete', plain(', with the placeholder in its place: "', placeholder, '"')]
      : ['no such member', 'add', plain(', and the placeholder leaves: "', placeholder, '"')];
  return `a look found ${found}; about to ${doing} ${what} ${kind === 'remove' ? 'from' : 'to'} its ${shown(attribute)}${other}${recreated(facts)}${proof(facts)}`;
}

function held({ standing, expiresAt, cancelled, ...facts }: Facts): string {
  const before =
    standing === true
      ? '; it was there before, and stays when this ends'
      : standing === 'unknown'
        ? '; whether it was there before is unknown'
        : '';
  return `${before}${time('; until ', expiresAt)}${cancelled === true ? '; a revoke had come meanwhile' : ''}${proof(facts)}`;
}

/** What showed it, and on which server. */
function proof({ evidence, server }: Facts): string {
  const parts = [evidence, typeof server === 'string' ? `on ${server}` : undefined].filter((one) => typeof one === 'string');
  return parts.length === 0 ? '' : ` (${parts.join(' ')})`;
}

function recreated(facts: Facts): string {
  const values = facts['recreated'];
  if (!Array.isArray(values) || values.length === 0) return '';
  return `; left alone, since they are somebody else's by now: ${values.map((one) => `"${shown(one)}"`).join(', ')}`;
}

function reference(ref: unknown): string {
  const { by, ...named } = object(ref);
  const [value] = Object.values(named);
  return `${shown(by)} "${shown(value)}"`;
}

function requestedEnd(end: Facts): string {
  if (end['kind'] === 'at') return `until ${time('', end['expiresAt'])}`;
  const durationMs = end['durationMs'];
  return typeof durationMs === 'number' ? `for ${durationMs / 1000} s` : 'for a time that is not recorded';
}

function because(why: unknown): string {
  return plain(': ', why);
}

/** Empty where there is nothing to show. */
function plain(before: string, fact: unknown, after = ''): string {
  return typeof fact === 'string' && fact !== '' ? `${before}${fact}${after}` : '';
}

function time(before: string, fact: unknown): string {
  return typeof fact === 'number' ? `${before}${formatInstant(instant(fact))}` : '';
}

function shown(fact: unknown): string {
  if (fact === undefined) return '?';
  return typeof fact === 'string' ? fact : canonicalJson(fact);
}

function object(fact: unknown): Facts {
  return typeof fact === 'object' && fact !== null ? (fact as Facts) : {};
}
