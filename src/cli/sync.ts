import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import type { SyncRecord } from '../access/sync.ts';
import { type LocalSyncResult, localSync } from '../connector/local-sync.ts';
import { askOperator } from '../operator/ask.ts';
import { type Configured, configured } from './configured.ts';
import { EXIT } from './exit-code.ts';
import { type Progress, progress } from './progress.ts';
import type { CommandWords } from './read-command.ts';

export interface SyncFlags {
  readonly full: boolean;
  readonly dryRun: boolean;
  /** Where the records go, one a line; null: to nobody but the control plane. */
  readonly out: string | null;
  readonly acceptRemovals: string | null;
}

/** `latchkey sync`; what is held is accepted only where it is told. */
export async function syncCommand(given: CommandWords): Promise<number> {
  const flags: SyncFlags = {
    full: given.has('full'),
    dryRun: given.has('dry-run'),
    out: given.value('out'),
    acceptRemovals: given.value('accept-removals'),
  };
  if (flags.acceptRemovals !== null && (flags.dryRun || flags.out !== null))
    return failed('"sync" takes --accept-removals only where the removals are told: without --dry-run and --out', EXIT.usage);
  return await sync(flags);
}

/** 128 and the number of SIGINT, which is what Ctrl-C means. */
const INTERRUPTED = 130;

/**
 * Syncs now. What is to be told to the control plane is told by the running connector; `--dry-run` and `--out` read the directory
 * themselves, need no control plane, and change nothing.
 */
async function sync(flags: SyncFlags): Promise<number> {
  const known = configured({ logs: 'stderr' });
  if (known === null) return EXIT.configuration;
  const shown = progress(process.stderr);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new Error('interrupted')));
  try {
    return flags.dryRun || flags.out !== null
      ? await readLocally(known, flags, { shown, signal: stop.signal })
      : await ask(known, flags, shown);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    return INTERRUPTED;
  } finally {
    shown.end();
  }
}

async function ask({ config, scrubber }: Configured, { full, acceptRemovals }: SyncFlags, shown: Progress): Promise<number> {
  const { stateDir } = config.process;
  const answer = await askOperator(
    { stateDir, request: { request: 'sync', mode: full ? 'full' : 'delta', acceptRemovals } },
    (news) => {
      if (news.answer === 'progress') shown.records(news.records);
    },
  );
  shown.end();
  switch (answer.answer) {
    case 'done':
      process.stdout.write('the control plane has the picture of the directory\n');
      return EXIT.ok;
    case 'failed':
      return failed(scrubber.text(answer.error.message), EXIT.failed);
    case 'refused':
      return failed(answer.message, EXIT.failed);
    case 'unlinked':
      return failed(
        'the connector has no connection to the control plane, or lost it; it syncs when there is one',
        EXIT.unavailable,
      );
    case 'chosen':
    case 'health':
      return failed('the connector answered something else than was asked; is it another version?', EXIT.internal);
    case 'lost':
      return failed('the connector went away before it answered', EXIT.unavailable);
    case 'absent':
      return failed(
        `no connector runs with the state directory ${stateDir}, and only a running one can tell the control plane; --dry-run and --out work without`,
        EXIT.unavailable,
      );
    default:
      return answer satisfies never;
  }
}

/** What the records of a stream say, in numbers. */
interface Sums {
  users: number;
  groups: number;
  added: number;
  removed: number;
  goneUsers: number;
  goneGroups: number;
}

async function readLocally(
  { config, log, scrubber }: Configured,
  { full, dryRun, out }: SyncFlags,
  { shown, signal }: { shown: Progress; signal: AbortSignal },
): Promise<number> {
  const sums: Sums = { users: 0, groups: 0, added: 0, removed: 0, goneUsers: 0, goneGroups: 0 };
  const file = out === null ? null : createWriteStream(out, { mode: 0o600 });
  if (file !== null) await once(file, 'open');
  let records = 0;
  const result = await localSync({
    config,
    log,
    learnSecret: scrubber.learn,
    mode: dryRun && !full ? 'delta' : 'full',
    async take(page) {
      for (const record of page) add(sums, JSON.parse(record) as SyncRecord);
      records += page.length;
      shown.records(records);
      if (file !== null && !file.write(`${page.join('\n')}\n`)) await once(file, 'drain');
    },
    signal,
  });
  if (file !== null) await closed(file);
  shown.end();
  return tell(result, { sums, out, text: scrubber.text });
}

function tell(
  result: LocalSyncResult,
  { sums, out, text }: { sums: Sums; out: string | null; text: (text: string) => string },
): number {
  if (result.kind === 'failed') return failed(text(result.error.message), EXIT.failed);
  const { counts, mode } = result;
  const { users, groups, added, removed, goneUsers, goneGroups } = sums;
  const there = `${counts.users} users, ${counts.groups} groups, ${counts.memberships} memberships, ${counts.membersOutOfScope} members out of scope`;
  const told = `${users} users, ${groups} groups and ${added} memberships`;
  process.stdout.write(
    `in the directory: ${there}\n${
      mode === 'delta'
        ? `a sync would tell ${told} anew or otherwise, and remove ${goneUsers} users, ${goneGroups} groups and ${removed} memberships of others\n`
        : `a sync would tell everything: ${told}\n`
    }${out === null ? '' : `records written to ${out}\n`}`,
  );
  return EXIT.ok;
}

function add(sums: Sums, record: SyncRecord): void {
  switch (record.record) {
    case 'user':
      sums.users += 1;
      return;
    case 'group':
      sums.groups += 1;
      return;
    case 'members':
      sums.added += record.add.length;
      sums.removed += record.remove.length;
      return;
    case 'gone':
      if (record.entity === 'user') sums.goneUsers += 1;
      else sums.goneGroups += 1;
      return;
    default:
      record satisfies never;
  }
}

async function closed(file: WriteStream): Promise<void> {
  const finished = once(file, 'close');
  file.end();
  await finished;
}

function failed(message: string, code: number): number {
  process.stderr.write(`latchkey: ${message}\n`);
  return code;
}
