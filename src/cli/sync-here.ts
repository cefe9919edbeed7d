import type { SyncRecord } from '../access/sync.ts';
import { type LocalSyncResult, localSync } from '../connector/local-sync.ts';
import type { Configured } from './configured.ts';
import { EXIT } from './exit-code.ts';
import { type OutFile, OutFileError, outFile } from './out-file.ts';
import type { Progress } from './progress.ts';
import { said } from './said.ts';
import { counts, syncSums } from './sync-sums.ts';

/** What `sync --dry-run` and `sync --out` are asked for. */
export interface SyncHere {
  readonly full: boolean;
  readonly dryRun: boolean;
  /** Where the records go, one a line. */
  readonly out: string | null;
}

/** Reads the directory in this process and tells no control plane; returns the exit code. */
export async function syncHere(
  known: Configured,
  flags: SyncHere,
  { shown, signal }: { shown: Progress; signal: AbortSignal },
): Promise<number> {
  const { out } = flags;
  let file: OutFile | null;
  try {
    file = out === null ? null : await outFile(out);
  } catch (error) {
    return unwritten(error, EXIT.usage);
  }
  try {
    return await read(known, flags, { file, shown, signal });
  } finally {
    await file?.discard();
  }
}

async function read(
  { config, log, scrubber }: Configured,
  { full, dryRun, out }: SyncHere,
  { file, shown, signal }: { file: OutFile | null; shown: Progress; signal: AbortSignal },
): Promise<number> {
  const sums = syncSums();
  let records = 0;
  // What a file cannot take is no failure of the directory, which is what a sync would call it.
  let fault: OutFileError | null = null;
  const result = await localSync({
    // Nothing is removed from anybody where everything goes into a file.
    config: dryRun ? config : { ...config, sync: { ...config.sync, maxRemovedPercent: 100 } },
    log,
    learnSecret: scrubber.learn,
    mode: dryRun && !full ? 'delta' : 'full',
    async take(page) {
      for (const record of page) sums.add(JSON.parse(record) as SyncRecord);
      records += page.length;
      shown.records(records);
      try {
        await file?.append(`${page.join('\n')}\n`);
      } catch (error) {
        if (error instanceof OutFileError) fault = error;
        throw error;
      }
    },
    signal,
  }).catch((error: unknown): LocalSyncResult | null => {
    if (fault === null) throw error;
    return null;
  });
  shown.end();
  if (fault !== null || result === null) return unwritten(fault, EXIT.failed);
  if (result.kind === 'failed') return said(scrubber.text(result.error.message), EXIT.failed);
  try {
    await file?.keep();
  } catch (error) {
    return unwritten(error, EXIT.failed);
  }
  const written = out === null ? '' : `records written to ${out}\n`;
  process.stdout.write(`in the directory: ${counts(result.counts)}\na sync would ${sums.wouldDo(result.mode)}\n${written}`);
  return EXIT.ok;
}

function unwritten(error: unknown, code: number): number {
  if (!(error instanceof OutFileError)) throw error;
  return said(error.message, code);
}
