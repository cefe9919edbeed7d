import type { ShownGrant } from '../access/operator.ts';

const UNKNOWN = '(not looked up yet)';

/** One grant as a few lines of text that a person reads, without a name of its own. */
export function whoAndWhat({ user, group, asked }: ShownGrant): string {
  return `${user?.dn ?? asked?.user ?? UNKNOWN} in ${group?.dn ?? asked?.group ?? UNKNOWN}`;
}

/** A table of grants, soonest end first; `now` in milliseconds. */
export function grantTable(grants: readonly ShownGrant[], now: number): string {
  const head = ['GRANT', 'STATE', 'ENDS', 'USER', 'GROUP'];
  const rows = grants
    .toSorted((one, other) => (one.expiresAt ?? Infinity) - (other.expiresAt ?? Infinity))
    .map((grant) => ({
      cells: [
        grant.grantId,
        grant.state,
        endOf(grant, now),
        grant.user?.dn ?? grant.asked?.user ?? UNKNOWN,
        grant.group?.dn ?? grant.asked?.group ?? UNKNOWN,
      ],
      trouble: grant.trouble,
    }));
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map(({ cells }) => cells[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  const lines = rows.flatMap(({ cells, trouble }) => [
    line(cells),
    ...(trouble === undefined ? [] : [`    not done yet (${trouble.code}): ${trouble.message}`]),
  ]);
  return [line(head), ...lines, ''].join('\n');
}

/** When a grant ends or how it has, as a person reads it. */
function endOf({ state, expiresAt, endedAt, membership, standing, code }: ShownGrant, now: number): string {
  switch (state) {
    case 'pending':
      return 'not active yet';
    case 'active':
      return `${expiresAt === null ? '?' : span(expiresAt - now)}${standing === true ? ', stays a member' : ''}${standing === 'unknown' ? ', ownership unknown' : ''}`;
    case 'ending':
      return standing === 'unknown' ? 'ownership unknown' : 'now';
    case 'ended':
      return `${endedAt === undefined ? '' : new Date(endedAt).toISOString()} ${membership ?? ''}`.trim();
    case 'failed':
      return code ?? '';
    default:
      return state satisfies never;
  }
}

const UNITS: readonly (readonly [number, string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
];

/** A span of time in its two greatest units. */
export function span(ms: number): string {
  if (ms < 1000) return 'now';
  const first = UNITS.findIndex(([unit]) => ms >= unit);
  const [unit = 1000, name = 's'] = UNITS[first] ?? [];
  const [less, lessName] = UNITS[first + 1] ?? [];
  const whole = Math.floor(ms / unit);
  const rest = less === undefined ? 0 : Math.floor((ms - whole * unit) / less);
  return `in ${whole} ${name}${rest === 0 ? '' : ` ${rest} ${lessName ?? ''}`}`;
}

/** How a grant ended, as one sentence. */
export function howEnded(grant: ShownGrant): string {
  if (grant.state === 'failed') return `${grant.grantId}: cancelled before it was made (${grant.code ?? 'failed'})`;
  return `${grant.grantId}: ${whoAndWhat(grant)}: ${MEMBERSHIP[grant.membership ?? ''] ?? 'ended'}`;
}

const MEMBERSHIP: Readonly<Record<string, string>> = {
  removed: 'ended, and a probe shows that the user has left the group',
  kept_standing: 'ended; the user was in the group before, and STAYS in it',
  kept_by_grant: 'ended; another grant holds the membership still',
  already_absent: 'ended; the user was no longer in the group',
};

/** A grant for machines: what is known, with instants as text. */
export function forMachines(grant: ShownGrant): Readonly<Record<string, unknown>> {
  const text = (at: number | null | undefined) => (at === null || at === undefined ? null : new Date(at).toISOString());
  return { ...grant, activatedAt: text(grant.activatedAt), expiresAt: text(grant.expiresAt), endedAt: text(grant.endedAt) };
}
