// A process that owns a ledger, for tests that kill it. It prints "open", then the number of each event as soon as
// the ledger has said that it is durable.
import { type Instant, instant } from '../../src/access/instant.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';

const [stateDir, written] = process.argv.slice(2);
if (stateDir === undefined) throw new Error('usage: ledger-owner.ts STATE_DIR [EVENTS]');
const now = (): Instant => instant(Date.now());
const ledger = await openSqliteLedger({ stateDir, connectorId: null, defaultConnectorId: 'connector-1', now });
process.stdout.write('open\n');
// Keeps the process alive until it is killed.
process.stdin.resume();

for (let seq = 1; seq <= Number(written ?? 0); seq += 1) {
  const event = { kind: 'ledger.replaced', previousLedgerId: `event ${seq}` } as const;
  // Not awaited, so that many share a commit, as under load.
  void ledger.tell({ at: now(), events: [event], audit: [] }).then(() => process.stdout.write(`${seq}\n`));
  if (seq % 20 === 0) await ledger.identity();
}
