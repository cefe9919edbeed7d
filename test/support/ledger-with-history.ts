import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';
import {
  activeGrant,
  endedGrant,
  endingGrant,
  everyEvent,
  failedGrant,
  grantIdOf,
  jobIdOf,
  pendingGrant,
  quietly,
  sampleAudit,
  sampleIntent,
  sampleJob,
  samplePair,
  samplePeriod,
  seconds,
  succeeded,
} from './ledger-samples.ts';
import { sqliteOptions } from './ledgers-under-test.ts';

/** The files that a ledger is made of. */
export const LEDGER_FILES = ['ledger.db', 'ledger.db-wal', 'ledger.sum'] as const;
export type LedgerFile = (typeof LEDGER_FILES)[number];

/** What a ledger holds, whatever its id. */
export async function contentOf(ledger: Ledger): Promise<unknown> {
  const events = await ledger.events({ after: 0, limit: 10_000 });
  return {
    grants: await ledger.listGrants({ endedSince: seconds(-1), after: null, limit: 10_000 }),
    unfinished: await ledger.unfinished(),
    // A new id is told first, and numbers the others again.
    events: events
      .map(({ event }) => event)
      .filter((event) => event.kind !== 'ledger.replaced' || isSample(event.previousLedgerId)),
    clockMark: await ledger.clockMark(),
  };
}

/** Of the sample events. */
function isSample(previousLedgerId: string): boolean {
  return previousLedgerId === 'f'.repeat(36);
}

/**
 * Some dozens of grants in all states, half of them in the file and half in the write-ahead log: the files as a kill
 * would leave them, the content, and every content that the log ever had.
 */
export async function ledgerWithHistory(stateDir: string): Promise<{
  readonly files: ReadonlyMap<LedgerFile, Buffer>;
  readonly content: unknown;
  readonly past: ReadonlySet<string>;
}> {
  const early = await openSqliteLedger(sqliteOptions(stateDir));
  for (let number = 0; number < 12; number += 1) for (const step of stepsOf(number)) await step(early);
  await early.close();

  const late = await openSqliteLedger(sqliteOptions(stateDir));
  try {
    const past = new Set([JSON.stringify(await contentOf(late))]);
    for (let number = 12; number < 20; number += 1) {
      for (const step of stepsOf(number)) {
        await step(late);
        past.add(JSON.stringify(await contentOf(late)));
      }
    }
    const files = new Map<LedgerFile, Buffer>();
    for (const name of LEDGER_FILES) files.set(name, await readFile(join(stateDir, name)));
    return { files, content: await contentOf(late), past };
  } finally {
    await late.close();
  }
}

/** One grant of every state, each step a commit of its own. */
function stepsOf(number: number): readonly ((ledger: Ledger) => Promise<unknown>)[] {
  const name = (state: string): string => `${state}-${number}`;
  const pair = (group: number) => samplePair(number, group);
  const at = seconds(number);
  const period = (group: number) => samplePeriod({ pair: pair(group), standing: number % 3 === 0 ? 'unknown' : false });
  return [
    (ledger) => ledger.storeJob(sampleJob(name('job')), quietly({ at, audit: [sampleAudit('job.accepted', at)] })),
    (ledger) => ledger.savePending(pendingGrant(name('pending'), pair(1)), [jobIdOf(name('job'))], quietly({ at })),
    (ledger) =>
      ledger.activate(
        { grant: activeGrant(name('active'), { pair: pair(2) }), period: period(2), intentId: null, placeholder: null },
        quietly({ at, results: [succeeded(name('job'))] }),
      ),
    (ledger) => ledger.savePending(pendingGrant(name('written'), pair(3)), [], quietly({ at })),
    (ledger) =>
      ledger.openIntent(sampleIntent(name('written'), { pair: pair(3) }), { period: null, replaces: null }, quietly({ at })),
    (ledger) => ledger.beginEnding(endingGrant(name('ending'), pair(4)), [], quietly({ at })),
    (ledger) =>
      ledger.end(
        {
          grant: endedGrant(name('ended'), { pair: pair(5) }),
          period: period(5),
          placeholder: { groupId: pair(5).group.id, value: '' },
        },
        quietly({ at, events: everyEvent() }),
      ),
    (ledger) => ledger.failGrant(failedGrant(name('failed')), quietly({ at })),
    (ledger) => ledger.rememberRevoke(grantIdOf(name('unseen')), quietly({ at })),
  ];
}
