import type { ChainReport, ChainVerdict } from '../access/audit-chain.ts';

/** What a person is told of a trail that was verified. */
export function shownVerdict(verdict: ChainVerdict, { path, checkpoints }: { path: string; checkpoints: number }): string {
  const { report } = verdict;
  if (!verdict.whole) {
    const { seq, fault, message, expected, found } = verdict.found;
    return [
      `latchkey: the audit trail in ${path} is broken at record ${seq} (${fault}): ${message}`,
      `  expected: ${expected}`,
      `  found:    ${found}`,
      `  the ${report.records} records before it are whole and in their places`,
      ...replacements(report),
      '',
    ].join('\n');
  }
  const { records, first, head } = report;
  return [
    `the audit trail is whole: ${records} records${first === null ? '' : ` (${first} to ${head.count})`}`,
    `head ${head.count}:${head.hash}`,
    ...(first === null || first === 1 ? [] : [`records 1 to ${first - 1} were deleted by their retention`]),
    ...replacements(report),
    checkpoints === 0
      ? 'no checkpoint was given: only against one that is kept elsewhere would it show that the ledger was put back or written anew'
      : againstCheckpoints(report),
    '',
  ].join('\n');
}

function againstCheckpoints({ met, notKept, ofReplaced }: ChainReport): string {
  const others = [
    ...(notKept === 0 ? [] : [`${notKept} are of records that are no longer kept`]),
    ...(ofReplaced === 0 ? [] : [`${ofReplaced} are of a ledger that this one has replaced`]),
  ];
  return [`${met} checkpoints agree`, ...others].join('; ');
}

function replacements({ replacedAt }: ChainReport): readonly string[] {
  return replacedAt.map(
    (seq) => `record ${seq} says that an older copy of the ledger was put back: what came after that copy is lost`,
  );
}
