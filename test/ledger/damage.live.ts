import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, type TestContext, test } from 'node:test';
import { type Ledger, LedgerError } from '../../src/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';
import { contentOf, LEDGER_FILES, type LedgerFile, ledgerWithHistory } from '../support/ledger-with-history.ts';
import { scratchFolder, sqliteOptions } from '../support/ledgers-under-test.ts';
import { atScale, FULL_SCALE } from '../support/scale.ts';
import { seeded, seedOf } from '../support/seeded.ts';

/** What a damaged ledger came to: refused, the content that it had, or an older content under a new id. */
type Finding = 'damaged' | 'same' | 'replaced';

/** What is done to a file, in words and in bytes; null removes it. */
type Damage = readonly [string, (bytes: Buffer) => Buffer | null];

const BLOCK_BYTES = 512;
const NEW_ID = 'new-id';

suite('damage to any file of a ledger is found at its next opening, and nothing damaged is believed', () => {
  const seed = seedOf(20_260_101);
  const random = seeded(seed);
  let folder = '';
  let stateDir = '';
  let original: Awaited<ReturnType<typeof ledgerWithHistory>>;

  before(async () => {
    folder = await scratchFolder();
    stateDir = join(folder, 'state');
    original = await ledgerWithHistory(join(folder, 'original'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const bytesOf = (name: LedgerFile): Buffer => Buffer.from(original.files.get(name) ?? Buffer.alloc(0));

  async function found(name: LedgerFile, damage: Damage[1]): Promise<Finding> {
    await rm(stateDir, { recursive: true, force: true });
    await mkdir(stateDir, { mode: 0o700 });
    for (const file of LEDGER_FILES) {
      const bytes = file === name ? damage(bytesOf(file)) : bytesOf(file);
      if (bytes !== null) await writeFile(join(stateDir, file), bytes, { mode: 0o600 });
    }
    let ledger: Ledger;
    try {
      ledger = await openSqliteLedger({ ...sqliteOptions(stateDir), newLedgerId: () => NEW_ID, reserveBytes: 0 });
    } catch (error) {
      assert.ok(error instanceof LedgerError);
      assert.equal(error.fault, 'damaged', error.message);
      return 'damaged';
    }
    try {
      const { ledgerId } = await ledger.identity();
      const content = await contentOf(ledger);
      if (ledgerId !== NEW_ID) {
        assert.deepEqual(content, original.content);
        return 'same';
      }
      assert.ok(original.past.has(JSON.stringify(content)), 'the content is none that the ledger ever had');
      return 'replaced';
    } finally {
      await ledger.close();
    }
  }

  async function foundEach(t: TestContext, name: LedgerFile, damages: readonly Damage[]) {
    const counts: Record<Finding, number> = { damaged: 0, same: 0, replaced: 0 };
    for (const [what, damage] of damages) {
      try {
        counts[await found(name, damage)] += 1;
      } catch (error) {
        throw new Error(`${name}, ${what}; again with TEST_SEED=${seed}`, { cause: error });
      }
    }
    t.diagnostic(`${name}: ${damages.length} damages, ${JSON.stringify(counts)}`);
    return counts;
  }

  /** Every boundary of a block, or some that are evenly spread. */
  function boundaries(length: number): readonly number[] {
    const all = Array.from({ length: Math.ceil(length / BLOCK_BYTES) }, (_, block) => block * BLOCK_BYTES);
    const step = FULL_SCALE ? 1 : Math.ceil(all.length / 20);
    return all.filter((_, index) => index % step === 0);
  }

  for (const name of LEDGER_FILES) {
    test(`${name}: a byte flipped where a block begins, a bit within the block, or the end cut off there`, async (t) => {
      const { length } = bytesOf(name);
      const counts = await foundEach(
        t,
        name,
        boundaries(length).flatMap((at): readonly Damage[] => {
          const blockBits = Math.min(BLOCK_BYTES, length - at) * 8;
          return [flipped(at, 0xff), flippedBit(at * 8 + Math.floor(random() * blockBits)), cut(at)];
        }),
      );
      assert.ok(counts.damaged + counts.replaced > 0);
    });
  }

  test('random bits in any of the files', async (t) => {
    const total = LEDGER_FILES.reduce((sum, name) => sum + bytesOf(name).length, 0);
    for (const name of LEDGER_FILES) {
      const { length } = bytesOf(name);
      const share = Math.ceil((atScale({ sample: 60, full: 10_000 }) * length) / total);
      const damages = Array.from({ length: share }, () => flippedBit(Math.floor(random() * length * 8)));
      await foundEach(t, name, damages);
    }
  });

  test('a missing file is told from one that was never there', async () => {
    const missing = () => null;
    // With a log beside it, an empty ledger is not a new one.
    assert.equal(await found('ledger.db', missing), 'damaged');
    const log = bytesOf('ledger.db-wal');
    assert.ok(
      log.length > 0 && log.equals(await readFile(join(stateDir, 'ledger.db-wal'))),
      'the log is lost, all that was left',
    );
    assert.equal(await found('ledger.db-wal', missing), 'replaced');
    assert.equal(await found('ledger.sum', missing), 'replaced');
    assert.equal(await found('ledger.sum', (bytes) => bytes), 'same');
  });
});

function flipped(at: number, mask: number): Damage {
  return [
    `byte ${at} flipped by ${mask}`,
    (bytes) => {
      bytes.writeUInt8(bytes.readUInt8(at) ^ mask, at);
      return bytes;
    },
  ];
}

function flippedBit(bit: number): Damage {
  return flipped(Math.floor(bit / 8), 1 << (bit % 8));
}

function cut(at: number): Damage {
  return [`cut at ${at}`, (bytes) => bytes.subarray(0, at)];
}
