import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { CheckStep } from '../../access/event.ts';
import { codeOf, makeAndRemove, nearest, statOf } from './check-state-directory.ts';

/** Whether verified backups can be kept in the second folder; no step where none is configured. */
export async function checkBackupDirectory({
  stateDir,
  backupDir,
}: {
  readonly stateDir: string;
  readonly backupDir: string | null;
}): Promise<readonly CheckStep[]> {
  return backupDir === null ? [] : [{ step: 'backup directory', ...(await judged(stateDir, backupDir)) }];
}

async function judged(stateDir: string, backupDir: string): Promise<Omit<CheckStep, 'step'>> {
  try {
    const { dev } = await stat(backupDir);
    await makeAndRemove(backupDir);
    const own = await deviceOf(resolve(stateDir)).catch(() => null);
    if (own === null)
      return {
        status: 'warn',
        detail: `${backupDir} can be written; whether it is on another file system than ${stateDir} cannot be seen: check LATCHKEY_STATE_DIR`,
      };
    if (dev !== own)
      return { status: 'ok', detail: `${backupDir} can be written, and is on another file system than the ledger` };
    return {
      status: 'warn',
      detail: `${backupDir} is on the file system of the ledger and is lost with it: set LATCHKEY_BACKUP_DIR to a folder on another disk`,
    };
  } catch (error) {
    return {
      status: 'fail',
      detail: `no backup can be written to ${backupDir} (${codeOf(error)}): it must be there (is it mounted?), and this user must be allowed to write to it`,
    };
  }
}

/** Of the file system on which a directory is, or will be made. */
async function deviceOf(path: string): Promise<number> {
  const { dev } = (await statOf(path)) ?? (await stat(await nearest(path)));
  return dev;
}
